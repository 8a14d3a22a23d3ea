"use strict";
// Re-fetches what the server renders when the history grows. Every page is complete without it.
(() => {
  const LEAST_MS = 400;
  const KINDS = ["message", "started", "answered", "parked", "signalled", "woken", "failed", "stranded", "exhausted",
    "forked", "paused", "resumed", "cancelled", "hurried", "skipped", "retried_from"];
  const state = document.getElementById("link-state");
  let area = document.getElementById("live");
  if (!area || area.hasAttribute("data-over")) return;

  const every = Number(area.dataset.every);
  let source = null;
  let busy = false;
  let again = false;
  let last = 0;
  let timer = 0;
  let beat = 0;

  const say = (word) => {
    if (state.textContent === word) return;
    state.hidden = false;
    state.className = word;
    state.textContent = word;
  };

  const stop = () => {
    if (source) source.close();
    clearInterval(beat);
    say("ended");
  };

  // What a person has opened, focused or scrolled sideways stays as it is.
  const swap = (next) => {
    for (const fold of area.querySelectorAll("details[open][id]")) {
      next.querySelector("#" + CSS.escape(fold.id))?.setAttribute("open", "");
    }
    const scrolled = [...area.querySelectorAll(".scroll")].map((it) => [it.getAttribute("aria-label"), it.scrollLeft]);
    const focus = area.contains(document.activeElement) ? document.activeElement : null;
    const index = focus ? [...area.querySelectorAll("a, summary, [tabindex]")].indexOf(focus) : -1;
    area.replaceWith(next);
    area = next;
    for (const it of area.querySelectorAll(".scroll")) {
      const was = scrolled.find(([label]) => label === it.getAttribute("aria-label"));
      if (was) it.scrollLeft = was[1];
    }
    if (index >= 0) area.querySelectorAll("a, summary, [tabindex]")[index]?.focus({ preventScroll: true });
  };

  const refresh = async () => {
    if (busy) { again = true; return; }
    busy = true;
    last = Date.now();
    try {
      const address = new URL(location.href);
      address.searchParams.set("fragment", "1");
      const answer = await fetch(address, { headers: { accept: "text/html" } });
      if (!answer.ok) throw new Error(String(answer.status));
      const next = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
      const writes = [...area.querySelectorAll(".control input[name=reason]")].some((it) => it.value);
      if (next && !writes && !(window.getSelection()?.toString())) swap(next);
      say("live");
      if (area.hasAttribute("data-over")) stop();
    } catch {
      say("reconnecting");
    }
    busy = false;
    if (again) { again = false; soon(); }
  };

  const soon = () => {
    if (timer) return;
    const wait = Math.max(0, last + LEAST_MS - Date.now());
    timer = setTimeout(() => { timer = 0; refresh(); }, wait);
  };

  // An attempt that begins makes no event: a slow timer shows it, and also replaces a lost stream.
  beat = setInterval(() => { if (!document.hidden) soon(); }, every);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) soon(); });

  if (area.dataset.events && window.EventSource) {
    source = new EventSource(area.dataset.events);
    source.onopen = () => say("live");
    source.onerror = () => say("reconnecting");
    for (const kind of KINDS) source.addEventListener(kind, soon);
  } else {
    say("live");
  }
})();
