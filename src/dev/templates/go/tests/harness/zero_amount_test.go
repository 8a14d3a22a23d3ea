// Package harness keeps one case per incident that must not come back.
package harness

import (
	"context"
	"errors"
	"os"
	"testing"

	"example.com/@@product@@/lib/cache"
	"example.com/@@product@@/lib/database"
	"example.com/@@product@@/services"
)

// An entry of 0 was stored once, and a statement listed a transfer that never was.
func TestAnEntryOfZeroIsRefused(t *testing.T) {
	ctx := context.Background()
	db, err := database.Open(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	store := cache.Open(os.Getenv("REDIS_URL"))
	defer store.Close()
	_, err = services.NewEntries(db, store).Add(ctx, services.Entry{UserID: "priya@aspora.com", Amount: 0})
	if !errors.Is(err, services.ErrZero) {
		t.Errorf("an entry of 0 was answered by %v", err)
	}
}
