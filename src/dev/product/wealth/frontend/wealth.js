// What every page has: the customer, the way between pages, and calls of the API.

// There is no sign-in here: the address may name a customer, and this one is shown otherwise.
export const user = new URLSearchParams(location.search).get("user_id") ?? "priya@aspora.com";

export const at = (id) => document.querySelector(`[data-testid="${id}"]`);
export const rupees = (amount) => amount.toLocaleString("en-IN");

export async function call(path, body) {
  const sent = body && { method: "POST", body: JSON.stringify({ user_id: user, ...body }) };
  const answer = await fetch(body ? path : `${path}?${new URLSearchParams({ user_id: user })}`, sent);
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.error);
  return said;
}

const pages = { portfolio: "Portfolio", trades: "Trade", goals: "Goals" };
const nav = document.createElement("nav");
for (const [path, title] of Object.entries(pages)) {
  const link = Object.assign(document.createElement("a"), { href: `/dashboard/${path}${location.search}`, textContent: title });
  if (location.pathname === `/dashboard/${path}`) link.setAttribute("aria-current", "page");
  nav.append(link);
}
const who = Object.assign(document.createElement("span"), { textContent: user });
who.dataset.testid = "user-email";
document.querySelector("#header").append(nav, who);
