// Expressions as GitHub's own library evaluates them.

import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const modules = resolve(process.env.RUNNER_MODULES);
const { Evaluator, Lexer, Parser, data } = await import(pathToFileURL(join(modules, "@actions/expressions/dist/index.js")));

const STATUS = ["success", "failure", "always", "cancelled"];

/** The value of an expression, as a JavaScript value. `status` has the functions about what went before. */
export function evaluate(text, contexts, status = {}) {
  const functions = STATUS.filter((name) => name in status).map((name) => ({
    name,
    minArgs: 0,
    maxArgs: 0,
    call: () => new data.BooleanData(status[name]),
  }));
  const dictionary = new data.Dictionary(...Object.entries(contexts).map(([key, value]) => ({ key, value: wrap(value) })));
  const tokens = new Lexer(text).lex().tokens;
  const tree = new Parser(tokens, Object.keys(contexts), functions).parse();
  return new Evaluator(tree, dictionary, new Map(functions.map((it) => [it.name, it]))).evaluate();
}

/** A text with its `${{ … }}` replaced. */
export function interpolate(text, contexts, status) {
  return parts(String(text))
    .map(({ literal, expression }) => literal ?? evaluate(expression, contexts, status).coerceString())
    .join("");
}

/** Whether a condition holds. Without a function about what went before, `success()` is required too. */
export function holds(condition, contexts, status) {
  if (condition === undefined || condition === null) return status.success;
  const [first, ...more] = parts(String(condition));
  const expression = first?.expression ?? String(condition);
  if (more.length > 0) throw new Error(`a condition of several parts is always true: ${condition}`);
  const asks = STATUS.some((name) => new RegExp(`\\b${name}\\s*\\(`, "i").test(expression));
  const value = evaluate(expression, contexts, status);
  return (asks || status.success) && isTrue(value);
}

function isTrue(value) {
  if (value.kind === data.Kind.Boolean) return value.value;
  if (value.kind === data.Kind.Null) return false;
  return value.primitive ? !["", "0", "NaN"].includes(value.coerceString()) : true;
}

function wrap(value) {
  if (value === null || value === undefined) return new data.Null();
  if (typeof value === "string") return new data.StringData(value);
  if (typeof value === "boolean") return new data.BooleanData(value);
  if (typeof value === "number") return new data.NumberData(value);
  if (Array.isArray(value)) return new data.Array(...value.map(wrap));
  return new data.Dictionary(...Object.entries(value).map(([key, it]) => ({ key, value: wrap(it) })));
}

// The parts of a text; `}}` inside of a quoted string ends no expression.
function parts(text) {
  const found = [];
  let at = 0;
  for (;;) {
    const start = text.indexOf("${{", at);
    if (start < 0) break;
    let [end, quoted] = [start + 3, false];
    while (end < text.length && (quoted || !text.startsWith("}}", end))) quoted = (text[end++] === "'") !== quoted;
    if (end >= text.length) throw new Error(`an expression is not closed: ${text}`);
    if (start > at) found.push({ literal: text.slice(at, start) });
    found.push({ expression: text.slice(start + 3, end).trim() });
    at = end + 2;
  }
  if (at < text.length) found.push({ literal: text.slice(at) });
  return found;
}
