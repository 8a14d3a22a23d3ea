// Workflows and actions, read and checked by GitHub's own parser.

import { createRequire, register } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

// GitHub's package imports JSON as bundlers allow it; Node wants to be shown that it is JSON.
const hook = `export const load = (url, context, next) =>
  next(url, url.endsWith(".json") ? { ...context, importAttributes: { type: "json" } } : context);`;
register(`data:text/javascript,${encodeURIComponent(hook)}`);

const modules = resolve(process.env.RUNNER_MODULES);
const load = (file) => import(pathToFileURL(join(modules, "@actions/workflow-parser/dist", file)));
const { parseWorkflow, NoOperationTraceWriter } = await load("index.js");
const { parseAction } = await load("actions/index.js");
const { parse } = createRequire(join(modules, "at.js"))("yaml");

/** A workflow as plain values; what GitHub's parser finds wrong is an error. */
export function readWorkflow(name, content) {
  return checked(parseWorkflow({ name, content }, new NoOperationTraceWriter()), name, content);
}

/** An action as plain values; what GitHub's parser finds wrong is an error. */
export function readAction(name, content) {
  return checked(parseAction({ name, content }, new NoOperationTraceWriter()), name, content);
}

/** The group of a run, and whether it cancels the one before; none without `concurrency`. */
export function concurrencyOf(concurrency, interpolated) {
  if (!concurrency) return {};
  if (typeof concurrency === "string") return { group: interpolated(concurrency), cancel: false };
  const { group, "cancel-in-progress": cancel = false } = concurrency;
  return { group: interpolated(group), cancel: interpolated(cancel) === "true" };
}

function checked({ context, value }, name, content) {
  const errors = context.errors.getErrors().map(({ message }) => message);
  if (errors.length > 0 || !value) throw new Error(`${name}: ${errors.join("\n")}`);
  return parse(content);
}
