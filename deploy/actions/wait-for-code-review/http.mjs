// Requests, and what an answer means for somebody who waits.

/** The most bytes of an answer that are read (16 MiB). */
const LARGEST = 16 << 20;
/** How long a request may take, in milliseconds. */
const PATIENCE = 30_000;
/** How long a secondary rate limit lasts if the server does not say, in milliseconds. */
const PENALTY = 60_000;

/** An answer that another request will not change, such as one to a key that is not valid. */
export class Definite extends Error {}

/** No answer, or none that can be read: asked again a few times. */
export class Passing extends Error {}

/** A rate limit: asked again when it is over. */
export class Limited extends Error {
  constructor(message, delay) {
    super(message);
    this.delay = delay;
  }
}

/** Sends a request and reads its JSON. The status is 200, 201 or one of `also`. */
export async function request(url, { token, method = "GET", body, also = [] } = {}) {
  const { response, text } = await exchange(url, { token, method, body });
  const { status } = response;
  if (status === 200 || status === 201 || also.includes(status)) return { status, value: parsed(text, status, url), response };
  const answered = `${method} ${address(url)} was answered with ${status}: ${excerpt(text)}`;
  if (status === 429 || status === 403) {
    const delay = penalty(response, text);
    if (delay !== undefined) throw new Limited(answered, delay);
  }
  if (status === 408 || status >= 500) throw new Passing(answered);
  throw new Definite(answered);
}

/** All items of a list of GitHub's, over all of its pages. */
export async function pages(url, items, token) {
  const all = [];
  for (let page = 1; ; page += 1) {
    url.searchParams.set("per_page", "100");
    url.searchParams.set("page", String(page));
    const { value, response } = await request(url, { token });
    const found = items(value);
    if (!Array.isArray(found)) throw new Passing(`${address(url)} was answered with something that is no list`);
    all.push(...found);
    // A page may have fewer than were asked for and not be the last.
    if (!/rel="next"/.test(response.headers.get("link") ?? "")) return all;
  }
}

async function exchange(url, { token, method, body }) {
  const headers = { accept: "application/json", "user-agent": "aspora-wait-for-code-review" };
  if (token) headers.authorization = `Bearer ${token}`;
  if (body) headers["content-type"] = "application/json";
  try {
    const signal = AbortSignal.timeout(PATIENCE);
    const response = await fetch(url, { method, headers, body: body && JSON.stringify(body), signal });
    return { response, text: await read(response) };
  } catch (error) {
    throw new Passing(`${method} ${address(url)} was not answered: ${error.cause?.message ?? error.message}`);
  }
}

async function read(response) {
  const chunks = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > LARGEST) throw new Error(`the answer has over ${LARGEST} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parsed(text, status, url) {
  try {
    return JSON.parse(text);
  } catch {
    if (status === 200 || status === 201) throw new Passing(`${address(url)} was answered with something that is no JSON`);
    return undefined;
  }
}

// How long to wait, in milliseconds; undefined if it is no rate limit.
function penalty({ status, headers }, text) {
  const after = Number(headers.get("retry-after") ?? Number.NaN);
  if (after >= 0) return after * 1000;
  if (headers.get("x-ratelimit-remaining") === "0") {
    const reset = Number(headers.get("x-ratelimit-reset")) * 1000 - Date.now();
    return Math.max(1000, Number.isFinite(reset) ? reset : PENALTY);
  }
  return status === 429 || /rate limit/i.test(text) ? PENALTY : undefined;
}

function address(url) {
  return `${url.origin}${url.pathname}`;
}

function excerpt(text) {
  try {
    const { detail, message, title } = JSON.parse(text);
    return detail ?? message ?? title ?? "no reason";
  } catch {
    return text.trim().slice(0, 200) || "nothing";
  }
}
