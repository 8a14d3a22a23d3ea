// In place of actions/upload-artifact and actions/download-artifact: real files, in a folder of the workflow run.

import { cpSync, existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";

const UPLOAD = ["name", "path", "if-no-files-found", "retention-days", "include-hidden-files"];
const DOWNLOAD = ["name", "path"];

/** Keeps files of the workspace under a name. Hidden files are left out, as the action leaves them out. */
export function upload(given, { workspace, artifacts }, result) {
  refuse("upload-artifact", given, UPLOAD);
  const [name, path] = [given.name || "artifact", given.path ?? ""];
  if (/[*?[\n]/.test(path.trim())) throw new Error(`the runner knows one path of upload-artifact, without patterns: ${path}`);
  const from = resolve(workspace, path.trim());
  const hidden = given["include-hidden-files"] === "true";
  const files = existsSync(from) ? filesOf(from, hidden) : [];
  if (files.length === 0) return nothing(given["if-no-files-found"] ?? "warn", path, result);
  const into = join(artifacts, name);
  if (existsSync(into)) return failed(result, `an artifact with this name already exists on the workflow run: ${name}`);
  const root = statSync(from).isDirectory() ? from : dirname(from);
  for (const file of files) {
    mkdirSync(dirname(join(into, relative(root, file))), { recursive: true });
    cpSync(file, join(into, relative(root, file)));
  }
  result.log.push(`Artifact ${name} has been successfully uploaded: ${files.length} file(s)`);
  return true;
}

/** Brings the files of an artifact into the workspace. */
export function download(given, { workspace, artifacts }, result) {
  refuse("download-artifact", given, DOWNLOAD);
  if (!given.name) throw new Error("the runner knows download-artifact by name alone");
  const from = join(artifacts, given.name);
  if (!existsSync(from)) return failed(result, `Unable to download artifact(s): Artifact not found for name: ${given.name}`);
  cpSync(from, resolve(workspace, given.path ?? "."), { recursive: true });
  return true;
}

function filesOf(path, hidden) {
  if (!hidden && basename(path).startsWith(".")) return [];
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path).flatMap((name) => filesOf(join(path, name), hidden));
}

function nothing(then, path, result) {
  const message = `No files were found with the provided path: ${path}. No artifacts will be uploaded.`;
  if (then === "error") return failed(result, message);
  if (then === "warn") result.annotations.push({ level: "warning", message });
  return true;
}

function failed(result, message) {
  result.annotations.push({ level: "error", message });
  result.log.push(message);
  return false;
}

function refuse(action, given, known) {
  const unknown = Object.keys(given).filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new Error(`the runner does not know ${unknown} of actions/${action}`);
}
