// What a step says to the runner: commands in its log, and the files of its environment.
//
// As GitHub's runner reads them (actions/runner: ActionCommand.cs, ActionCommandManager.cs, FileCommandManager.cs):
// `::name key=value::data` at the beginning of a line and `##[name key=value;]data` anywhere in it, in both streams.
// `set-output` is deprecated and still counts; `set-env` and `add-path` fail the step.

import { readFileSync } from "node:fs";

const ANNOTATIONS = ["error", "warning", "notice"];
const KNOWN = [...ANNOTATIONS, "debug", "group", "endgroup", "add-mask", "set-output", "save-state", "set-env", "add-path"];
const KNOWN_TOO = ["echo", "add-matcher", "remove-matcher", "stop-commands"];

/** The log of a step: reads lines, and keeps what they command. */
export class Log {
  constructor(masks) {
    Object.assign(this, { masks, lines: [], annotations: [], outputs: {}, failed: false, stopped: undefined });
  }

  line(text) {
    const command = parse(text, this.stopped);
    if (command) this.follow(command);
    this.lines.push(mask(text, this.masks));
  }

  follow({ name, properties, data }) {
    if (this.stopped !== undefined) {
      if (name === this.stopped) this.stopped = undefined;
      return;
    }
    if (name === "stop-commands") this.stopped = data.toLowerCase();
    if (ANNOTATIONS.includes(name)) this.annotations.push({ level: name, message: mask(data, this.masks), ...properties });
    if (name === "add-mask" && data.trim()) this.masks.push(data);
    if (name === "set-output") this.outputs[properties.name] = data;
    if (name === "set-env" || name === "add-path") this.failed = true;
  }
}

/** The text with every secret replaced. */
export function mask(text, masks) {
  return masks.reduce((masked, secret) => masked.replaceAll(secret, "***"), text);
}

/** Name and value of each entry of a file such as GITHUB_OUTPUT. */
export function readEntries(file) {
  const [entries, lines] = [{}, readFileSync(file, "utf8").split("\n")];
  while (lines.length > 0) {
    const line = lines.shift();
    const [equals, heredoc] = [line.indexOf("="), line.indexOf("<<")];
    if (line === "") continue;
    if (equals >= 0 && (heredoc < 0 || equals < heredoc)) {
      entries[line.slice(0, equals)] = line.slice(equals + 1);
      continue;
    }
    const [name, delimiter] = heredoc < 0 ? [] : [line.slice(0, heredoc), line.slice(heredoc + 2)];
    const end = lines.indexOf(delimiter);
    if (!name || !delimiter || end < 0) throw new Error(`Invalid format '${line}'`);
    entries[name] = lines.splice(0, end + 1).slice(0, -1).join("\n");
  }
  return entries;
}

function parse(text, stopped) {
  const known = [...KNOWN, ...KNOWN_TOO, ...(stopped ? [stopped] : [])];
  const forms = [
    [/^\s*::([^:\s]+?)(?: (.*?))?::(.*)$/s, ","],
    [/##\[([^\]\s]+)(?: ([^\]]*))?\](.*)$/s, ";"],
  ];
  for (const [pattern, separator] of forms) {
    const [, name, list, data] = pattern.exec(text) ?? [];
    if (name && known.includes(name.toLowerCase())) {
      const pairs = (list ?? "").split(separator).map((pair) => pair.trim().split(/=(.*)/s));
      const properties = Object.fromEntries(pairs.filter(([, value]) => value).map(([key, value]) => [key, unescape(value)]));
      return { name: name.toLowerCase(), properties, data: unescape(data) };
    }
  }
  return undefined;
}

function unescape(text) {
  const escapes = { "%0D": "\r", "%0A": "\n", "%3A": ":", "%2C": ",", "%3B": ";", "%5D": "]", "%25": "%" };
  return Object.entries(escapes).reduce((plain, [escaped, character]) => plain.replaceAll(escaped, character), text);
}
