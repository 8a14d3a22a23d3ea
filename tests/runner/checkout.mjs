// In place of actions/checkout: a real clone, with the inputs that it has and the traces that it leaves.

import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { resolve } from "node:path";

const INPUTS = ["repository", "ref", "token", "persist-credentials", "path", "fetch-depth"];

/** Clones the repository into the workspace; the log says what went wrong. */
export function checkout(given, { contexts: { github }, workspace, machine }, result) {
  const unknown = Object.keys(given).filter((name) => !INPUTS.includes(name));
  if (unknown.length > 0) throw new Error(`the runner does not know ${unknown} of actions/checkout`);
  const folder = resolve(workspace, given.path ?? ".");
  const token = given.token ?? github.token;
  const basic = Buffer.from(`x-access-token:${token}`).toString("base64");
  const [key, value] = [`http.${github.server_url}/.extraheader`, `AUTHORIZATION: basic ${basic}`];
  const git = (...words) => execFileSync("git", words, { cwd: folder, env: machine, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  const depth = given["fetch-depth"] ?? "1";
  const ref = given.ref || github.sha;
  mkdirSync(folder, { recursive: true });
  try {
    git("init", "-q", ".");
    git("remote", "add", "origin", `${github.server_url}/${given.repository ?? github.repository}.git`);
    git("config", "--local", key, value);
    const all = ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"];
    if (depth === "0") git("fetch", "-q", "origin", ...all);
    git("fetch", "-q", "--no-tags", ...(depth === "0" ? [] : [`--depth=${depth}`]), "origin", ref);
    git("checkout", "-q", "--force", "FETCH_HEAD", "--");
    if (given["persist-credentials"] === "false") git("config", "--local", "--unset-all", key);
    return true;
  } catch (error) {
    result.log.push(error.stderr || error.message);
    return false;
  }
}
