// Shows the entries of the user that the address names: /?user_id=priya@aspora.com
const user = new URLSearchParams(location.search).get("user_id") ?? "";
const at = (id) => document.querySelector(`[data-testid="${id}"]`);

const answer = await fetch(`/api/v1/entries?${new URLSearchParams({ user_id: user })}`);
const shown = await answer.json();
at("user-email").textContent = shown.user_id ?? user;
at("total").textContent = answer.ok ? String(shown.total) : shown.error;
for (const entry of shown.entries ?? []) {
  const row = at("entries").querySelector("tbody").insertRow();
  row.insertCell().textContent = String(entry.amount);
  row.insertCell().textContent = entry.note;
}
