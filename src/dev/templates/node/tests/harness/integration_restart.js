// The service is started as in production, killed, and started again: what it acknowledged is still there.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";

const SERVICE = join(import.meta.dirname, "..", "..", "service.js");

async function serving(act) {
  const child = spawn(process.execPath, [SERVICE, "--port", "0"], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    const [line] = await once(child.stdout.setEncoding("utf8"), "data");
    return await act(line.trim().replace("serving on ", ""));
  } finally {
    child.kill("SIGKILL");
  }
}

test("what was acknowledged survives a kill", async () => {
  const user = `${Date.now()}@aspora.com`;
  const body = JSON.stringify({ user_id: user, amount: 700 });
  const stored = await serving((url) => fetch(`${url}/api/v1/entries`, { method: "POST", body }));
  assert.equal(stored.status, 201);
  const shown = await serving(async (url) => (await fetch(`${url}/api/v1/entries?user_id=${user}`)).json());
  assert.equal(shown.total, 700);
});
