import { expect, test } from "@playwright/test";
import { generateEvidence } from "@aspora/browser-evidence";

test("the portfolio shows its value and its holdings", async ({ page }) => {
  const evidence = await generateEvidence({
    flow: "portfolio-view",
    entrypoint: "/dashboard/portfolio",
    requiredIdentity: "priya@aspora.com",
    assertions: ["portfolio_value_displayed", "holdings_table_rendered"],
    page,
  });
  await page.goto("/dashboard/portfolio");
  await expect(page.getByTestId("user-email")).toHaveText("priya@aspora.com");
  await evidence.check("portfolio_value_displayed", () =>
    expect(page.getByTestId("portfolio-total-value")).toHaveText("15,45,000"),
  );
  await evidence.check("holdings_table_rendered", () =>
    expect(page.getByTestId("holdings-table").locator("tbody tr")).toHaveText([/NIFTYBEES/, /INFY/, /GOLDBEES/]),
  );
  await evidence.save();
});
