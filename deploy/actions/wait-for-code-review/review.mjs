// What a review says of one head. Pure: the same answers always mean the same.

const HARMLESS = new Set(["medium", "low", "info"]);
const ACTIONABLE = new Set(["critical", "high", "medium"]);
const WEAKEST_CONFIDENCE = 4;
const VULNERABILITY = new RegExp(
  [
    "vulnerabilit(y|ies)|vulnerable|exploit(able|ed|s)?|injection|xss|csrf|ssrf|xxe|rce|idor",
    "cross[- ]site|remote code execution|path traversal|directory traversal|privilege escalation",
    "(authentication|authorization|auth) bypass|hard[- ]?coded (secret|credential|password|key)s?",
    "(leak|expos)(s|es|ed|ing)? (of )?(a |the )?(secret|credential|password|token)s?|insecure deserialization",
  ].join("|"),
  "i",
);
const DENIED = /\b(no|zero|0|without( any)?|not any|free of)( \S+){0,3} (vulnerabilit(y|ies)|exploits?|injections?)( \S+){0,2}/gi;

/** Whether a text speaks of a vulnerability, other than to say that there is none. */
export function speaksOfVulnerability(text) {
  return VULNERABILITY.test(text.replace(DENIED, " "));
}

/** The first confidence score of a text that is weaker than 4 of 5, such as `Confidence Score: 2/5`; or undefined. */
export function weakConfidence(text) {
  for (const [, score, of] of text.matchAll(/confidence[^\d\n]{0,20}(\d+(?:\.\d+)?)\s*\/\s*(\d+)/gi)) {
    if (Number(score) * 5 < WEAKEST_CONFIDENCE * Number(of)) return `${score}/${of}`;
  }
  return undefined;
}

/**
 * The open findings of this head; undefined if the answer is about other heads only, so that it says nothing of this one.
 * Whatever is not known to be harmless blocks.
 */
export function openFindings(answer, head) {
  const all = answer.map(finding);
  const ours = all.filter(({ head_sha }) => head_sha === undefined || head_sha === head);
  if (all.length > 0 && ours.length === 0) return undefined;
  return ours.filter(({ state }) => state !== "dismissed");
}

function finding(it) {
  const { severity, path, line, message, state, head_sha } = it !== null && typeof it === "object" ? it : {};
  const word = typeof severity === "string" ? severity.trim().toLowerCase() : "unknown";
  const text = typeof message === "string" ? message : JSON.stringify(it);
  const known = HARMLESS.has(word) || ACTIONABLE.has(word);
  return {
    severity: known ? word : "high",
    ...(!known && { reported_severity: String(severity) }),
    path: typeof path === "string" ? path : "",
    line: Number.isSafeInteger(line) ? line : null,
    message: text.slice(0, 1000),
    blocking: !HARMLESS.has(word),
    actionable: !HARMLESS.has(word) || ACTIONABLE.has(word) || speaksOfVulnerability(text),
    state,
    head_sha,
  };
}

/** The newest check of this name by this app, which is named by its number or its slug. */
export function newestCheck(checks, name, app) {
  const ours = checks.filter((check) => check.name === name && [String(check.app?.id), check.app?.slug].includes(app));
  return ours.reduce((newest, check) => (newest && newest.id > check.id ? newest : check), undefined);
}

/** Why a completed check is not a clean review, from its conclusion and from what it says; undefined if it is one. */
export function objection({ conclusion, output }) {
  if (conclusion !== "success") return `its conclusion is ${conclusion}`;
  const text = [output?.title, output?.summary, output?.text].filter(Boolean).join("\n");
  const confidence = weakConfidence(text);
  if (confidence) return `it succeeded with a confidence of ${confidence}`;
  return speaksOfVulnerability(text) ? "it succeeded and speaks of a vulnerability" : undefined;
}
