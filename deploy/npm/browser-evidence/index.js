// Evidence of a flow: what a test asserted, what its page looked like, and what was seen beside it.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "@playwright/test";
import { folder } from "./lib/folder.js";
import { head } from "./lib/head.js";
import { begins, sha256, write } from "./lib/manifest.js";
import { described, pictures } from "./lib/pictures.js";
import { lastPage, watch } from "./lib/watch.js";

const FLOW = /^[a-z0-9][a-z0-9._-]{0,99}$/;
/** What is observed here, whatever a test says of it. */
const OBSERVED = ["expected_entrypoint_exists", "expected_account_identity_present", "no_console_errors"];

export async function generateEvidence(declared) {
  const flow = checked(declared);
  const page = declared.page ?? lastPage();
  if (!page) {
    throw new Error("no page is open: hand over `page`, or import @aspora/browser-evidence in playwright.config.ts");
  }
  const giving = new Giving(flow, page, test.info());
  await giving.begin(declared.trace ?? true);
  return { check: (name, assertion) => giving.check(name, assertion), save: (saved = {}) => giving.save(saved) };
}

function checked({ flow, entrypoint, requiredIdentity, assertions = [] }) {
  const expect = (holds, what) => {
    if (!holds) throw new Error(`generateEvidence: ${what}`);
  };
  expect(typeof flow === "string" && FLOW.test(flow), `flow is ${JSON.stringify(flow)}, not a name that ${FLOW} matches`);
  expect(typeof entrypoint === "string" && entrypoint.startsWith("/"), `entrypoint is ${JSON.stringify(entrypoint)}, not a path`);
  expect(requiredIdentity === undefined || (typeof requiredIdentity === "string" && requiredIdentity.trim() !== ""), "requiredIdentity is no text");
  expect(Array.isArray(assertions) && assertions.every((it) => typeof it === "string" && it !== ""), "assertions are no names");
  return { flow, entrypoint, identity: requiredIdentity ?? null, declared: [...new Set(assertions)] };
}

class Giving {
  #flow;
  #page;
  #info;
  #seen;
  #results = new Map();
  #identity = false;
  #screenshots = [];
  #traces = [];
  #tracing = false;
  #saved = false;

  constructor(flow, page, info) {
    this.#flow = flow;
    this.#page = page;
    this.#info = info;
    this.#seen = watch(page);
    for (const name of flow.declared) this.#results.set(name, false);
  }

  async begin(trace) {
    this.#write();
    // A test that fails after its evidence was saved fails the evidence too.
    this.#page.context().on("close", () => this.#failed() && this.#write());
    if (trace) {
      const start = this.#page.context().tracing.start({ screenshots: true, snapshots: true });
      this.#tracing = await start.then(() => true, () => false);
    }
  }

  async check(name, assertion) {
    this.#results.set(name, false);
    const value = await assertion();
    this.#results.set(name, true);
    return value;
  }

  async save({ screenshots = [], assertions_passed = [] }) {
    for (const name of assertions_passed) {
      const known = this.#results.has(name) || OBSERVED.includes(name);
      if (!known) throw new Error(`${name} passed, but generateEvidence was not told of it`);
      this.#results.set(name, true);
    }
    this.#identity = await this.#sees(this.#flow.identity);
    this.#screenshots = await pictures(screenshots, this.#page, this.#seen, this.#flow.flow);
    await this.#trace();
    this.#saved = true;
    this.#write();
    const missed = this.#assertions().filter(({ passed }) => !passed).map(({ name }) => `${name}${this.#why(name)}`);
    if (missed.length > 0) throw new Error(`the evidence of ${this.#flow.flow} does not hold: ${missed.join("; ")}`);
  }

  async #sees(identity) {
    if (identity === null) return null;
    return (await this.#page.locator("body").innerText()).includes(identity);
  }

  async #trace() {
    if (!this.#tracing) return;
    this.#tracing = false;
    mkdirSync(folder, { recursive: true });
    const path = join(folder, `${this.#flow.flow}-${this.#key().slice(0, 12)}.zip`);
    await this.#page.context().tracing.stop({ path });
    this.#traces = [described(path)];
  }

  #key() {
    return sha256(this.#info.testId);
  }

  // Whether Playwright counts the test as failed so far.
  #failed() {
    return this.#info.errors.length > 0 || ["failed", "timedOut", "interrupted"].includes(this.#info.status ?? "");
  }

  #assertions() {
    const results = new Map(this.#results);
    results.set("expected_entrypoint_exists", this.#seen.entrypoint !== null && begins(this.#seen.entrypoint, this.#flow.entrypoint));
    if (this.#flow.identity !== null) results.set("expected_account_identity_present", this.#identity);
    results.set("no_console_errors", this.#saved && this.#seen.errors.length === 0);
    return [...results].map(([name, passed]) => ({ name, passed }));
  }

  #why(name) {
    const { entrypoint, errors } = this.#seen;
    if (name === "expected_entrypoint_exists") return ` (${entrypoint ?? "no page"} was reached, not ${this.#flow.entrypoint})`;
    if (name === "expected_account_identity_present") return ` (${this.#flow.identity} is not on the page)`;
    if (name === "no_console_errors") return ` (${errors[0] ?? "unknown"})`;
    return "";
  }

  #write() {
    const assertions = this.#assertions();
    const browser = this.#page.context().browser();
    write(this.#info.testId, {
      flow: this.#flow.flow,
      entrypoint: this.#flow.entrypoint,
      identity: this.#flow.identity,
      head_sha: head(),
      captured_at: new Date().toISOString(),
      title: this.#info.title,
      passed: this.#saved && !this.#failed() && assertions.every(({ passed }) => passed),
      assertions,
      screenshots: this.#screenshots,
      console_errors: this.#seen.errors,
      observed: {
        entrypoint: this.#seen.entrypoint,
        identity: this.#identity,
        failed_requests: this.#seen.failedRequests,
        browser: `${browser?.browserType().name() ?? "a browser"} ${browser?.version() ?? ""}`.trim(),
      },
      traces: this.#traces,
    });
  }
}
