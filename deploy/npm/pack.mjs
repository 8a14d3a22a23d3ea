// Packs the command line for npm: the package of one platform, which holds the binary, and the package that people
// install, which runs it. `./run npm-pack` builds the binary and calls this.
//
//   node deploy/npm/pack.mjs --target x86_64-unknown-linux-gnu --binary PATH --out FOLDER
//
// Prints the two files.

import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const here = fileURLToPath(new URL(".", import.meta.url));
const json = (path) => JSON.parse(readFileSync(path, "utf8"));

class Refused extends Error {}

function options() {
  const text = { type: "string" };
  const { values } = parseArgs({ options: { target: text, binary: text, out: text } });
  for (const name of ["target", "binary", "out"]) {
    if (!values[name]) throw new Refused(`--${name} is missing`);
  }
  return values;
}

// The version of this release, which every package must have.
function checkVersions(wrapper) {
  const cargo = readFileSync(join(here, "../../Cargo.toml"), "utf8");
  const released = /^\[workspace\.package\][^[]*?^version = "(.+?)"/ms.exec(cargo)?.[1];
  const dependencies = Object.entries(wrapper.optionalDependencies);
  for (const [name, version] of [[wrapper.name, wrapper.version], ...dependencies]) {
    if (version !== released) throw new Refused(`package.json has ${name} ${version}, and Cargo.toml is at ${released}`);
  }
}

function platformPackage(wrapper, { name, os, cpu, libc }) {
  return {
    name: `${wrapper.name}-${name}`,
    version: wrapper.version,
    description: `The binary of ${wrapper.name} for ${name}.`,
    license: wrapper.license,
    os: [os],
    cpu: [cpu],
    ...(libc && { libc: [libc] }),
    files: ["bin"],
    preferUnplugged: true,
  };
}

function pack(folder, out) {
  const printed = execFileSync("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", out], { cwd: folder });
  return join(out, JSON.parse(printed)[0].filename);
}

function main() {
  const { target, binary, out } = options();
  const [wrapper, platforms] = ["package.json", "platforms.json"].map((file) => json(join(here, "risk-tier-cli", file)));
  if (!platforms[target]) throw new Refused(`--target is ${target}, not one of ${Object.keys(platforms).join(", ")}`);
  checkVersions(wrapper);
  const scratch = mkdtempSync(join(tmpdir(), "npm-pack-"));
  try {
    mkdirSync(join(scratch, "platform/bin"), { recursive: true });
    const program = join(scratch, "platform/bin/aspora-risk-tier");
    copyFileSync(binary, program);
    chmodSync(program, 0o755);
    writeFileSync(join(scratch, "platform/package.json"), JSON.stringify(platformPackage(wrapper, platforms[target]), null, 2));
    cpSync(join(here, "risk-tier-cli"), join(scratch, "wrapper"), { recursive: true });
    mkdirSync(out, { recursive: true });
    for (const folder of ["platform", "wrapper"]) console.log(pack(join(scratch, folder), resolve(out)));
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

try {
  main();
} catch (error) {
  if (!(error instanceof Refused || error.code?.startsWith("ERR_PARSE_ARGS"))) throw error;
  console.error(`pack: ${error.message}`);
  process.exitCode = 2;
}
