import { expect, test } from "@playwright/test";
import { generateEvidence } from "@aspora/browser-evidence";

const user = "priya@aspora.com";

test("the overview shows the total and the entries of a user", async ({ page, request }) => {
  const entered = await request.post("/api/v1/entries", {
    data: { user_id: user, amount: 1250, note: "first deposit" },
  });
  expect(entered.status()).toBe(201);

  const evidence = await generateEvidence({
    flow: "overview",
    entrypoint: "/",
    requiredIdentity: user,
    assertions: ["total_displayed", "entries_rendered"],
    page,
  });
  await page.goto(`/?user_id=${encodeURIComponent(user)}`);
  await evidence.check("total_displayed", () => expect(page.getByTestId("total")).toHaveText(/^-?\d+$/));
  await evidence.check("entries_rendered", () => expect(page.getByTestId("entries")).toContainText("first deposit"));
  await evidence.save();
});
