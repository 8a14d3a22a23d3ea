"""The product's Postgres: a pool of connections, and the migrations in `db/migrations`."""

import pathlib

import psycopg
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

from lib.settings import required

MIGRATIONS = pathlib.Path(__file__).parent.parent / "db" / "migrations"
ERRORS = (psycopg.Error, PoolTimeout)
# Two services that start at once migrate one after the other.
MIGRATION_LOCK = 7310562


def open_pool(url=None):
    """A pool of connections, to be used in a `with`."""
    url = url or required("DATABASE_URL")
    return ConnectionPool(url, min_size=1, max_size=10, timeout=10, kwargs={"row_factory": dict_row}, open=False)


def ping(pool):
    """Raises one of `ERRORS` if the database does not answer."""
    with pool.connection(timeout=2) as connection:
        connection.execute("select 1")


def migrate(pool, folder=MIGRATIONS):
    """Applies the migrations that the database has not seen, in the order of their names, all or none."""
    with pool.connection() as connection:
        connection.execute("select pg_advisory_xact_lock(%s)", (MIGRATION_LOCK,))
        connection.execute("create table if not exists migration (name text primary key)")
        seen = {row["name"] for row in connection.execute("select name from migration")}
        for file in sorted(folder.glob("*.sql")):
            if file.name not in seen:
                connection.execute(file.read_text("utf-8"))
                connection.execute("insert into migration (name) values (%s)", (file.name,))
