import { at, call, rupees } from "/frontend/wealth.js";

for (const { name, target, saved } of (await call("/api/v1/goals")).goals) {
  const item = document.createElement("li");
  const bar = Object.assign(document.createElement("progress"), { max: target, value: saved });
  bar.setAttribute("aria-label", name);
  item.append(name, bar, `₹ ${rupees(saved)} of ₹ ${rupees(target)}`);
  at("goals").append(item);
}
