// Writes the scripts of actions and workflows into a folder, for shellcheck. An expression in a script is refused: what
// it stands for would be read by the shell.
//
//   RUNNER_MODULES=… node tests/runner/scripts.mjs FOLDER FILE…

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readAction, readWorkflow } from "./workflow.mjs";

const [folder, ...files] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
const wrong = files.flatMap((file) => scripts(file).flatMap(([name, text]) => write(name, text)));
for (const message of wrong) console.error(message);
process.exitCode = wrong.length > 0 ? 1 : 0;

function scripts(file) {
  const text = readFileSync(file, "utf8");
  const steps = file.endsWith("/action.yml") ? readAction(file, text).runs.steps : Object.values(readWorkflow(file, text).jobs).flatMap((job) => job.steps);
  return steps.filter(({ run }) => run).map(({ run, name }, at) => [`${file}: ${name ?? at}`, run]);
}

function write(name, text) {
  writeFileSync(join(folder, `${name.replaceAll(/[^\w.-]+/g, "-")}.sh`), `#!/bin/bash\nset -eo pipefail\n${text}`);
  return text.includes("${{") ? [`${name}: an expression in a script; give it by env`] : [];
}
