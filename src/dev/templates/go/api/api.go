// Package api takes requests apart, and answers in JSON.
package api

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"log"
	"net/http"
	"unicode/utf8"

	"example.com/@@product@@/lib/cache"
	"example.com/@@product@@/services"
)

const mostBody = 1 << 20

// Services are what the handlers use.
type Services struct {
	DB      *sql.DB
	Cache   *cache.Cache
	Entries *services.Entries
}

// A refusal is an error that the user reads.
type refusal struct {
	status int
	why    string
}

func (r refusal) Error() string { return r.why }

// Register adds the routes of the API.
func Register(mux *http.ServeMux, with Services) {
	route := func(pattern string, status int, handle func(*http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, mostBody)
			payload, err := handle(r)
			if err != nil {
				fail(w, err)
				return
			}
			send(w, status, payload)
		})
	}
	route("GET /healthz", http.StatusOK, with.health)
	route("POST /api/v1/entries", http.StatusCreated, with.add)
	route("GET /api/v1/entries", http.StatusOK, with.entries)
	route("/", http.StatusOK, func(*http.Request) (any, error) { return nil, refusal{404, "there is nothing here"} })
}

func (s Services) health(r *http.Request) (any, error) {
	ctx := r.Context()
	if err := errors.Join(s.DB.PingContext(ctx), s.Cache.Ping(ctx)); err != nil {
		log.Print(err)
		return nil, refusal{http.StatusServiceUnavailable, "the database or the cache does not answer"}
	}
	return map[string]string{"status": "ok"}, nil
}

func (s Services) add(r *http.Request) (any, error) {
	var entry services.Entry
	if err := json.NewDecoder(r.Body).Decode(&entry); err != nil {
		return nil, refusal{400, "body: " + err.Error()}
	}
	if length := utf8.RuneCountInString(entry.UserID); length < 1 || length > 254 {
		return nil, refusal{400, "user_id: 1 to 254 characters are needed"}
	}
	if utf8.RuneCountInString(entry.Note) > 200 {
		return nil, refusal{400, "note: at most 200 characters"}
	}
	entry.ID = 0
	stored, err := s.Entries.Add(r.Context(), entry)
	if errors.Is(err, services.ErrZero) {
		return nil, refusal{400, err.Error()}
	}
	return stored, err
}

func (s Services) entries(r *http.Request) (any, error) {
	user := r.URL.Query().Get("user_id")
	if user == "" {
		return nil, refusal{400, "user_id: is missing"}
	}
	return s.shown(r.Context(), user)
}

func (s Services) shown(ctx context.Context, user string) (any, error) {
	total, err := s.Entries.Total(ctx, user)
	entries, other := s.Entries.Newest(ctx, user)
	return map[string]any{"user_id": user, "total": total, "entries": entries}, errors.Join(err, other)
}

func fail(w http.ResponseWriter, err error) {
	var refused refusal
	if !errors.As(err, &refused) {
		log.Print(err)
		refused = refusal{http.StatusInternalServerError, "internal error"}
	}
	send(w, refused.status, map[string]string{"error": refused.Error()})
}

func send(w http.ResponseWriter, status int, payload any) {
	w.Header().Set("content-type", "application/json")
	w.WriteHeader(status)
	// If the answer cannot be sent, nobody is left to read of it.
	_ = json.NewEncoder(w).Encode(payload)
}
