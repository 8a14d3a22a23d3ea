// Evidence of one flow: what was asserted, and what the page looked like. It is written to tests/evidence.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, type Page } from "@playwright/test";

const folder = join(import.meta.dirname, "..", "evidence");

type Flow = { flow: string; entrypoint: string; identity: string };

export async function evidence(page: Page, flow: Flow) {
  const assertions: { name: string; passed: boolean }[] = [];
  const errors: string[] = [];
  // Listens before the first page is opened, so that no error is missed.
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  page.on("pageerror", (error) => errors.push(String(error)));
  const check = async (name: string, assertion: () => Promise<unknown>) => {
    const place = assertions.push({ name, passed: false }) - 1;
    await assertion();
    assertions[place].passed = true;
  };
  const save = async () => {
    const image = await page.screenshot({ fullPage: true });
    await check("no_console_errors", async () => expect(errors).toEqual([]));
    const path = `${flow.flow}.png`;
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, path), image);
    const manifest = {
      version: 1,
      ...flow,
      head_sha: head(),
      captured_at: new Date().toISOString(),
      assertions,
      screenshots: [{ path, sha256: createHash("sha256").update(image).digest("hex"), bytes: image.length }],
      console_errors: errors,
    };
    writeFileSync(join(folder, `${flow.flow}.manifest.json`), `${JSON.stringify(manifest, null, 2)}\n`);
  };
  return { check, save };
}

// The head of the pull request: on a runner, what is checked out may be its merge into the base.
function head() {
  return process.env.HEAD_SHA || execFileSync("git", ["rev-parse", "HEAD"], { encoding: "utf8" }).trim();
}
