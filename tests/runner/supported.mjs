// What the runner does of GitHub's syntax. Anything else is refused with its line before anything runs.

import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const { LineCounter, isMap, parseDocument } = createRequire(join(resolve(process.env.RUNNER_MODULES), "at.js"))("yaml");

const WORKFLOW = ["name", "run-name", "on", "permissions", "env", "defaults", "concurrency", "jobs"];
const JOB = [
  ...["name", "if", "needs", "runs-on", "permissions", "env", "defaults", "outputs", "steps", "timeout-minutes"],
  ...["environment", "continue-on-error"],
];
const STEP = [
  ...["id", "name", "if", "uses", "with", "run", "shell", "env", "working-directory", "continue-on-error"],
  "timeout-minutes",
];
const DEFAULTS = ["shell", "working-directory"];
const FILTERS = ["types", "branches", "branches-ignore", "paths", "paths-ignore", "tags", "tags-ignore", "workflows"];

/** Refuses a workflow that has what the runner does not do; `knows` says whether it knows an action. */
export function refuseWorkflow(name, text, { on, jobs }, knows) {
  const read = reader(name, text);
  read.keys([], WORKFLOW, "a workflow");
  const events = typeof on === "object" && !Array.isArray(on) ? Object.keys(on) : [];
  for (const event of events) read.keys(["on", event], FILTERS, `the event ${event}`);
  read.defaults([]);
  for (const [id, { steps }] of Object.entries(jobs)) {
    read.keys(["jobs", id], JOB, `the job ${id}`);
    read.defaults(["jobs", id]);
    read.keys(["jobs", id, "environment"], ["name", "url"], "an environment");
    read.steps(["jobs", id, "steps"], steps ?? [], knows);
  }
}

/** Refuses a composite action that has what the runner does not do. */
export function refuseAction(name, text, { runs }, knows) {
  reader(name, text).steps(["runs", "steps"], runs.steps ?? [], knows);
}

function reader(name, text) {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const refuse = (node, what) => {
    throw new Error(`${name}:${lines.linePos(node.range[0]).line}: the runner does not do ${what}`);
  };
  const keys = (path, known, of) => {
    const node = path.length === 0 ? document.contents : document.getIn(path, true);
    if (!isMap(node)) return;
    for (const { key } of node.items) if (!known.includes(key.value)) refuse(key, `\`${key.value}\` of ${of}`);
  };
  const defaults = (path) => {
    keys([...path, "defaults"], ["run"], "defaults");
    keys([...path, "defaults", "run"], DEFAULTS, "defaults.run");
  };
  const steps = (path, all, knows) => {
    all.forEach(({ uses }, at) => {
      keys([...path, at], STEP, "a step");
      if (uses && !knows(uses)) refuse(document.getIn([...path, at, "uses"], true), `\`uses: ${uses}\``);
    });
  };
  return { keys, defaults, steps };
}
