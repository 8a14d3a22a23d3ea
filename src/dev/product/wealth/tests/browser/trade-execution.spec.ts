import { expect, test } from "@playwright/test";
import { generateEvidence } from "@aspora/browser-evidence";

test("a market order is filled", async ({ page }) => {
  const evidence = await generateEvidence({
    flow: "trade-execution",
    entrypoint: "/dashboard/trades",
    requiredIdentity: "priya@aspora.com",
    assertions: ["order_filled"],
    page,
  });
  await page.goto("/dashboard/trades");
  await page.getByTestId("symbol").selectOption("INFY");
  await page.getByTestId("quantity").fill("2");
  await page.getByTestId("place-order").click();
  await evidence.check("order_filled", () =>
    expect(page.getByTestId("order-status")).toHaveText("FILLED: 2 INFY for ₹ 3,000"),
  );
  await evidence.save();
});
