// One test for each thing that the evidence must not believe, or must see by itself.
import { expect, test, type Page } from "@playwright/test";
import { generateEvidence } from "@aspora/browser-evidence";

const declared = { entrypoint: "/dashboard/portfolio", requiredIdentity: "priya@aspora.com", assertions: ["seen"], trace: false };
const passed = { assertions_passed: ["seen"] };

async function seen(page: Page, flow: string, address: string) {
  const evidence = await generateEvidence({ ...declared, flow });
  await page.goto(address);
  await page.waitForLoadState("networkidle");
  return evidence;
}

test("a page that prints an error", async ({ page }) => {
  const evidence = await seen(page, "prints", "/dashboard/portfolio?page=prints");
  await evidence.save({ assertions_passed: ["seen", "no_console_errors"] });
});

test("a page that throws", async ({ page }) => {
  await (await seen(page, "throws", "/dashboard/portfolio?page=throws")).save(passed);
});

test("a page whose request fails", async ({ page }) => {
  await (await seen(page, "asks", "/dashboard/portfolio?page=asks")).save(passed);
});

test("another page than the declared one", async ({ page }) => {
  await (await seen(page, "elsewhere", "/dashboard/goals")).save(passed);
});

test("a page that is not there", async ({ page }) => {
  await (await seen(page, "missing", "/nowhere")).save(passed);
});

test("a redirect that leads to the declared page", async ({ page }) => {
  await (await seen(page, "redirected", "/old")).save(passed);
});

test("an account that is not on the page", async ({ page }) => {
  const evidence = await generateEvidence({ ...declared, flow: "stranger", requiredIdentity: "noor@aspora.com" });
  await page.goto("/dashboard/portfolio");
  await evidence.save(passed);
});

test("an assertion that was forgotten", async ({ page }) => {
  await (await seen(page, "forgotten", "/dashboard/portfolio")).save({});
});

test("an assertion that was never declared", async ({ page }) => {
  await (await seen(page, "undeclared", "/dashboard/portfolio")).save({ assertions_passed: ["seen", "more"] });
});

test("a screenshot that was never taken", async ({ page }) => {
  await (await seen(page, "invented", "/dashboard/portfolio")).save({ ...passed, screenshots: ["invented.png"] });
});

test("a test that fails after it saved", async ({ page }) => {
  await (await seen(page, "late", "/dashboard/portfolio")).save(passed);
  expect(await page.title()).toBe("Goals");
});

test("a test that never saves", async ({ page }) => {
  await seen(page, "unsaved", "/dashboard/portfolio");
});

test("one of two tests of a flow", async ({ page }) => {
  await (await seen(page, "pair", "/dashboard/portfolio")).save(passed);
});

test("the other of them, which fails", async ({ page }) => {
  const evidence = await seen(page, "pair", "/dashboard/portfolio");
  await evidence.check("title_displayed", () => expect(page).toHaveTitle("Goals", { timeout: 100 }));
  await evidence.save(passed);
});

test("one of two tests that pass", async ({ page }) => {
  await (await seen(page, "twins", "/dashboard/portfolio")).save(passed);
});

test("the other of those", async ({ page }) => {
  const evidence = await seen(page, "twins", "/dashboard/portfolio");
  await page.screenshot({ path: "tests/shots/somewhere else.png" });
  await evidence.save({ ...passed, screenshots: ["tests/shots/somewhere else.png"] });
});
