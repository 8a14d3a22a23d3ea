// Runs a workflow, or a composite action in a workflow of one step, as GitHub's runner would on a machine of its own.
//
// It speaks by lines of JSON: the first line of standard input is what is asked; each line of standard output is an event,
// which is answered by one line before the runner goes on, and the last one (`ran`) is what became of the workflow.
// RUNNER_MODULES names the folder with GitHub's own packages, which parse the files and evaluate the expressions.

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { interpolate } from "./expressions.mjs";
import { serveGh } from "./gh.mjs";
import { runJobs } from "./jobs.mjs";
import { knows } from "./steps.mjs";
import { refuseWorkflow } from "./supported.mjs";
import { triggers } from "./triggers.mjs";
import { concurrencyOf, readWorkflow } from "./workflow.mjs";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const next = async () => JSON.parse((await lines.next()).value);

// Tells the other side, and waits until it has taken notice. Events are sent one after the other.
let sent = Promise.resolve();
function tell(event) {
  sent = sent.then(() => {
    process.stdout.write(`${JSON.stringify(event)}\n`);
    return next();
  });
  return sent;
}

process.stdout.write(`${JSON.stringify({ ran: await runWorkflow(await next()) })}\n`, () => process.exit(0));

async function runWorkflow({ workflow, github, ...machine }) {
  const file = workflow.file ?? "workflow.yml";
  const text = workflow.text ?? readFileSync(workflow.file, "utf8");
  const read = readWorkflow(file, text);
  refuseWorkflow(file, text, read, knows(machine.actions));
  if (!triggers(read.on, github, machine.changed)) return { jobs: {}, triggered: false };
  // A run is cancelled from outside, by a newer one of its group.
  const stop = new AbortController();
  process.on("SIGTERM", () => stop.abort());
  const contexts = { github, vars: machine.vars ?? {}, inputs: {} };
  const name = read["run-name"] ? interpolate(read["run-name"], contexts) : (read.name ?? file);
  const { group, cancel } = concurrencyOf(read.concurrency, (value) => interpolate(value, contexts));
  const begun = await tell({ run: read.name ?? file, title: name, group, cancel });
  const gh = await serveGh(github.api_url, machine.temp);
  const jobs = await runJobs(read, { ...github, ...begun.github }, { ...machine, gh: gh?.socket }, stop.signal, tell);
  gh?.close();
  return { jobs, triggered: true };
}
