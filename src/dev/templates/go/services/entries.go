// Package services decides; it knows nothing of HTTP.
package services

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"time"

	"example.com/@@product@@/lib/cache"
)

const (
	mostEntries = 100
	keepTotal   = time.Hour
)

// ErrZero refuses an entry that says nothing.
var ErrZero = errors.New("amount: an entry of 0 says nothing")

// Entry is what a user entered.
type Entry struct {
	ID     int64  `json:"id"`
	UserID string `json:"user_id,omitempty"`
	Amount int64  `json:"amount"`
	Note   string `json:"note"`
}

// Entries keeps the entries of users and their totals. A total is in the cache until the next entry; the database decides.
type Entries struct {
	db    *sql.DB
	cache *cache.Cache
}

// NewEntries makes it on a pool of connections and a cache.
func NewEntries(db *sql.DB, cache *cache.Cache) *Entries { return &Entries{db, cache} }

// Add stores an entry and returns it with its number.
func (s *Entries) Add(ctx context.Context, entry Entry) (Entry, error) {
	if entry.Amount == 0 {
		return Entry{}, ErrZero
	}
	row := s.db.QueryRowContext(ctx, "insert into entry (user_id, amount, note) values ($1, $2, $3) returning id",
		entry.UserID, entry.Amount, entry.Note)
	if err := row.Scan(&entry.ID); err != nil {
		return Entry{}, err
	}
	// After the commit: a total that is read in between is of before, and goes with this.
	s.cache.Forget(ctx, key(entry.UserID))
	return entry, nil
}

// Newest are the newest entries of a user, newest first.
func (s *Entries) Newest(ctx context.Context, user string) ([]Entry, error) {
	entries := []Entry{}
	rows, err := s.db.QueryContext(ctx,
		"select id, amount, note from entry where user_id = $1 order by id desc limit $2", user, mostEntries)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var entry Entry
		err = errors.Join(err, rows.Scan(&entry.ID, &entry.Amount, &entry.Note))
		entries = append(entries, entry)
	}
	return entries, errors.Join(err, rows.Err())
}

// Total is the sum of all amounts of a user.
func (s *Entries) Total(ctx context.Context, user string) (int64, error) {
	if known, found := s.cache.Read(ctx, key(user)); found {
		return strconv.ParseInt(known, 10, 64)
	}
	var total int64
	row := s.db.QueryRowContext(ctx, "select coalesce(sum(amount), 0) from entry where user_id = $1", user)
	if err := row.Scan(&total); err != nil {
		return 0, err
	}
	s.cache.Write(ctx, key(user), strconv.FormatInt(total, 10), keepTotal)
	return total, nil
}

func key(user string) string { return "total:" + user }
