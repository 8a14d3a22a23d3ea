import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { routes } from "../api/v1/health.js";
import * as cache from "../lib/cache.js";
import * as database from "../lib/database.js";
import { required } from "../lib/settings.js";
import { main } from "../service.js";
import { lost, running } from "./running.js";

let service;
before(async () => (service = await running()));
after(() => service.stop());

test("the page and its script are served", async () => {
  assert.match((await service.ask("/"))[1], /@@product@@/);
  assert.match((await service.ask("/frontend/app.js"))[1], /fetch/);
  assert.deepEqual(await service.ask("/nowhere"), [404, { error: "there is nothing here" }]);
});

test("health says whether database and cache answer", async () => {
  assert.deepEqual(await service.ask("/healthz"), [200, { status: "ok" }]);
  const [status] = await routes["GET /healthz"]({ pool: service.pool, redis: lost() });
  assert.equal(status, 503);
});

test("the service starts without a cache", async (context) => {
  const warned = context.mock.method(console, "warn", () => {});
  const client = await cache.connect("redis://127.0.0.1:1");
  client.destroy();
  assert.ok(warned.mock.callCount() > 0);
});

test("a migration is applied once, and a broken one leaves nothing", async () => {
  const folder = mkdtempSync(join(tmpdir(), "migrations-"));
  writeFileSync(join(folder, "9001_note.sql"), "create table scratch (id int);");
  await database.migrate(service.pool, folder);
  await database.migrate(service.pool, folder);
  writeFileSync(join(folder, "9002_broken.sql"), "drop table scratch; select nothing;");
  await assert.rejects(database.migrate(service.pool, folder));
  assert.equal((await service.pool.query("select * from scratch")).rowCount, 0);
  await service.pool.query("drop table scratch; delete from migration where name like '9%'");
});

test("a connection to the database that breaks while it is idle ends nothing", (context) => {
  const warned = context.mock.method(console, "warn", () => {});
  service.pool.emit("error", new Error("gone"));
  assert.equal(warned.mock.callCount(), 1);
});

test("without a setting the service says which", () => {
  assert.throws(() => required("NOT_SET_ANYWHERE"), /NOT_SET_ANYWHERE is not set/);
});

test("main serves where it is asked to", async (context) => {
  context.mock.method(console, "log", () => {});
  const other = await main(["--port", "0"]);
  assert.equal((await fetch(`${other.url}/healthz`)).status, 200);
  await other.stop();
});
