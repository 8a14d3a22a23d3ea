package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"example.com/@@product@@/api"
	"example.com/@@product@@/lib/cache"
	"example.com/@@product@@/lib/database"
	"example.com/@@product@@/services"
)

const user = "priya@aspora.com"

type product struct {
	t *testing.T
	api.Services
	server *httptest.Server
}

// The whole service, with no entry stored and an empty cache.
func newProduct(t *testing.T, cacheURL string) product {
	t.Helper()
	ctx := context.Background()
	db, err := database.Open(ctx, os.Getenv("DATABASE_URL"))
	must(t, err)
	must(t, database.Migrate(ctx, db, migrations, "db/migrations"))
	_, err = db.Exec("truncate entry restart identity")
	must(t, err)
	store := cache.Open(cacheURL)
	if cacheURL == os.Getenv("REDIS_URL") {
		must(t, store.Clear(ctx))
	}
	with := api.Services{DB: db, Cache: store, Entries: services.NewEntries(db, store)}
	server := httptest.NewServer(handler(with))
	t.Cleanup(func() {
		server.Close()
		must(t, errors.Join(store.Close(), db.Close()))
	})
	return product{t, with, server}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Asks, and compares status and body.
func (p product) expect(method, path, body string, status int, expected string) {
	p.t.Helper()
	request, err := http.NewRequest(method, p.server.URL+path, strings.NewReader(body))
	must(p.t, err)
	answer, err := http.DefaultClient.Do(request)
	must(p.t, err)
	text, err := io.ReadAll(answer.Body)
	must(p.t, errors.Join(err, answer.Body.Close()))
	if found := strings.TrimSpace(string(text)); answer.StatusCode != status || !strings.Contains(found, expected) {
		p.t.Errorf("%s %s %.80s: %d %s, not %d %s", method, path, body, answer.StatusCode, found, status, expected)
	}
}

func (p product) add(amount int, note string) {
	p.t.Helper()
	p.expect("POST", "/api/v1/entries", fmt.Sprintf(`{"user_id": %q, "amount": %d, "note": %q}`, user, amount, note), 201,
		fmt.Sprintf(`"amount":%d,"note":%q`, amount, note))
}

func TestAnEntryIsStoredAndCounted(t *testing.T) {
	p := newProduct(t, os.Getenv("REDIS_URL"))
	p.add(1250, "deposit")
	p.add(-250, "")
	shown := `{"entries":[{"id":2,"amount":-250,"note":""},{"id":1,"amount":1250,"note":"deposit"}],"total":1000,"user_id":"` + user + `"}`
	p.expect("GET", "/api/v1/entries?user_id="+user, "", 200, shown)
	p.expect("GET", "/api/v1/entries?user_id=ada@aspora.com", "", 200, `{"entries":[],"total":0,"user_id":"ada@aspora.com"}`)
}

func TestTheTotalFollowsEachEntryWithAndWithoutTheCache(t *testing.T) {
	for _, cacheURL := range []string{os.Getenv("REDIS_URL"), "redis://127.0.0.1:1/0"} {
		p := newProduct(t, cacheURL)
		for times := 1; times <= 2; times++ {
			p.add(1250, "")
			for range 2 {
				p.expect("GET", "/api/v1/entries?user_id="+user, "", 200, fmt.Sprintf(`"total":%d`, times*1250))
			}
		}
	}
}

func TestWhatIsWrongIsNamed(t *testing.T) {
	p := newProduct(t, os.Getenv("REDIS_URL"))
	wrong := func(body, why string) {
		t.Helper()
		p.expect("POST", "/api/v1/entries", body, 400, why)
	}
	wrong(`{"user_id": "a", "amount": 0}`, `{"error":"amount: an entry of 0 says nothing"}`)
	wrong(`{"user_id": "", "amount": 1}`, "user_id: 1 to 254 characters are needed")
	wrong(`{"user_id": "a", "amount": 1, "note": "`+strings.Repeat("x", 201)+`"}`, "note: at most 200 characters")
	wrong(`{"user_id": "a", "amount": "much"}`, "body: json: cannot unmarshal string")
	wrong(`{"note": "`+strings.Repeat("x", 1<<20)+`"}`, "body: http: request body too large")
	p.expect("GET", "/api/v1/entries", "", 400, `{"error":"user_id: is missing"}`)
	p.expect("GET", "/nowhere", "", 404, `{"error":"there is nothing here"}`)
}

func TestThePageAndItsScriptAreServed(t *testing.T) {
	p := newProduct(t, os.Getenv("REDIS_URL"))
	p.expect("GET", "/", "", 200, "<h1>@@product@@</h1>")
	p.expect("GET", "/frontend/app.js", "", 200, "fetch(")
}

func TestHealthSaysWhetherDatabaseAndCacheAnswer(t *testing.T) {
	newProduct(t, os.Getenv("REDIS_URL")).expect("GET", "/healthz", "", 200, `{"status":"ok"}`)
	newProduct(t, "redis://127.0.0.1:1/0").expect("GET", "/healthz", "", 503, "does not answer")
}

func TestAFaultOfTheServiceIsNotSaidToTheUser(t *testing.T) {
	p := newProduct(t, os.Getenv("REDIS_URL"))
	_, err := p.DB.Exec("alter table entry rename to hidden")
	must(t, err)
	p.expect("GET", "/api/v1/entries?user_id="+user, "", 500, `{"error":"internal error"}`)
	p.expect("POST", "/api/v1/entries", `{"user_id": "a", "amount": 1}`, 500, `{"error":"internal error"}`)
	_, err = p.DB.Exec("alter table hidden rename to entry")
	must(t, err)
}

func TestRunServesUntilItIsStopped(t *testing.T) {
	ctx, stop := context.WithTimeout(context.Background(), 30*time.Second)
	defer stop()
	status := make(chan string, 1)
	ask := func(url string) {
		defer stop()
		answer, err := http.Get(url + "/healthz")
		if err != nil {
			status <- err.Error()
			return
		}
		var body map[string]string
		err = errors.Join(json.NewDecoder(answer.Body).Decode(&body), answer.Body.Close())
		status <- fmt.Sprint(body["status"], err)
	}
	say := func(_ string, where ...any) { go ask(fmt.Sprintf("http://%s", where...)) }
	must(t, run(ctx, []string{"--port", "0"}, os.Getenv, say))
	if found := <-status; found != "ok<nil>" {
		t.Error(found)
	}
}

func TestRunSaysWhatIsMissing(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer taken.Close()
	port := fmt.Sprint(taken.Addr().(*net.TCPAddr).Port)
	with := func(changed, value string) func(string) string {
		return func(name string) string {
			if name == changed {
				return value
			}
			return os.Getenv(name)
		}
	}
	check := func(expected string, arguments []string, env func(string) string) {
		t.Helper()
		ctx, stop := context.WithTimeout(context.Background(), 10*time.Second)
		defer stop()
		err := run(ctx, arguments, env, t.Logf)
		if err == nil || !strings.Contains(err.Error(), expected) {
			t.Errorf("%v, not %s", err, expected)
		}
	}
	check("provided but not defined", []string{"--odd"}, os.Getenv)
	check("REDIS_URL is not set", nil, with("REDIS_URL", ""))
	check("open the database", nil, with("DATABASE_URL", "postgresql://127.0.0.1:1/x?sslmode=disable"))
	check("address already in use", []string{"--port", port}, os.Getenv)
	p := newProduct(t, os.Getenv("REDIS_URL"))
	_, err = p.DB.Exec("alter table migration rename column name to label")
	must(t, err)
	check("migrate", nil, os.Getenv)
	_, err = p.DB.Exec("alter table migration rename column label to name")
	must(t, err)
	if err := serve(context.Background(), closed{taken}, nil); err == nil {
		t.Error("it served on a listener that is closed")
	}
}

type closed struct{ net.Listener }

func (closed) Accept() (net.Conn, error) { return nil, net.ErrClosed }

func TestMainEndsWithWhatRunReturns(t *testing.T) {
	exit(nil)
	former, arguments := exit, os.Args
	defer func() { exit, os.Args = former, arguments }()
	var ended error
	exit = func(err error) { ended = err }
	os.Args = []string{"service", "--odd"}
	main()
	if ended == nil {
		t.Error("main did not fail")
	}
}
