package database_test

import (
	"context"
	"os"
	"testing"
	"testing/fstest"

	"example.com/@@product@@/lib/database"
)

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

func TestAMigrationIsAppliedOnceAndABrokenOneLeavesNothing(t *testing.T) {
	ctx := context.Background()
	db, err := database.Open(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	files := fstest.MapFS{"m/9001_note.sql": file("create table scratch (id int);")}
	for range 2 {
		if err := database.Migrate(ctx, db, files, "m"); err != nil {
			t.Fatal(err)
		}
	}
	files["m/9002_broken.sql"] = file("drop table scratch; select nothing;")
	if err := database.Migrate(ctx, db, files, "m"); err == nil {
		t.Fatal("a broken migration was applied")
	}
	if _, err := db.Exec("insert into scratch values (1); drop table scratch; delete from migration where name like '9%'"); err != nil {
		t.Fatal("the broken migration left something:", err)
	}
}

func TestWhatCannotBeMigratedSaysSo(t *testing.T) {
	ctx := context.Background()
	db, err := database.Open(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if database.Migrate(ctx, db, fstest.MapFS{}, "[") == nil {
		t.Error("a folder without a name was read")
	}
	if database.Migrate(ctx, db, fstest.MapFS{"m/a.sql/b": file("")}, "m") == nil {
		t.Error("a folder was read as a migration")
	}
	if _, err := db.Exec("alter table migration rename column name to label"); err != nil {
		t.Fatal(err)
	}
	if database.Migrate(ctx, db, fstest.MapFS{"m/a.sql": file("")}, "m") == nil {
		t.Error("a list of migrations with another form was used")
	}
	if _, err := db.Exec("alter table migration rename column label to name"); err != nil {
		t.Fatal(err)
	}
	ended, end := context.WithCancel(ctx)
	end()
	if database.Migrate(ended, db, fstest.MapFS{}, "m") == nil {
		t.Error("it migrated after its time")
	}
	for _, url := range []string{"postgresql://127.0.0.1:1/x?sslmode=disable", "postgresql://%"} {
		if _, err := database.Open(ctx, url); err == nil {
			t.Error("a database that is not there was opened:", url)
		}
	}
}
