// Runs a workflow, or a composite action in a workflow of one step, as GitHub's runner would on a machine of its own.
//
// What is asked comes as JSON on standard input, what became of it goes as JSON to standard output. RUNNER_MODULES names
// the folder with GitHub's own packages, which parse the files and evaluate the expressions.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { holds, interpolate } from "./expressions.mjs";
import { mask } from "./commands.mjs";
import { runSteps } from "./steps.mjs";
import { inOrder, readWorkflow } from "./workflow.mjs";

const JOB_KEYS = ["name", "if", "needs", "runs-on", "permissions", "env", "outputs", "steps", "timeout-minutes", "concurrency"];

const asked = JSON.parse(readFileSync(0, "utf8"));
const ran = await runWorkflow(asked);
process.stdout.write(JSON.stringify(ran));

async function runWorkflow({ workflow, github, ...machine }) {
  const text = workflow.file ? readFileSync(workflow.file, "utf8") : workflow.text;
  const { jobs, on, permissions, env } = readWorkflow(workflow.file ?? "workflow.yml", text);
  if (!triggers(on, github)) return { jobs: {}, triggered: false };
  const done = {};
  for (const name of inOrder(jobs)) {
    const job = { permissions, ...jobs[name], env: { ...env, ...jobs[name].env } };
    done[name] = await runJob(name, job, done, github, machine);
  }
  return { jobs: done, triggered: true };
}

// Whether the workflow runs on this event.
function triggers(on, { event_name, event }) {
  if (typeof on === "string" || Array.isArray(on)) return [on].flat().includes(event_name);
  if (!(event_name in on)) return false;
  const types = on[event_name]?.types ?? (event_name === "pull_request" ? ["opened", "synchronize", "reopened"] : undefined);
  return !types || !event.action || types.includes(event.action);
}

async function runJob(name, job, done, github, machine) {
  const unknown = Object.keys(job).filter((key) => !JOB_KEYS.includes(key));
  if (unknown.length > 0) throw new Error(`the runner does not know ${unknown} of a job`);
  const before = [job.needs ?? []].flat();
  const needs = Object.fromEntries(before.map((it) => [it, { result: done[it].result, outputs: done[it].outputs }]));
  const results = before.map((it) => done[it].result);
  const status = {
    success: results.every((result) => result === "success"),
    failure: results.includes("failure"),
    always: true,
    cancelled: false,
  };
  const scope = scopeOf(name, job, github, needs, machine);
  if (!holds(job.if, { github, needs, vars: machine.vars ?? {}, inputs: {} }, status)) return { result: "skipped", outputs: {}, steps: [] };
  const { results: steps, known, success } = await runSteps(job.steps, scope);
  const contexts = { ...scope.contexts, steps: known };
  const outputs = Object.entries(job.outputs ?? {}).map(([key, value]) => [key, interpolate(value, contexts)]);
  // What was masked later is masked in what was printed before.
  for (const step of steps) step.log = step.log.map((line) => mask(line, scope.masks));
  return {
    result: success ? "success" : "failure",
    outputs: Object.fromEntries(outputs),
    steps,
    env: scope.setEnv,
    path: scope.path,
    workspace: scope.workspace,
  };
}

function scopeOf(name, job, github, needs, { temp, tokens, actions, machine, secrets, vars, limit }) {
  const place = join(temp, name);
  const [workspace, own] = [join(place, "workspace"), join(place, "temp")];
  for (const folder of [workspace, own]) mkdirSync(folder, { recursive: true });
  writeFileSync(join(own, "event.json"), JSON.stringify(github.event));
  const wanted = granted(job.permissions);
  const token = tokens[wanted];
  if (token === undefined) throw new Error(`the job ${name} has the permissions "${wanted}", for which there is no token`);
  const runner = { os: "Linux", arch: "X64", temp: own, tool_cache: join(place, "tools") };
  const contexts = {
    github: { ...github, token, workspace, job: name },
    needs,
    secrets: { ...secrets, GITHUB_TOKEN: token },
    runner,
    vars: vars ?? {},
    inputs: {},
    job: { status: "success" },
    strategy: {},
    matrix: {},
  };
  const env = {};
  for (const [key, value] of Object.entries(job.env ?? {})) env[key] = interpolate(value, contexts);
  const home = join(place, "home");
  mkdirSync(home, { recursive: true });
  const masks = Object.values(contexts.secrets).filter(Boolean);
  const base = { PATH: process.env.PATH, HOME: home, LANG: "C.UTF-8", GIT_CONFIG_NOSYSTEM: "1", ...machine };
  return { contexts, env, setEnv: {}, path: [], masks, workspace, temp: own, machine: base, actions, limit: limit ?? 60_000 };
}

// The permissions of a job's token, as the tokens are keyed: sorted, without those that are none.
function granted(permissions) {
  if (permissions === undefined || typeof permissions === "string") {
    throw new Error(`a job has the permissions ${permissions}: they are not named one by one`);
  }
  const held = Object.entries(permissions).filter(([, level]) => level !== "none");
  return held.map(([name, level]) => `${name}=${level}`).sort().join(",");
}
