"""Entries and their total. The total is kept in the cache until the next entry; the database decides."""

from lib import cache

LARGEST_AMOUNT = 2**53 - 1
MOST_ENTRIES = 100
TOTAL_SECONDS = 3600


class EntryService:
    """The entries of users, on a pool of connections and a cache."""

    def __init__(self, pool, redis):
        self.pool = pool
        self.redis = redis

    def add(self, user_id, amount, note):
        """Stores an entry and returns it; `ValueError` says what is wrong with it."""
        if amount == 0:
            raise ValueError("amount: an entry of 0 says nothing")
        if abs(amount) > LARGEST_AMOUNT:
            raise ValueError(f"amount: at most {LARGEST_AMOUNT}")
        with self.pool.connection() as connection:
            row = connection.execute(
                "insert into entry (user_id, amount, note) values (%s, %s, %s) returning id, user_id, amount, note",
                (user_id, amount, note),
            ).fetchone()
        # After the commit: a total that is read in between is of before, and goes with this.
        cache.forget(self.redis, key(user_id))
        return row

    def newest(self, user_id):
        """The newest entries, newest first."""
        with self.pool.connection() as connection:
            return connection.execute(
                "select id, amount, note from entry where user_id = %s order by id desc limit %s",
                (user_id, MOST_ENTRIES),
            ).fetchall()

    def total(self, user_id):
        """The sum of all amounts."""
        known = cache.read(self.redis, key(user_id))
        if known is not None:
            return int(known)
        with self.pool.connection() as connection:
            row = connection.execute(
                "select coalesce(sum(amount), 0)::text as total from entry where user_id = %s", (user_id,)
            ).fetchone()
        cache.write(self.redis, key(user_id), row["total"], TOTAL_SECONDS)
        return int(row["total"])


def key(user_id):
    """Where the total of a user is in the cache."""
    return f"total:{user_id}"
