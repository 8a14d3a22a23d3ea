// The jobs of a workflow run: each begins once those that it needs are done, beside the others that may run.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { holds, interpolate } from "./expressions.mjs";
import { mask } from "./commands.mjs";
import { runSteps } from "./steps.mjs";

// docs.github.com "Workflow syntax for GitHub Actions": jobs.<job_id>.timeout-minutes.
const DEFAULT_MINUTES = 360;

/** Runs all jobs; what became of each. `tell` announces how they stand, `stop` cancels the run. */
export async function runJobs({ name, jobs, ...workflow }, github, machine, stop, tell) {
  const run = { workflow, jobs, github: { ...github, workflow: name ?? "" }, machine, stop, tell, done: {} };
  const begun = {};
  const begin = (id) => {
    begun[id] ??= Promise.all(needsOf(jobs[id]).map(begin)).then(() => runJob(id, run));
    return begun[id];
  };
  refuseCircles(jobs);
  await Promise.all(Object.keys(jobs).map(begin));
  return run.done;
}

function needsOf(job) {
  return [job.needs ?? []].flat();
}

function refuseCircles(jobs) {
  const left = new Set(Object.keys(jobs));
  while (left.size > 0) {
    const next = [...left].find((id) => needsOf(jobs[id]).every((needed) => !left.has(needed)));
    if (!next) throw new Error(`the jobs ${[...left]} need each other`);
    left.delete(next);
  }
}

async function runJob(id, run) {
  const { workflow, jobs, done, tell } = run;
  const job = { permissions: workflow.permissions, ...jobs[id], env: { ...workflow.env, ...jobs[id].env } };
  const needs = Object.fromEntries(needsOf(job).map((it) => [it, { result: done[it].result, outputs: done[it].outputs }]));
  const contexts = { github: run.github, needs, vars: run.machine.vars ?? {}, inputs: {} };
  const title = job.name ? interpolate(job.name, contexts) : id;
  if (!holds(job.if, contexts, statusOf(id, run))) {
    done[id] = { result: "skipped", outputs: {}, steps: [] };
    await tell({ job: id, name: title, status: "completed", conclusion: "skipped" });
    return;
  }
  await tell({ job: id, name: title, status: "queued" });
  const permissions = granted(job.permissions);
  const given = await tell({ job: id, name: title, status: "in_progress", permissions, environment: nameOf(job.environment, contexts) });
  const token = given.token ?? run.machine.tokens[permissions];
  if (token === undefined) throw new Error(`the job ${id} has the permissions "${permissions}", for which there is no token`);
  const scope = scopeOf(id, job, needs, token, run);
  const ended = await runToEnd(job, scope, run);
  done[id] = ended;
  const { annotations, log } = summaryOf(ended.steps);
  await tell({ job: id, name: title, status: "completed", conclusion: ended.conclusion, annotations, log, environment: ended.environment });
}

// What went before a job, of all jobs that it needs and that those need: docs.github.com "Expressions", status functions.
function statusOf(id, { jobs, done, stop }) {
  const before = new Set();
  const walk = (of) => needsOf(jobs[of]).forEach((it) => before.has(it) || (before.add(it), walk(it)));
  walk(id);
  const results = [...before].map((it) => done[it].result);
  const cancelled = stop.aborted || results.includes("cancelled");
  return {
    success: !cancelled && results.every((result) => result === "success"),
    failure: results.includes("failure"),
    always: true,
    cancelled,
  };
}

async function runToEnd(job, scope, { stop, machine }) {
  const minutes = Number(job["timeout-minutes"] ?? DEFAULT_MINUTES);
  const late = setTimeout(() => scope.cancel.abort("late"), minutes * (machine.minute ?? 60_000));
  const onStop = () => scope.cancel.abort("stopped");
  stop.addEventListener("abort", onStop);
  if (stop.aborted) onStop();
  const { results: steps, known, success } = await runSteps(job.steps, scope);
  clearTimeout(late);
  stop.removeEventListener("abort", onStop);
  const contexts = { ...scope.contexts, steps: known };
  const outputs = Object.entries(job.outputs ?? {}).map(([key, value]) => [key, interpolate(value, contexts)]);
  if (scope.cancel.signal.reason === "late" && steps.length > 0) {
    const message = `The job has exceeded the maximum execution time of ${minutes} minutes.`;
    steps.at(-1).annotations.push({ level: "error", message });
  }
  // What was masked later is masked in what was printed before.
  for (const step of steps) step.log = step.log.map((line) => mask(line, scope.masks));
  const conclusion = scope.cancel.signal.aborted ? "cancelled" : success ? "success" : "failure";
  return {
    // A failure that the workflow allows stops nothing, and is one to whoever looks at the checks.
    result: conclusion === "failure" && job["continue-on-error"] === true ? "success" : conclusion,
    conclusion,
    outputs: Object.fromEntries(outputs),
    steps,
    env: scope.setEnv,
    path: scope.path,
    workspace: scope.workspace,
    environment: environmentOf(job.environment, contexts),
  };
}

function nameOf(environment, contexts) {
  const name = typeof environment === "object" ? environment?.name : environment;
  return name === undefined || name === null ? undefined : { name: interpolate(name, contexts) };
}

function environmentOf(environment, contexts) {
  const named = nameOf(environment, contexts);
  return named && { ...named, url: environment.url ? interpolate(environment.url, contexts) : "" };
}

// What a job's check says of its steps.
function summaryOf(steps) {
  const annotations = steps.flatMap((step) => step.annotations);
  return { annotations, log: steps.flatMap((step) => [`# ${step.name}`, ...step.log]).join("\n") };
}

function scopeOf(id, job, needs, token, { workflow, github, machine }) {
  const { temp, actions, machine: variables, secrets, vars, limit, gh, artifacts } = machine;
  const place = join(temp, id);
  const [workspace, own, home] = ["workspace", "temp", "home"].map((folder) => join(place, folder));
  for (const folder of [workspace, own, home]) mkdirSync(folder, { recursive: true });
  writeFileSync(join(own, "event.json"), JSON.stringify(github.event));
  const runner = { os: "Linux", arch: "X64", temp: own, tool_cache: join(place, "tools") };
  const contexts = {
    github: { ...github, token, workspace, job: id },
    needs,
    secrets: { ...secrets, GITHUB_TOKEN: token },
    runner,
    vars: vars ?? {},
    inputs: {},
    strategy: {},
    matrix: {},
  };
  const env = {};
  for (const [key, value] of Object.entries(job.env ?? {})) env[key] = interpolate(value, contexts);
  if (gh) {
    mkdirSync(join(home, ".config/gh"), { recursive: true });
    writeFileSync(join(home, ".config/gh/config.yml"), `http_unix_socket: ${gh}\n`);
  }
  return {
    contexts,
    env,
    setEnv: {},
    path: [],
    masks: Object.values(contexts.secrets).filter(Boolean),
    workspace,
    temp: own,
    machine: { PATH: process.env.PATH, HOME: home, LANG: "C.UTF-8", GIT_CONFIG_NOSYSTEM: "1", ...variables },
    actions,
    artifacts: artifacts ?? join(temp, "artifacts"),
    defaults: { ...workflow.defaults?.run, ...job.defaults?.run },
    limit: limit ?? 60_000,
    minute: machine.minute ?? 60_000,
    cancel: new AbortController(),
  };
}

// The permissions of a job's token, as the tokens are keyed: sorted, without those that are none.
function granted(permissions) {
  if (permissions === undefined || typeof permissions === "string") {
    throw new Error(`a job has the permissions ${permissions}: they are not named one by one`);
  }
  const held = Object.entries(permissions).filter(([, level]) => level !== "none");
  return held.map(([name, level]) => `${name}=${level}`).sort().join(",");
}
