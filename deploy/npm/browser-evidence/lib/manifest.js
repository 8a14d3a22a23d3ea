// The manifest of a flow, put together from the parts of its tests.
//
// Tests of one flow may run one after the other or at once, in several processes: each writes a part of its own, and the manifest
// is made of all parts anew, one process at a time.
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, rmdirSync, statSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { folder } from "./folder.js";

const parts = join(folder, ".parts");
/** Milliseconds after which a lock is that of a process that was killed. */
const STALE = 10_000;
/** The processes of one run of tests have one parent: parts of another run are old. */
const run = String(process.ppid);

/** Writes a test's part of its flow, and the flow's manifest. */
export function write(test, part) {
  mkdirSync(parts, { recursive: true });
  locked(() => {
    replace(join(parts, `${part.flow}.${sha256(test).slice(0, 16)}.json`), { ...part, run, test });
    const all = partsOf(part.flow);
    const other = all.find((it) => it.entrypoint !== part.entrypoint || it.identity !== part.identity);
    if (other) throw new Error(`the tests of ${part.flow} declare different entrypoints or identities: ${other.title}`);
    replace(join(folder, `${part.flow}.manifest.json`), merged(all));
  });
}

function partsOf(flow) {
  const found = [];
  for (const name of readdirSync(parts).sort()) {
    if (!name.startsWith(`${flow}.`) || !name.endsWith(".json")) continue;
    const part = JSON.parse(readFileSync(join(parts, name), "utf8"));
    // A flow's name may begin with another's.
    if (part.flow !== flow) continue;
    if (part.run === run) found.push(part);
    else rmSync(join(parts, name));
  }
  return found;
}

function merged(all) {
  const every = (field) => [...new Set(all.flatMap((part) => part[field]))];
  const assertions = new Map();
  for (const { name, passed } of all.flatMap((part) => part.assertions)) {
    assertions.set(name, passed && (assertions.get(name) ?? true));
  }
  const { flow, entrypoint, identity, head_sha } = all[0];
  const seen = all.map((part) => part.observed);
  return {
    version: 1,
    flow,
    entrypoint,
    identity,
    head_sha,
    captured_at: all.map((part) => part.captured_at).sort().at(-1),
    assertions: [...assertions].map(([name, passed]) => ({ name, passed })),
    screenshots: all.flatMap((part) => part.screenshots),
    console_errors: every("console_errors"),
    observed: {
      entrypoint: seen.find((it) => !begins(it.entrypoint, entrypoint))?.entrypoint ?? (seen.every((it) => it.entrypoint) ? entrypoint : null),
      identity: identity === null ? null : seen.every((it) => it.identity === true),
      failed_requests: [...new Set(seen.flatMap((it) => it.failed_requests))],
      browser: seen[0].browser,
    },
    tests: all.map(({ title, passed }) => ({ title, passed })),
    traces: all.flatMap((part) => part.traces),
  };
}

/** Whether a path that was reached is the declared one; its query counts only where one is declared. */
export function begins(reached, entrypoint) {
  if (reached === null) return true;
  return entrypoint.includes("?") ? reached === entrypoint : reached.split("?")[0] === entrypoint;
}

export const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

function replace(path, value) {
  const next = `${path}.${process.pid}.tmp`;
  writeFileSync(next, `${JSON.stringify(value, null, 2)}\n`);
  renameSync(next, path);
}

function locked(act) {
  const lock = join(parts, "lock");
  const wait = new Int32Array(new SharedArrayBuffer(4));
  for (;;) {
    try {
      mkdirSync(lock);
      break;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
      if (isStale(lock)) rmSync(lock, { recursive: true, force: true });
      else Atomics.wait(wait, 0, 0, 20);
    }
  }
  try {
    act();
  } finally {
    rmdirSync(lock);
  }
}

function isStale(lock) {
  try {
    return Date.now() - statSync(lock).mtimeMs > STALE;
  } catch {
    return false;
  }
}
