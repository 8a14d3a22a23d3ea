// What both actions share: how they read inputs and speak to the runner.
//
// Everything that comes from a pull request, its branch or a server is data: it reaches the runner's files between
// delimiters that nobody can guess, the log without anything that the runner takes for a command, and no shell.

import { randomUUID } from "node:crypto";
import { appendFileSync } from "node:fs";
import { EOL } from "node:os";

/** An input or a setting that is wrong: the step fails with exit code 2 and changes nothing. */
export class Refused extends Error {}

/** The value of a variable that the action sets from an input, without white space around it. */
export function input(name, pattern, expected) {
  const value = (process.env[name] ?? "").trim();
  if (!pattern.test(value)) {
    throw new Refused(`the input ${name.toLowerCase()} is ${JSON.stringify(value.slice(0, 200))}, not ${expected}`);
  }
  return value;
}

/** Sets an output of the step. */
export function output(name, value) {
  const delimiter = `end-${randomUUID()}`;
  appendFileSync(process.env.GITHUB_OUTPUT, `${name}<<${delimiter}${EOL}${value}${EOL}${delimiter}${EOL}`);
}

/** Appends Markdown to the summary of the job. */
export function summary(markdown) {
  if (process.env.GITHUB_STEP_SUMMARY) appendFileSync(process.env.GITHUB_STEP_SUMMARY, `${markdown}${EOL}`);
}

/** Prints a line of the log. */
export function log(text) {
  // The runner takes `::name` at the beginning of a line and `##[name` anywhere for a command.
  const line = visible(text).replaceAll("##[", "## [");
  console.log(line.replace(/^\s*::/, "· ::"));
}

/** Prints an annotation: `error`, `warning` or `notice`. */
export function annotate(level, message, { file, line, title } = {}) {
  const properties = Object.entries({ title, file, line }).filter(([, value]) => value !== undefined && value !== null);
  const list = properties.map(([name, value]) => `${name}=${property(visible(String(value)))}`).join(",");
  console.log(`::${level}${list && " "}${list}::${data(visible(message).slice(0, 4000))}`);
}

/** Markdown that shows the text as it is, whatever it contains. */
export function code(text) {
  const plain = visible(text).slice(0, 500).replaceAll("|", "\\|");
  const fence = "`".repeat(1 + Math.max(0, ...(plain.match(/`+/g) ?? []).map((run) => run.length)));
  return `${fence} ${plain} ${fence}`;
}

/** The text in one line, with everything that nobody would see written as an escape. */
export function visible(text) {
  const hidden = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
  return text.replace(hidden, (character) => `\\u{${character.codePointAt(0).toString(16)}}`);
}

/** Runs the action; a promise that fails becomes an annotation and an exit code. */
export async function run(main) {
  try {
    process.exitCode = await main();
  } catch (error) {
    annotate("error", error.message);
    process.exitCode = error instanceof Refused ? 2 : 1;
  }
}

function data(text) {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

function property(text) {
  return data(text).replaceAll(":", "%3A").replaceAll(",", "%2C");
}
