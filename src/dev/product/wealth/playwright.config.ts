import { defineConfig } from "@playwright/test";

const url = "http://localhost:3000";

export default defineConfig({
  testDir: "tests/browser",
  outputDir: "tests/evidence/.failed",
  retries: 0,
  reporter: "list",
  use: {
    baseURL: url,
    // A browser of the system instead of the one that Playwright downloads.
    launchOptions: process.env.CHROMIUM ? { executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] } : {},
  },
  // A server that runs already may have other code.
  webServer: { command: "python3 service.py --port 3000", url: `${url}/dashboard/portfolio`, reuseExistingServer: false },
});
