// Waits for the code review of one head.
//
// Nothing but a complete review of exactly this head that found nothing blocking ends with 0. Time that runs out, a
// server that fails, an answer that cannot be read, a review of another commit: none of them is a clean review.

import { Refused, annotate, code, input, log, output, run, summary } from "../toolkit.mjs";
import { Definite, Limited, Passing, pages, request } from "./http.mjs";
import { newestCheck, objection, openFindings } from "./review.mjs";

const MARKER = "<!-- review-agent-auto-rerun -->";
const MOST_FAILURES = 6;
const MOST_ANNOTATIONS = 10;
const MOST_FINDINGS = 100;
const OURS = new Set(["OWNER", "MEMBER", "COLLABORATOR"]);

const began = performance.now();

await run(async () => {
  report("refused", []);
  const asked = settings();
  const { outcome, message, findings = [] } = await wait(asked);
  report(outcome, findings);
  describe(asked, outcome, message, findings);
  return outcome === "clean" ? 0 : 1;
});

function settings() {
  const seconds = (name, most) => {
    const value = Number(input(name, /^\d{1,5}(\.\d+)?$/, `a number up to ${most}`));
    if (value <= 0 || value > most) throw new Refused(`the input ${name.toLowerCase()} is ${value}; it is over 0 and at most ${most}`);
    return value * 1000;
  };
  const asked = {
    head: input("HEAD_SHA", /^[0-9a-f]{40}([0-9a-f]{24})?$/, "a full commit id"),
    timeout: seconds("TIMEOUT_MINUTES", 360) * 60,
    poll: seconds("POLL_SECONDS", 600),
    pull: input("PULL_REQUEST", /^[1-9]\d{0,9}$/, "the number of a pull request; on other events there is no review to wait for"),
    repository: input("REPOSITORY", /^[\w.-]+\/[\w.-]+$/, "owner/name"),
    reviews: input("REVIEWS_URL", /^(https?:\/\/[^\s?#]+)?$/, "the URL of an API"),
    key: input("API_KEY", /^[!-~]*$/, "a key"),
    app: input("APP", /^[\w.-]*$/, "the number or the slug of an app"),
    check: input("CHECK_NAME", /^.{1,200}$/, "the name of a check"),
    request: input("REQUEST_COMMENT", /^[^<]{0,1000}$/s, "a comment without <, of 1,000 characters at most"),
    token: input("GITHUB_TOKEN", /^[!-~]*$/, "a token"),
  };
  if (!asked.reviews && !asked.app) throw new Refused("give reviews_url, or app, or both: without them nobody's review is waited for");
  if (asked.request && !asked.app) throw new Refused("request_comment needs app, whose missing check says that there is no review");
  return asked;
}

// Looks until there is an answer or no time is left.
async function wait(asked) {
  let [failures, last, shown] = [0, "nothing was asked", ""];
  for (;;) {
    let delay = asked.poll;
    try {
      const found = await look(asked);
      if (found.outcome) return found;
      [failures, last] = [0, found.waiting];
    } catch (error) {
      if (error instanceof Definite) return { outcome: "refused", message: error.message };
      if (!(error instanceof Passing || error instanceof Limited)) throw error;
      last = error.message;
      failures += error instanceof Passing ? 1 : 0;
      if (failures >= MOST_FAILURES) return { outcome: "unreachable", message: `${last} (${failures} times in a row)` };
      delay = error.delay ?? Math.min(60_000, asked.poll * 2 ** (failures - 1));
    }
    const left = asked.timeout - (performance.now() - began);
    if (left <= 0) {
      const minutes = asked.timeout / 60_000;
      return { outcome: "timeout", message: `no complete review of ${asked.head} in ${minutes} minutes: ${last}` };
    }
    if (last !== shown) log((shown = last));
    await sleep(Math.min(delay, left));
  }
}

// One look: an outcome, or what is waited for.
async function look(asked) {
  const check = asked.app ? await completedCheck(asked) : undefined;
  if (check?.waiting) return check;
  const against = check && objection(check);
  const findings = asked.reviews ? await reviewed(asked) : undefined;
  if (findings?.waiting && !against) return findings;
  if (findings?.open?.some(({ blocking }) => blocking)) return { outcome: "findings", message: "the review found what blocks", findings: findings.open };
  const message = against && `the review of ${asked.head} is not clean: ${against}`;
  return { outcome: against ? "failed" : "clean", message, findings: findings?.open };
}

async function completedCheck(asked) {
  const url = new URL(`${process.env.GITHUB_API_URL}/repos/${asked.repository}/commits/${asked.head}/check-runs`);
  url.searchParams.set("check_name", asked.check);
  // The latest by completion would be by a time that its app writes.
  url.searchParams.set("filter", "all");
  const check = newestCheck(await pages(url, ({ check_runs }) => check_runs, asked.token), asked.check, asked.app);
  if (!check) return { waiting: await requested(asked, `${asked.app} has not reported ${asked.check} on ${asked.head}`) };
  return check.status === "completed" ? check : { waiting: `${asked.check} is ${check.status}` };
}

async function reviewed({ reviews, repository, pull, head, key }) {
  const url = new URL(`${reviews.replace(/\/+$/, "")}/reviews/${repository}/pr/${pull}/findings`);
  url.searchParams.set("sha", head);
  const { status, value } = await request(url, { token: key, also: [404] });
  if (status === 404) return { waiting: value?.detail ?? `${url.origin} has no review of ${head}` };
  if (!Array.isArray(value)) throw new Passing(`${url.origin}${url.pathname} was answered with something that is no list`);
  const open = openFindings(value, head);
  return open ? { open } : { waiting: `${url.origin} answered with the review of another commit` };
}

// Asks the reviewer for a review of this head unless somebody has asked already.
async function requested(asked, waiting) {
  if (!asked.request) return waiting;
  const url = new URL(`${process.env.GITHUB_API_URL}/repos/${asked.repository}/issues/${asked.pull}/comments`);
  const comments = await pages(url, (value) => value, asked.token);
  const asks = ({ body, user, author_association }) =>
    body?.includes(MARKER) && body.includes(`sha:${asked.head}`) && (user?.type === "Bot" || OURS.has(author_association));
  if (comments.some(asks)) return `${waiting}; a review was requested`;
  url.search = "";
  await request(url, { token: asked.token, method: "POST", body: { body: `${asked.request}\n\n${MARKER}\nsha:${asked.head}` } });
  log(`requested a review of ${asked.head}`);
  return `${waiting}; a review was requested`;
}

function report(outcome, findings) {
  output("outcome", outcome);
  output("actionable", findings.filter(({ actionable }) => actionable).length);
  output("blocking", findings.filter(({ blocking }) => blocking).length);
  output("findings", JSON.stringify(findings.slice(0, MOST_FINDINGS)));
  output("waited", Math.round((performance.now() - began) / 1000));
}

function describe({ head }, outcome, message, findings) {
  const count = (kind) => findings.filter((finding) => finding[kind]).length;
  const tally = `${count("actionable")} actionable (${count("blocking")} blocking)`;
  if (outcome === "clean") log(`the review of ${head} is clean: ${tally}`);
  else annotate("error", outcome === "findings" ? `the review found ${tally}` : message, { title: "Code review" });
  const shown = findings.filter(({ actionable }) => actionable).slice(0, MOST_ANNOTATIONS);
  for (const { severity, blocking, path, line, message } of shown) {
    annotate(blocking ? "error" : "warning", message, { title: severity, file: path || undefined, line: line ?? undefined });
  }
  const rows = findings.slice(0, MOST_FINDINGS).map(
    ({ severity, path, line, message }) => `| ${severity} | ${code(line ? `${path}:${line}` : path)} | ${code(message)} |`,
  );
  const table = rows.length > 0 ? ["", "| severity | place | message |", "|---|---|---|", ...rows] : [];
  summary([`## Code review: ${outcome}`, "", `${code(head)}: ${tally}`, ...(message ? ["", code(message)] : []), ...table].join("\n"));
}

function sleep(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
