// The product's Postgres: a pool of connections, and the migrations in db/migrations.
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import { required } from "./settings.js";

const MIGRATIONS = join(import.meta.dirname, "..", "db", "migrations");
// Two services that start at once migrate one after the other.
const MIGRATION_LOCK = 7310562;

/** A pool of connections; `end` closes it. */
export function open(url = required("DATABASE_URL")) {
  const pool = new pg.Pool({ connectionString: url, max: 10, connectionTimeoutMillis: 10_000 });
  // A connection that breaks while it is idle is replaced.
  pool.on("error", (error) => console.warn("a connection to the database broke:", error.message));
  return pool;
}

/** Fails if the database does not answer. */
export async function ping(pool) {
  await pool.query("select 1");
}

/** Applies the migrations that the database has not seen, in the order of their names, all or none. */
export async function migrate(pool, folder = MIGRATIONS) {
  const client = await pool.connect();
  try {
    await client.query("begin");
    await client.query("select pg_advisory_xact_lock($1)", [MIGRATION_LOCK]);
    await client.query("create table if not exists migration (name text primary key)");
    const seen = new Set((await client.query("select name from migration")).rows.map((row) => row.name));
    const files = (await readdir(folder)).filter((name) => name.endsWith(".sql")).sort();
    for (const name of files.filter((name) => !seen.has(name))) {
      await client.query(await readFile(join(folder, name), "utf8"));
      await client.query("insert into migration (name) values ($1)", [name]);
    }
    await client.query("commit");
  } catch (error) {
    await client.query("rollback");
    throw error;
  } finally {
    client.release();
  }
}
