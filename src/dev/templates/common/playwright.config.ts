import { defineConfig } from "@playwright/test";

const port = Number(process.env.PORT ?? 8000);
const url = `http://127.0.0.1:${port}`;

export default defineConfig({
  testDir: "tests/browser",
  retries: 0,
  reporter: "list",
  use: {
    baseURL: url,
    // A browser of the system instead of the one that Playwright downloads.
    launchOptions: process.env.CHROMIUM ? { executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] } : {},
  },
  webServer: {
    command: `scripts/serve ${port}`,
    url: `${url}/healthz`,
    // A server that runs already may have other code.
    reuseExistingServer: false,
    timeout: 60_000,
  },
});
