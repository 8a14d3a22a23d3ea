// An entry of 0 was stored once, and a statement listed a transfer that never was.
import assert from "node:assert/strict";
import { test } from "node:test";
import { USER, running } from "../running.js";

test("an entry of zero is refused and leaves nothing", async () => {
  const service = await running();
  try {
    assert.equal((await service.ask("/api/v1/entries", { user_id: USER, amount: 0 }))[0], 400);
    const [, shown] = await service.ask(`/api/v1/entries?user_id=${USER}`);
    assert.deepEqual([shown.total, shown.entries], [0, []]);
  } finally {
    await service.stop();
  }
});
