import { expect, test } from "@playwright/test";
import { evidence } from "./evidence";

const user = "priya@aspora.com";

test("the overview shows the total and the entries of a user", async ({ page, request }) => {
  const entered = await request.post("/api/v1/entries", {
    data: { user_id: user, amount: 1250, note: "first deposit" },
  });
  expect(entered.status()).toBe(201);

  const shown = await evidence(page, { flow: "overview", entrypoint: "/", identity: user });
  const answer = await page.goto(`/?user_id=${encodeURIComponent(user)}`);
  await shown.check("expected_entrypoint_exists", async () => expect(answer?.status()).toBe(200));
  await shown.check("expected_account_identity_present", () =>
    expect(page.getByTestId("user-email")).toHaveText(user),
  );
  await shown.check("total_displayed", () => expect(page.getByTestId("total")).toHaveText(/^-?\d+$/));
  await shown.check("entries_rendered", () =>
    expect(page.getByTestId("entries")).toContainText("first deposit"),
  );
  await shown.save();
});
