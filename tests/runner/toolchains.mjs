// In place of actions/setup-python, setup-node and setup-go: the version that this machine has. One that is not there fails
// the step, with what is there.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";

const LANGUAGES = {
  "setup-python": { input: "python-version", known: ["python-version"], command: (version) => [`python${version}`, "--version"] },
  "setup-node": { input: "node-version", known: ["node-version"], command: () => ["node", "--version"] },
  "setup-go": { input: "go-version", known: ["go-version", "go-version-file", "cache"], command: () => ["go", "version"] },
};

/** Whether the action of this name is one of these. */
export function isToolchain(name) {
  return name in LANGUAGES;
}

/** Puts the wanted version before the others; fails the step where the machine has none. */
export function setUp(name, given, scope, result) {
  const { input, known, command } = LANGUAGES[name];
  const unknown = Object.keys(given).filter((it) => !known.includes(it));
  if (unknown.length > 0) throw new Error(`the runner does not know ${unknown} of actions/${name}`);
  const wanted = given[input] ?? versionOf(given["go-version-file"], scope.workspace);
  if (!wanted) throw new Error(`actions/${name} without ${input} is whatever the machine has: name a version`);
  const [program, ...words] = command(wanted);
  const env = { ...scope.machine, PATH: [...scope.path, scope.machine.PATH].join(":") };
  const found = versionThere(program, words, env);
  if (found && `${found}.`.startsWith(`${wanted}.`)) {
    result.log.push(`Successfully set up ${input.replace("-version", "")} (${found})`);
    if (name === "setup-python") pythonFirst(program, scope, env);
    return true;
  }
  const message = `the version ${wanted} of ${input.replace("-version", "")} is not on this machine: ${program} is ${found ?? "missing"}`;
  result.annotations.push({ level: "error", message });
  result.log.push(message);
  return false;
}

// `pip` and `python` are those of the version, in a folder of the job alone.
function pythonFirst(program, scope, env) {
  const folder = resolve(scope.temp, "python");
  execFileSync(program, ["-m", "venv", folder], { env, stdio: "ignore" });
  scope.path.unshift(resolve(folder, "bin"));
}

function versionOf(file, workspace) {
  return file && /^go (\S+)$/m.exec(readFileSync(resolve(workspace, file), "utf8"))?.[1];
}

function versionThere(program, words, env) {
  try {
    const said = execFileSync(program, words, { env, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
    return /\d+(?:\.\d+)+/.exec(said)?.[0];
  } catch {
    return undefined;
  }
}
