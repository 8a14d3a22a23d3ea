// The page that the specs look at; what is wrong with it is in its address.
import { createServer } from "node:http";

const page = (script) => `<!doctype html>
<title>Portfolio</title>
<link rel="icon" href="data:,">
<p data-testid="user-email">priya@aspora.com</p>
<p data-testid="portfolio-total-value">15,45,000</p>
<script type="module">${script}</script>`;

const scripts = {
  prints: "console.error('no quotes today');",
  throws: "throw new Error('no quotes at all');",
  asks: "await fetch('/fails').catch(() => {});",
};

createServer((request, answer) => {
  const { pathname, searchParams } = new URL(request.url, "http://localhost:3000");
  if (pathname === "/old") return answer.writeHead(302, { location: "/dashboard/portfolio" }).end();
  if (pathname === "/fails") return answer.writeHead(500).end();
  const found = pathname.startsWith("/dashboard/");
  answer.writeHead(found ? 200 : 404, { "content-type": "text/html" });
  answer.end(page(scripts[searchParams.get("page")] ?? ""));
}).listen(3000, "localhost");
