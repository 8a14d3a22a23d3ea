import { at, call, rupees } from "/frontend/wealth.js";

const portfolio = await call("/api/v1/portfolio");
at("portfolio-total-value").textContent = portfolio.shown;
for (const { symbol, quantity, value } of portfolio.positions) {
  const row = at("holdings-table").tBodies[0].insertRow();
  for (const text of [symbol, String(quantity), rupees(value)]) row.insertCell().textContent = text;
}
