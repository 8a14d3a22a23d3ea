// Whether a workflow runs on an event. docs.github.com "Workflow syntax for GitHub Actions": on.<event>.types, branches,
// tags and paths, and the filter patterns.

// The activity types that start a workflow which names none; every type starts one of the other events.
const DEFAULT_TYPES = { pull_request: ["opened", "synchronize", "reopened"], pull_request_target: ["opened", "synchronize", "reopened"] };

/** Whether the workflow runs; `changed` are the paths of the change, which filters by path need. */
export function triggers(on, { event_name, event, ref, base_ref }, changed) {
  if (typeof on === "string" || Array.isArray(on)) return [on].flat().includes(event_name) && ofType(DEFAULT_TYPES[event_name], event);
  if (!(event_name in on)) return false;
  const filter = on[event_name] ?? {};
  if (!ofType(filter.types ?? DEFAULT_TYPES[event_name], event)) return false;
  if (filter.workflows && ![filter.workflows].flat().includes(event.workflow_run?.name)) return false;
  return ofRef(filter, event_name, ref ?? "", base_ref, event) && ofPaths(filter, changed);
}

function ofType(types, event) {
  return !types || !event.action || [types].flat().includes(event.action);
}

function ofRef(filter, event_name, ref, base, event) {
  if (event_name === "workflow_run") return fits(filter, "branches", event.workflow_run.head_branch);
  if (event_name !== "push") return fits(filter, "branches", base);
  if (ref.startsWith("refs/tags/")) {
    // A filter of branches alone leaves tags out, and the other way around.
    const only = (filter.branches || filter["branches-ignore"]) && !filter.tags && !filter["tags-ignore"];
    return !only && fits(filter, "tags", ref.slice("refs/tags/".length));
  }
  const only = (filter.tags || filter["tags-ignore"]) && !filter.branches && !filter["branches-ignore"];
  return !only && fits(filter, "branches", ref.slice("refs/heads/".length));
}

function ofPaths(filter, changed) {
  if (!filter.paths && !filter["paths-ignore"]) return true;
  if (!changed) throw new Error("a filter by path needs the paths that changed");
  return changed.some((path) => fits(filter, "paths", path));
}

// Whether a name passes a filter and its opposite: the last pattern that fits decides.
function fits(filter, name, value) {
  const [wanted, ignored] = [filter[name], filter[`${name}-ignore`]];
  if (ignored && [ignored].flat().some((pattern) => expression(pattern).test(value))) return false;
  if (!wanted) return true;
  return [wanted].flat().reduce((held, pattern) => {
    const negative = pattern.startsWith("!");
    return expression(negative ? pattern.slice(1) : pattern).test(value) ? !negative : held;
  }, false);
}

// A pattern: `*` within a segment, `**` across, `?` and `+` for the character before, `[]` a set, `\` takes the next literally.
function expression(pattern) {
  const parts = pattern.match(/\*\*\/|\*\*|\*|\\.|\[[^\]]*\]|[?+]|[^]/g) ?? [];
  const special = { "**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "?", "+": "+" };
  const one = (part) => special[part] ?? (part.startsWith("[") && part.length > 1 ? part : part.replace(/^\\(?=.)/, "").replace(/[.*+?^${}()|[\]\\/]/g, "\\$&"));
  return new RegExp(`^${parts.map(one).join("")}$`);
}
