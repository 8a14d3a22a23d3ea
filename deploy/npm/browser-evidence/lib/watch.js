// Watches the pages of tests from before their first navigation: what they load, print, and picture.
//
// A test that only hands over the name of its flow opens its page before it asks for evidence, so the browser is watched from its
// start. That works where this module is loaded before the browser starts, which it is when a spec or the configuration imports it.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { chromium, firefox, webkit } from "@playwright/test";

const KEY = Symbol.for("aspora.browser-evidence");
/** What is kept of one page at most, so that a page that prints without an end does not fill the memory. */
const MOST_LINES = 200;
const LONGEST = 2_000;

// One state for the process, even if this module is loaded twice.
const state = (globalThis[KEY] ??= { seen: new WeakMap(), last: undefined });

for (const type of [chromium, firefox, webkit]) {
  if (type[KEY]) continue;
  type[KEY] = true;
  const launch = type.launch.bind(type);
  type.launch = async (...given) => watchBrowser(await launch(...given));
}

function watchBrowser(browser) {
  const open = browser.newContext.bind(browser);
  browser.newContext = async (...given) => {
    const context = await open(...given);
    context.on("page", watch);
    return context;
  };
  return browser;
}

/** What was seen of a page, from the first call on. */
export function watch(page) {
  let seen = state.seen.get(page);
  if (!seen) {
    seen = { entrypoint: null, errors: [], failedRequests: [], pictures: [] };
    state.seen.set(page, seen);
    listen(page, seen);
  }
  state.last = page;
  return seen;
}

/** The page that was opened last and is open still. */
export function lastPage() {
  return state.last?.isClosed() ? undefined : state.last;
}

function listen(page, seen) {
  const keep = (list, text) => list.length < MOST_LINES && list.push(text.slice(0, LONGEST));
  page.on("console", (message) => message.type() === "error" && keep(seen.errors, message.text()));
  page.on("pageerror", (error) => keep(seen.errors, String(error)));
  page.on("requestfailed", (request) => {
    const why = request.failure()?.errorText ?? "failed";
    // A page that is left ends its own requests.
    if (why !== "net::ERR_ABORTED") keep(seen.failedRequests, `${line(request)}: ${why}`);
  });
  page.on("response", (response) => {
    const request = response.request();
    if (response.status() >= 500) keep(seen.failedRequests, `${line(request)}: ${response.status()}`);
    const isPage = request.isNavigationRequest() && request.frame() === page.mainFrame();
    // What a redirect leads to is the page, and an error page is none.
    if (isPage && response.ok()) seen.entrypoint ??= pathOf(response.url());
  });
  const screenshot = page.screenshot.bind(page);
  page.screenshot = async (options) => {
    const image = await screenshot(options);
    if (options?.path) seen.pictures.push({ path: resolve(options.path), image: readFileSync(options.path) });
    return image;
  };
}

function line(request) {
  return `${request.method()} ${pathOf(request.url())}`;
}

function pathOf(address) {
  const { pathname, search } = new URL(address);
  return pathname + search;
}
