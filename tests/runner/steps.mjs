// The steps of a job or of a composite action.

import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { download, upload } from "./artifacts.mjs";
import { checkout } from "./checkout.mjs";
import { Log, readEntries } from "./commands.mjs";
import { holds, interpolate } from "./expressions.mjs";
import { refuseAction } from "./supported.mjs";
import { isToolchain, setUp } from "./toolchains.mjs";
import { readAction } from "./workflow.mjs";

const FILES = { GITHUB_ENV: "env", GITHUB_OUTPUT: "output", GITHUB_PATH: "path", GITHUB_STEP_SUMMARY: "summary" };
// Variables of the runner that are fields of the context `github`, and how their names differ.
const GITHUB = [
  ...["repository", "repository_owner", "sha", "ref", "ref_name", "head_ref", "base_ref", "event_name", "api_url"],
  ...["graphql_url", "server_url", "actor", "triggering_actor", "run_id", "run_number", "run_attempt", "workflow", "job"],
];

/** Runs steps one after the other; what each was, and whether all succeeded. `scope` is what they see and change. */
export async function runSteps(steps, scope, inside) {
  const [results, known] = [[], {}];
  let success = true;
  for (const step of steps) {
    const env = { ...scope.env, ...scope.setEnv };
    const cancelled = scope.cancel.signal.aborted;
    const job = { status: cancelled ? "cancelled" : success ? "success" : "failure" };
    const contexts = { ...scope.contexts, env, job, steps: known };
    for (const [name, value] of Object.entries(step.env ?? {})) env[name] = interpolate(value, contexts);
    const result = { id: step.id, name: step.name ?? step.uses ?? step.run, log: [], annotations: [], summary: "", outputs: {} };
    results.push(result);
    const status = { success: success && !cancelled, failure: !success && !cancelled, always: true, cancelled };
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

// What stands in for GitHub's own actions.
const STAND_INS = { checkout, "upload-artifact": upload, "download-artifact": download };

/** Whether the runner knows an action: of the workspace, of these repositories, or one that it stands in for. */
export function knows(repositories) {
  return (uses) => {
    const { owner, of, name } = parsed(uses);
    return uses.startsWith("./") || owner in repositories || (of === "actions" && (name in STAND_INS || isToolchain(name)));
  };
}

function parsed(uses) {
  const [, owner = "", path, pin] = /^([\w.-]+\/[\w.-]+)((?:\/[\w.-]+)*)@(.+)$/.exec(uses) ?? [];
  const [of, name] = owner.split("/");
  return { owner, of, name, path, pin };
}

async function use(step, scope, result) {
  const given = Object.fromEntries(Object.entries(step.with ?? {}).map(([name, value]) => [name, interpolate(value, scope.contexts)]));
  if (step.uses.startsWith("./")) return composite(resolve(scope.workspace, step.uses), given, scope, result);
  const { owner, name, path, pin } = parsed(step.uses);
  if (!/^[0-9a-f]{40}$/.test(pin ?? "")) throw new Error(`${step.uses} is not pinned by its commit`);
  if (owner in scope.actions) return composite(join(scope.actions[owner], path), given, scope, result);
  return name in STAND_INS ? STAND_INS[name](given, scope, result) : setUp(name, given, scope, result);
}

async function composite(folder, given, scope, result) {
  const file = join(folder, "action.yml");
  if (!existsSync(file)) {
    result.annotations.push({ level: "error", message: `Can't find 'action.yml' under '${folder}'.` });
    return false;
  }
  const text = readFileSync(file, "utf8");
  const action = readAction(file, text);
  refuseAction(file, text, action, knows(scope.actions));
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
  const given = inside ? {} : scope.defaults;
  const shell = step.shell ?? given.shell ?? "bash -e {0}";
  const template = shell === "bash" ? "bash --noprofile --norc -eo pipefail {0}" : shell;
  if (!template.includes("{0}")) throw new Error(`the runner does not know the shell ${shell}`);
  const place = join(scope.temp, randomUUID());
  mkdirSync(place, { recursive: true });
  const file = join(place, "script.sh");
  writeFileSync(file, interpolate(step.run, scope.contexts));
  const files = Object.fromEntries(Object.entries(FILES).map(([name, suffix]) => [name, join(place, suffix)]));
  for (const path of Object.values(files)) writeFileSync(path, "");
  const cwd = resolve(scope.workspace, interpolate(step["working-directory"] ?? given["working-directory"] ?? ".", scope.contexts));
  // A workflow may set CI; what begins with GITHUB_ and RUNNER_ is the runner's.
  const env = { CI: "true", ...scope.machine, ...scope.env, ...variables(scope, inside), ...files };
  env.PATH = [...scope.path, env.PATH].join(":");
  const log = new Log(scope.masks);
  const words = template.split(" ").map((word) => (word === "{0}" ? file : word));
  const code = await execute(words, { cwd, env }, log, scope, limitOf(step, scope));
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

// How long a step may run, in milliseconds: as it says itself, or as long as the machine lets it.
function limitOf(step, { contexts, minute, limit }) {
  const minutes = step["timeout-minutes"];
  return minutes === undefined ? limit : Math.min(limit, Number(interpolate(minutes, contexts)) * minute);
}

function variables({ contexts: { github, runner }, workspace, temp }, inside) {
  const of = Object.fromEntries(GITHUB.map((name) => [`GITHUB_${name.toUpperCase()}`, github[name] ?? ""]));
  const action = inside ? { GITHUB_ACTION_PATH: inside.folder } : {};
  const event = { GITHUB_EVENT_PATH: join(temp, "event.json"), GITHUB_WORKSPACE: workspace };
  const machine = { GITHUB_ACTIONS: "true", RUNNER_TEMP: temp, RUNNER_OS: runner.os, RUNNER_ARCH: runner.arch };
  return { ...of, ...action, ...event, ...machine };
}

// Runs a program; both of its streams are read by lines, which end at every kind of line break. With the job it is killed,
// and all that it started.
function execute([program, ...words], options, log, { cancel: { signal } }, limit) {
  return new Promise((resolve, reject) => {
    // A step that runs whatever happened (`if: always()`) runs after the cancellation too.
    const before = signal.aborted;
    const child = spawn(program, words, { ...options, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    const kill = () => {
      try {
        process.kill(-child.pid, "SIGKILL");
      } catch {
        // It ended by itself.
      }
    };
    const timer = setTimeout(kill, limit);
    if (!before) signal.addEventListener("abort", kill);
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
      signal.removeEventListener("abort", kill);
      for (const { rest } of rests) if (rest) log.line(rest);
      resolve(code ?? 137);
    });
  });
}
