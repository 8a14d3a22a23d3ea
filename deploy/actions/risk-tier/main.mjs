// Installs the command line, asks it, and hands its answer to the workflow.
//
// Whatever goes wrong, the outputs say `critical`: a workflow that continues after a failed step skips nothing.

import { spawnSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Refused, annotate, code, input, log, output, run, summary, visible } from "../toolkit.mjs";

const PACKAGE = "@aspora/risk-tier-cli";
const MOST_ROWS = 100;
const STRICTEST = {
  tier: "critical",
  docs_drift: [],
  required: {
    review: true,
    evidence: true,
    demands: { checks: [{ name: "risk-policy-gate" }, { name: "Code Review Agent" }], approvals: 2, human: true },
  },
};

await run(() => {
  setOutputs(STRICTEST);
  const asked = question();
  // A folder of our own: npm reads configuration where it runs, and the clone holds what the pull request says.
  const folder = mkdtempSync(join(process.env.RUNNER_TEMP, "risk-tier-"));
  const { code: exitCode, answer } = ask(install(folder), asked, folder);
  if (exitCode !== 0) return exitCode;
  const report = join(folder, "report.json");
  writeFileSync(report, JSON.stringify(answer));
  setOutputs(answer);
  output("report", report);
  describe(answer);
  return answer.docs_drift.length > 0 ? 1 : 0;
});

function question() {
  const commit = [/^[0-9a-f]{40}([0-9a-f]{24})?$/, "a full commit id; on events other than pull_request and merge_group, give base and head"];
  const [base, head] = [input("BASE", ...commit), input("HEAD", ...commit)];
  const product = input("PRODUCT", /^[^-\s]\S*$/, "the name of a product");
  const policy = input("POLICY", /^[^-\s].*$/, "a path");
  const repo = resolve(process.env.GITHUB_WORKSPACE, input("REPO", /^\S.*$/, "a folder"));
  return [`--policy=${policy}`, `--product=${product}`, `--base=${base}`, `--head=${head}`, `--repo=${repo}`, "--format=json"];
}

function install(folder) {
  const wanted = `${PACKAGE}@${process.env.VERSION}`;
  log(`installing ${wanted}`);
  const options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--save=false", "--loglevel=error"];
  const npm = spawnSync("npm", ["install", ...options, wanted], { cwd: folder, encoding: "utf8" });
  if (npm.error) throw new Refused(`npm cannot be started: ${npm.error.message}. Install Node.js 18 or newer`);
  if (npm.status !== 0) {
    npm.stderr.split("\n").filter(Boolean).forEach(log);
    throw new Error(`npm could not install ${wanted}; its last line: ${npm.stderr.trim().split("\n").pop()}`);
  }
  return join(folder, "node_modules", PACKAGE, "bin/aspora-risk-tier.js");
}

function ask(program, question, cwd) {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [program, ...question], {
    cwd,
    encoding: "utf8",
    maxBuffer: 256 << 20,
  });
  stderr.split("\n").filter(Boolean).forEach(log);
  if (status !== 0) {
    annotate("error", stderr.trim().split("\n").pop() || `aspora-risk-tier ended by ${signal}`, { title: "No risk tier" });
    return { code: status || 1 };
  }
  return { code: 0, answer: JSON.parse(stdout) };
}

function setOutputs({ tier, required: { demands, review, evidence }, docs_drift }) {
  const names = demands.checks.map(({ name }) => name);
  output("tier", tier);
  output("checks", JSON.stringify(names));
  output("required", visible(names.join(",")));
  output("requires-review", review);
  output("requires-evidence", evidence);
  output("requires-human", demands.human);
  output("approvals", Math.max(demands.approvals, demands.human ? 1 : 0));
  output("docs-drift", visible(docs_drift.join("; ")));
}

function describe({ tier, paths, warnings, required: { demands }, docs_drift }) {
  log(`tier: ${tier}`);
  for (const warning of warnings) annotate("warning", warning, { title: "Risk policy" });
  for (const drift of docs_drift) annotate("error", drift, { title: "Documents are left behind" });
  const needed = Math.max(demands.approvals, demands.human ? 1 : 0);
  const checks = demands.checks.map(({ name }) => code(name)).join(", ");
  const rows = paths.slice(0, MOST_ROWS).map(({ path, tier, reasons }) => `| ${code(path)} | ${tier} | ${code(reasons[0].rule)} |`);
  if (paths.length > MOST_ROWS) rows.push(`| and ${paths.length - MOST_ROWS} more | | |`);
  summary(
    [
      "## Risk policy",
      "",
      `**Risk tier**: ${tier}`,
      "",
      `**Required checks**: ${checks}`,
      "",
      `**Required approvals**: ${needed}${demands.human ? " by people" : ""}`,
      ...docs_drift.flatMap((drift) => ["", `**Documents**: ${code(drift)}`]),
      "",
      "| path | tier | by |",
      "|---|---|---|",
      ...rows,
    ].join("\n"),
  );
}
