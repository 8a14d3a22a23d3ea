// Verifies the evidence in tests/evidence by a policy: node scripts/verify-evidence.mjs POLICY
//
// The workflow runs this file and reads the policy as both are at the base of the pull request, so that a change does
// not judge itself. HEAD_SHA is the head that the evidence must be of; without it, the commit that is checked out.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const MOST_AGE = 30 * 60_000;
const PNG = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const folder = join("tests", "evidence");
const policy = JSON.parse(readFileSync(process.argv[2], "utf8"));
const rules = policy.products["@@product@@"]?.evidenceRequirements?.ui_changes ?? {};
const head = process.env.HEAD_SHA || execFileSync("git", ["rev-parse", "HEAD"], { encoding: "utf8" }).trim();

let failed = 0;
for (const flow of rules.requiredFlows ?? []) {
  const faults = faultsOf(flow);
  failed += faults.length;
  console.log(`${flow}: ${faults.length === 0 ? "verified" : faults.join("; ")}`);
}
process.exitCode = failed === 0 ? 0 : 1;

function faultsOf(flow) {
  const path = join(folder, `${flow}.manifest.json`);
  if (!existsSync(path)) return [`${path} is missing`];
  let it;
  try {
    it = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    return [`${path} is no JSON: ${error.message}`];
  }
  const faults = [];
  const expect = (holds, fault) => holds || faults.push(fault);
  const assertions = Array.isArray(it.assertions) ? it.assertions : [];
  expect(it.version === 1 && it.flow === flow, "it is not a manifest of this flow, version 1");
  expect(it.head_sha === head, `it is of ${it.head_sha}, not of ${head}`);
  expect(Math.abs(Date.now() - Date.parse(it.captured_at)) < MOST_AGE, "it is not of the last 30 minutes");
  expect(typeof it.entrypoint === "string" && it.entrypoint.startsWith("/"), "it names no entrypoint");
  expect(Boolean(it.identity), "it names no account");
  expect(Array.isArray(it.console_errors) && it.console_errors.length === 0, "there were errors in the console");
  expect(assertions.length > 0, "it asserts nothing");
  for (const { name, passed } of assertions) expect(passed === true, `${name} did not pass`);
  for (const name of rules.assertionChecks ?? []) {
    expect(assertions.some((it) => it.name === name), `${name} was not asserted`);
  }
  expect(Array.isArray(it.screenshots) && it.screenshots.length > 0, "it has no screenshot");
  for (const shot of it.screenshots ?? []) faults.push(...faultsOfScreenshot(shot));
  return faults;
}

function faultsOfScreenshot({ path, sha256, bytes }) {
  if (typeof path !== "string" || !/^[\w.-]+$/.test(path)) return [`a screenshot has the path ${JSON.stringify(path)}`];
  const file = join(folder, path);
  if (!existsSync(file)) return [`${path} is missing`];
  const image = readFileSync(file);
  const same = createHash("sha256").update(image).digest("hex") === sha256 && image.length === bytes;
  if (!same) return [`${path} is not the screenshot that was taken`];
  return image.subarray(0, 8).equals(PNG) ? [] : [`${path} is no PNG`];
}
