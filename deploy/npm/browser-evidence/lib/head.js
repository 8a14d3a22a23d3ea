// The commit that is tested.
import { execFileSync } from "node:child_process";

/** `HEAD_SHA`, since a runner may have checked out the merge into the base; else the commit that is checked out. */
export function head() {
  const sha = process.env.HEAD_SHA || git();
  if (!/^[0-9a-f]{40}$/.test(sha)) throw new Error(`HEAD_SHA is ${JSON.stringify(sha)}, not the 40 hexadecimal digits of a commit`);
  return sha;
}

function git() {
  try {
    return execFileSync("git", ["rev-parse", "HEAD"], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();
  } catch (error) {
    throw new Error(`this is no git checkout, and HEAD_SHA does not name the commit that is tested: ${error.stderr || error}`);
  }
}
