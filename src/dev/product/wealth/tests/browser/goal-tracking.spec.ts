import { expect, test } from "@playwright/test";
import { generateEvidence } from "@aspora/browser-evidence";

test("a goal shows how far it is", async ({ page }) => {
  const evidence = await generateEvidence({
    flow: "goal-tracking",
    entrypoint: "/dashboard/goals",
    requiredIdentity: "priya@aspora.com",
    assertions: ["goal_progress_displayed"],
    page,
  });
  await page.goto("/dashboard/goals");
  await evidence.check("goal_progress_displayed", async () => {
    await expect(page.getByTestId("goals")).toContainText("₹ 12,50,000 of ₹ 50,00,000");
    await expect(page.getByRole("progressbar", { name: "House" })).toHaveAttribute("value", "1250000");
  });
  await evidence.save();
});
