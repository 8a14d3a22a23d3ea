// The steps of a job or of a composite action.

import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { checkout } from "./checkout.mjs";
import { Log, readEntries } from "./commands.mjs";
import { holds, interpolate } from "./expressions.mjs";
import { readAction } from "./workflow.mjs";

const FILES = { GITHUB_ENV: "env", GITHUB_OUTPUT: "output", GITHUB_PATH: "path", GITHUB_STEP_SUMMARY: "summary" };
const KEYS = ["id", "name", "if", "uses", "with", "run", "shell", "env", "working-directory", "continue-on-error", "timeout-minutes"];

/** Runs steps one after the other; what each was, and whether all succeeded. `scope` is what they see and change. */
export async function runSteps(steps, scope, inside) {
  const [results, known] = [[], {}];
  let success = true;
  for (const step of steps) {
    const unknown = Object.keys(step).filter((key) => !KEYS.includes(key));
    if (unknown.length > 0) throw new Error(`the runner does not know ${unknown} of a step`);
    const env = { ...scope.env, ...scope.setEnv };
    const contexts = { ...scope.contexts, env, steps: known };
    for (const [name, value] of Object.entries(step.env ?? {})) env[name] = interpolate(value, contexts);
    const result = { id: step.id, name: step.name ?? step.uses ?? step.run, log: [], annotations: [], summary: "", outputs: {} };
    results.push(result);
    const status = { success, failure: !success, always: true, cancelled: false };
    if (!holds(step.if, contexts, status)) Object.assign(result, { outcome: "skipped", conclusion: "skipped" });
    else await runStep(step, { ...scope, contexts, env }, inside, result);
    if (step.id) known[step.id] = { outputs: result.outputs, outcome: result.outcome, conclusion: result.conclusion };
    if (result.conclusion === "failure") success = false;
  }
  return { results, known, success };
}

async function runStep(step, scope, inside, result) {
  const done = step.uses ? await use(step, scope, result) : await script(step, scope, inside, result);
  result.outcome = done ? "success" : "failure";
  const forgiven = step["continue-on-error"] && interpolate(step["continue-on-error"], scope.contexts) === "true";
  result.conclusion = done || forgiven ? "success" : "failure";
}

async function use(step, scope, result) {
  const given = Object.fromEntries(Object.entries(step.with ?? {}).map(([name, value]) => [name, interpolate(value, scope.contexts)]));
  if (step.uses.startsWith("./")) return composite(resolve(scope.workspace, step.uses), given, scope, result);
  const [, owner, path, pin] = /^([\w.-]+\/[\w.-]+)((?:\/[\w.-]+)*)@(.+)$/.exec(step.uses) ?? [];
  if (!/^[0-9a-f]{40}$/.test(pin ?? "")) throw new Error(`${step.uses} is not pinned by its commit`);
  if (`${owner}${path}` === "actions/checkout") return checkout(given, scope, result);
  if (`${owner}${path}` === "actions/setup-node") return true;
  const root = scope.actions[owner];
  if (!root) throw new Error(`the runner does not know ${step.uses}`);
  return composite(join(root, path), given, scope, result);
}

async function composite(folder, given, scope, result) {
  const action = readAction(join(folder, "action.yml"), readFileSync(join(folder, "action.yml"), "utf8"));
  if (action.runs.using !== "composite") throw new Error(`${folder} is no composite action`);
  const unknown = Object.keys(given).filter((name) => !(name in (action.inputs ?? {})));
  if (unknown.length > 0) throw new Error(`Unexpected input(s) ${unknown} of ${folder}`);
  const github = { ...scope.contexts.github, action_path: folder };
  const inputs = Object.fromEntries(
    Object.entries(action.inputs ?? {}).map(([name, it]) => [name, given[name] ?? interpolate(it.default ?? "", { github })]),
  );
  // Secrets, needs and the steps of the job are not visible in an action.
  const { env, runner, job, strategy, matrix } = scope.contexts;
  const contexts = { github, inputs, env, runner, job, strategy, matrix };
  const within = await runSteps(action.runs.steps, { ...scope, contexts }, { folder });
  for (const { log, annotations, summary, code } of within.results) {
    result.code = code;
    result.log.push(...log);
    result.annotations.push(...annotations);
    result.summary += summary;
  }
  for (const [name, { value }] of Object.entries(action.outputs ?? {})) {
    result.outputs[name] = interpolate(value, { ...contexts, steps: within.known });
  }
  return within.success;
}

async function script(step, scope, inside, result) {
  if (inside && !step.shell) throw new Error("Required property is missing: shell");
  const shell = step.shell ?? "bash -e {0}";
  const template = shell === "bash" ? "bash --noprofile --norc -eo pipefail {0}" : shell;
  if (!template.includes("{0}")) throw new Error(`the runner does not know the shell ${shell}`);
  const place = join(scope.temp, randomUUID());
  mkdirSync(place, { recursive: true });
  const file = join(place, "script.sh");
  writeFileSync(file, interpolate(step.run, scope.contexts));
  const files = Object.fromEntries(Object.entries(FILES).map(([name, suffix]) => [name, join(place, suffix)]));
  for (const path of Object.values(files)) writeFileSync(path, "");
  const cwd = resolve(scope.workspace, interpolate(step["working-directory"] ?? ".", scope.contexts));
  // A workflow may set CI; what begins with GITHUB_ and RUNNER_ is the runner's.
  const env = { CI: "true", ...scope.machine, ...scope.env, ...defaults(scope, inside), ...files };
  env.PATH = [...scope.path, env.PATH].join(":");
  const log = new Log(scope.masks);
  const code = await execute(template.split(" ").map((word) => (word === "{0}" ? file : word)), { cwd, env }, log, scope.limit);
  let outputs = {};
  try {
    outputs = readEntries(files.GITHUB_OUTPUT);
    Object.assign(scope.setEnv, readEntries(files.GITHUB_ENV));
  } catch (error) {
    log.annotations.push({ level: "error", message: error.message });
    log.failed = true;
  }
  scope.path.unshift(...readFileSync(files.GITHUB_PATH, "utf8").split("\n").filter(Boolean));
  const summary = readFileSync(files.GITHUB_STEP_SUMMARY, "utf8");
  if (code !== 0) log.annotations.push({ level: "error", message: `Process completed with exit code ${code}.` });
  Object.assign(result, { code, log: log.lines, annotations: log.annotations, summary, outputs: { ...log.outputs, ...outputs } });
  return code === 0 && !log.failed;
}

function defaults({ contexts: { github, runner }, workspace, temp }, inside) {
  const names = ["repository", "sha", "ref", "head_ref", "base_ref", "event_name", "api_url", "server_url", "actor", "run_id"];
  const variables = Object.fromEntries(names.map((name) => [`GITHUB_${name.toUpperCase()}`, github[name] ?? ""]));
  const action = inside ? { GITHUB_ACTION_PATH: inside.folder } : {};
  const event = { GITHUB_EVENT_PATH: join(temp, "event.json"), GITHUB_WORKSPACE: workspace };
  const machine = { GITHUB_ACTIONS: "true", RUNNER_TEMP: temp, RUNNER_OS: runner.os, RUNNER_ARCH: runner.arch };
  return { ...variables, ...action, ...event, ...machine };
}

// Runs a program; both of its streams are read by lines, which end at every kind of line break.
function execute([program, ...words], options, log, limit) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, { ...options, stdio: ["ignore", "pipe", "pipe"] });
    const timer = setTimeout(() => child.kill("SIGKILL"), limit);
    const rests = ["stdout", "stderr"].map((name) => {
      const stream = { rest: "" };
      child[name].setEncoding("utf8").on("data", (text) => {
        const lines = (stream.rest + text).split(/\r\n|\r|\n/);
        stream.rest = lines.pop();
        for (const line of lines) log.line(line);
      });
      return stream;
    });
    child.on("error", reject).on("close", (code) => {
      clearTimeout(timer);
      for (const { rest } of rests) if (rest) log.line(rest);
      resolve(code ?? 137);
    });
  });
}
