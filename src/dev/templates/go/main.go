// The product's service: it opens its database and its cache, migrates the database, and serves.
package main

import (
	"context"
	"embed"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"example.com/@@product@@/api"
	"example.com/@@product@@/lib/cache"
	"example.com/@@product@@/lib/database"
	"example.com/@@product@@/services"
)

//go:embed db/migrations/*.sql
var migrations embed.FS

//go:embed frontend
var frontend embed.FS

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	exit(run(ctx, os.Args[1:], os.Getenv, log.Printf))
}

// What main does with an error; a test has it do something else.
var exit = func(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// run serves until the context ends. It says where it serves by `say`.
func run(ctx context.Context, arguments []string, env func(string) string, say func(string, ...any)) error {
	flags := flag.NewFlagSet("service", flag.ContinueOnError)
	host := flags.String("host", "127.0.0.1", "address to listen on")
	port := flags.Int("port", 8000, "port to listen on; 0 for any free one")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	for _, name := range []string{"DATABASE_URL", "REDIS_URL"} {
		if env(name) == "" {
			return fmt.Errorf("%s is not set; `npm run serve` starts the service with all that it needs", name)
		}
	}
	db, err := database.Open(ctx, env("DATABASE_URL"))
	if err != nil {
		return err
	}
	defer db.Close()
	if err := database.Migrate(ctx, db, migrations, "db/migrations"); err != nil {
		return err
	}
	store := cache.Open(env("REDIS_URL"))
	defer store.Close()
	listener, err := net.Listen("tcp", fmt.Sprintf("%s:%d", *host, *port))
	if err != nil {
		return err
	}
	say("serving on http://%s", listener.Addr())
	return serve(ctx, listener, handler(api.Services{DB: db, Cache: store, Entries: services.NewEntries(db, store)}))
}

func handler(with api.Services) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /frontend/", http.FileServerFS(frontend))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, frontend, "frontend/index.html")
	})
	api.Register(mux, with)
	return mux
}

func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan error, 1)
	go func() {
		<-ctx.Done()
		bounded, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		done <- server.Shutdown(bounded)
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-done
}
