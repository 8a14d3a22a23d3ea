#!/usr/bin/env node
// Runs the binary that npm has installed for this platform.
"use strict";

const { spawn } = require("node:child_process");
const platforms = Object.values(require("../platforms.json"));
const { name: wrapper, version } = require("../package.json");

function fail(message) {
  process.stderr.write(`aspora-risk-tier: ${message}\n`);
  process.exit(1);
}

// Which C library this system has; only Linux has a choice.
function libc() {
  if (process.platform !== "linux") return undefined;
  process.report.excludeNetwork = true;
  return process.report.getReport().header.glibcVersionRuntime ? "glibc" : "musl";
}

function binary() {
  const system = [process.platform, process.arch, libc()];
  const here = platforms.find(({ os, cpu, libc }) => [os, cpu, libc].every((part, at) => part === system[at]));
  if (!here) {
    const known = platforms.map(({ name }) => name).join(", ");
    fail(`there is no binary for ${system.filter(Boolean).join(" ")}. There are: ${known}`);
  }
  const name = `${wrapper}-${here.name}`;
  try {
    const installed = require(`${name}/package.json`).version;
    if (installed !== version) fail(`${name} is ${installed} and ${wrapper} is ${version}: install both again`);
    return require.resolve(`${name}/bin/aspora-risk-tier`);
  } catch (error) {
    if (error.code !== "MODULE_NOT_FOUND") throw error;
    return fail(`the package ${name} is missing. Install ${wrapper} again, without --omit=optional and on this platform`);
  }
}

const child = spawn(binary(), process.argv.slice(2), { stdio: "inherit" });
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("error", (error) => fail(`the binary cannot be started: ${error.message}`));
child.on("exit", (code, signal) => {
  if (signal === null) process.exit(code);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
});
