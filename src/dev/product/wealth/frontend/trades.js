import { at, call, rupees } from "/frontend/wealth.js";

const { positions } = await call("/api/v1/portfolio");
at("symbol").append(...positions.map(({ symbol }) => new Option(symbol)));
at("order").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = new FormData(event.target);
  const order = { symbol: form.get("symbol"), quantity: Number(form.get("quantity")) };
  try {
    const fill = await call("/api/v1/trades", order);
    at("order-status").textContent = `${fill.status}: ${fill.quantity} ${fill.symbol} for ₹ ${rupees(fill.amount)}`;
  } catch (refusal) {
    at("order-status").textContent = refusal.message;
  }
});
