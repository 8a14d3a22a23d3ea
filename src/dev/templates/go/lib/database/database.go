// Package database is the way to the product's Postgres, and applies its migrations.
package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"path"

	// The driver.
	_ "github.com/lib/pq"
)

// Two services that start at once migrate one after the other.
const migrationLock = 7310562

// Open opens a pool of connections and tries one.
func Open(ctx context.Context, url string) (*sql.DB, error) {
	db, err := sql.Open("postgres", url)
	if err == nil {
		db.SetMaxOpenConns(10)
		err = db.PingContext(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	return db, nil
}

// Migrate applies the migrations in a folder that the database has not seen, in the order of their names, all or none.
func Migrate(ctx context.Context, db *sql.DB, files fs.FS, folder string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing
	begin := fmt.Sprintf("select pg_advisory_xact_lock(%d); create table if not exists migration (name text primary key)", migrationLock)
	_, err = tx.ExecContext(ctx, begin)
	names, other := fs.Glob(files, path.Join(folder, "*.sql"))
	if err := errors.Join(err, other); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	for _, name := range names {
		if err := apply(ctx, tx, files, name); err != nil {
			return fmt.Errorf("migrate %s: %w", path.Base(name), err)
		}
	}
	return tx.Commit()
}

func apply(ctx context.Context, tx *sql.Tx, files fs.FS, name string) error {
	inserted, err := tx.ExecContext(ctx, "insert into migration (name) values ($1) on conflict do nothing", path.Base(name))
	if err != nil {
		return err
	}
	if rows, err := inserted.RowsAffected(); err != nil || rows == 0 {
		return err
	}
	text, err := fs.ReadFile(files, name)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, string(text))
	return err
}
