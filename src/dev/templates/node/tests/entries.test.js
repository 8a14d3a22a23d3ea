import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { EntryService } from "../services/entry_service.js";
import { USER, lost, running } from "./running.js";

let service;
before(async () => (service = await running()));
after(() => service.stop());
beforeEach(async () => {
  await service.pool.query("truncate entry restart identity");
  await service.redis.flushDb();
});

const add = (changes) => service.ask("/api/v1/entries", { user_id: USER, amount: 1250, ...changes });
const of = async (user) => (await service.ask(`/api/v1/entries?user_id=${encodeURIComponent(user)}`))[1];

test("an entry is stored and counted", async () => {
  const stored = { id: 1, user_id: USER, amount: 1250, note: "deposit" };
  assert.deepEqual(await add({ note: "deposit" }), [201, stored]);
  assert.equal((await add({ amount: -250 }))[0], 201);
  assert.deepEqual(await of(USER), {
    user_id: USER,
    total: 1000,
    entries: [{ id: 2, amount: -250, note: "" }, { id: 1, amount: 1250, note: "deposit" }],
  });
});

test("users are apart", async () => {
  await add();
  assert.deepEqual(await of("ada@aspora.com"), { user_id: "ada@aspora.com", total: 0, entries: [] });
});

test("the total follows each entry although it is cached", async () => {
  await add();
  assert.deepEqual([(await of(USER)).total, (await of(USER)).total], [1250, 1250]);
  await add();
  assert.equal((await of(USER)).total, 2500);
});

test("without the cache the answer is the same", async () => {
  const entries = new EntryService(service.pool, lost());
  await entries.add(USER, 1250, "");
  assert.equal(await entries.total(USER), 1250);
  await entries.add(USER, 1250, "");
  assert.equal(await entries.total(USER), 2500);
});

test("what is wrong is named", async () => {
  const check = async (changes, error) => assert.deepEqual(await add(changes), [400, { error }]);
  await check({ amount: 0 }, "amount: an entry of 0 says nothing");
  await check({ amount: "much" }, "amount: a whole number is needed");
  await check({ user_id: "" }, "user_id: 1 to 254 characters are needed");
  await check({ note: "x".repeat(201) }, "note: at most 200 characters");
  assert.equal((await service.ask("/api/v1/entries", "{"))[0], 400);
  assert.deepEqual(await service.ask("/api/v1/entries", "[]"), [400, { error: "body: no JSON object" }]);
  const long = await service.ask("/api/v1/entries", `"${"x".repeat(1 << 20)}"`);
  assert.deepEqual(long, [400, { error: "body: more than 1 MiB" }]);
  assert.deepEqual(await service.ask("/api/v1/entries"), [400, { error: "user_id: is missing" }]);
});

test("a fault of the service is kept from the user", async (context) => {
  context.mock.method(console, "error", () => {});
  await service.pool.query("alter table entry rename to hidden");
  try {
    assert.deepEqual(await add(), [500, { error: "internal error" }]);
  } finally {
    await service.pool.query("alter table hidden rename to entry");
  }
});
