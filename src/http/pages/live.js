"use strict";
// Follows what the server renders: an event, or a slow timer, fetches the panels that have changed, and only the nodes
// in them that differ are replaced. Every page is complete without this script.
(() => {
  // How much of its limit a field holds, as the server counts it.
  const size = ({ value, dataset }) => {
    const text = value.trim();
    return dataset.unit === "bytes" ? new TextEncoder().encode(text).length : [...text].length;
  };
  document.addEventListener("input", ({ target }) => {
    const limit = Number(target.dataset.limit);
    const count = document.getElementById(target.id + "-count");
    if (!limit || !count) return;
    const used = size(target);
    count.className = used > limit ? "error" : "";
    count.textContent = used + " of " + limit + ". ";
  });
})();

(() => {
  const LEAST_MS = 250;
  const ELEMENT = 1;
  const state = document.getElementById("link-state");
  const area = document.getElementById("live");
  if (!area || area.hasAttribute("data-over")) return;

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
    clearTimeout(beat);
    say("ended");
  };

  // What a person has opened stays open; what a person has typed or chosen is no attribute, so it stays too.
  const dress = (now, next) => {
    for (const { name } of [...now.attributes]) {
      if (!next.hasAttribute(name) && name !== "open") now.removeAttribute(name);
    }
    for (const { name, value } of next.attributes) {
      if (now.getAttribute(name) !== value) now.setAttribute(name, value);
    }
  };

  // Makes `now` like `next`. Children are matched by id, the others by their place.
  const patch = (now, next) => {
    if (now.isEqualNode(next)) return;
    if (now.nodeName !== next.nodeName) { now.replaceWith(next); return; }
    if (now.nodeType !== ELEMENT) { now.nodeValue = next.nodeValue; return; }
    dress(now, next);
    const known = new Map([...now.children].filter((it) => it.id).map((it) => [it.id, it]));
    let at = now.firstChild;
    for (const child of [...next.childNodes]) {
      const same = child.id ? known.get(child.id) : undefined;
      if (same) {
        if (same === at) at = at.nextSibling; else now.insertBefore(same, at);
        patch(same, child);
      } else if (at && !at.id && !child.id && at.nodeName === child.nodeName) {
        const was = at;
        at = at.nextSibling;
        patch(was, child);
      } else {
        now.insertBefore(child, at);
      }
    }
    while (at) {
      const gone = at;
      at = at.nextSibling;
      gone.remove();
    }
  };

  const panels = () => [...area.querySelectorAll(":scope > .panel")];

  const update = (next) => {
    for (const panel of next.querySelectorAll(":scope > .panel:not([data-same])")) {
      const now = document.getElementById(panel.id);
      if (now) patch(now, panel); else area.append(panel);
    }
    area.dataset.every = next.dataset.every;
    if (next.hasAttribute("data-over")) stop();
  };

  const refresh = async () => {
    if (busy) { again = true; return; }
    busy = true;
    last = Date.now();
    try {
      const address = new URL(location.href);
      address.searchParams.set("fragment", "1");
      address.searchParams.set("have", panels().map((it) => it.dataset.name + "." + it.dataset.digest).join("~"));
      const answer = await fetch(address, { headers: { accept: "text/html" } });
      if (!answer.ok) throw new Error(String(answer.status));
      const next = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
      say("live");
      if (next) update(next);
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
  const tick = () => {
    beat = setTimeout(() => { if (!document.hidden) soon(); tick(); }, Number(area.dataset.every));
  };
  tick();
  document.addEventListener("visibilitychange", () => { if (!document.hidden) soon(); });

  if (area.dataset.events && window.EventSource) {
    source = new EventSource(area.dataset.events);
    source.onopen = () => say("live");
    source.onerror = () => say("reconnecting");
    for (const kind of area.dataset.kinds.split(" ")) source.addEventListener(kind, soon);
  } else {
    say("live");
  }
})();
