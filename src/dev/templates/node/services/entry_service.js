// Entries and their total. The total is kept in the cache until the next entry; the database decides.
import * as cache from "../lib/cache.js";

const MOST_ENTRIES = 100;
const TOTAL_SECONDS = 3600;
const keyOf = (userId) => `total:${userId}`;

/** Why an entry is refused. */
export class Invalid extends Error {}

/** The entries of users, on a pool of connections and a cache. */
export class EntryService {
  constructor(pool, redis) {
    this.pool = pool;
    this.redis = redis;
  }

  /** Stores an entry and returns it; `Invalid` says what is wrong with it. */
  async add(userId, amount, note) {
    if (amount === 0) throw new Invalid("amount: an entry of 0 says nothing");
    const { rows } = await this.pool.query(
      "insert into entry (user_id, amount, note) values ($1, $2, $3) returning id::int, user_id, amount::float8, note",
      [userId, amount, note],
    );
    // After the commit: a total that is read in between is of before, and goes with this.
    await cache.forget(this.redis, keyOf(userId));
    return rows[0];
  }

  /** The newest entries, newest first. */
  async newest(userId) {
    const { rows } = await this.pool.query(
      "select id::int, amount::float8, note from entry where user_id = $1 order by id desc limit $2",
      [userId, MOST_ENTRIES],
    );
    return rows;
  }

  /** The sum of all amounts. */
  async total(userId) {
    const known = await cache.read(this.redis, keyOf(userId));
    if (known !== null) return Number(known);
    const { rows } = await this.pool.query(
      "select coalesce(sum(amount), 0)::text as total from entry where user_id = $1",
      [userId],
    );
    await cache.write(this.redis, keyOf(userId), rows[0].total, TOTAL_SECONDS);
    return Number(rows[0].total);
  }
}
