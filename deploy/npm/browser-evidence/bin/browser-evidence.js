#!/usr/bin/env node
// Sends the evidence of a folder to Aspora, which verifies it and answers with what it found; or packs it into a file, for a job
// that sends it with a key that the tests do not see.
//
//   browser-evidence send --url https://aspora.example --repository OWNER/NAME [--run ID] [FOLDER | FILE]
//   browser-evidence pack FILE [FOLDER]
//
// ASPORA_API_KEY is the key of an agent, HEAD_SHA the commit (else the one that is checked out). Exit codes: 0 done and verified,
// 1 not done, 2 usage, 3 not verified.
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { folder } from "../lib/folder.js";
import { head } from "../lib/head.js";

const USAGE = "browser-evidence send --url URL --repository OWNER/NAME [--run ID] [FOLDER | FILE], or pack FILE [FOLDER]";

class Refused extends Error {}

function asked() {
  const text = { type: "string" };
  const { values, positionals } = parseArgs({ options: { url: text, repository: text, run: text }, allowPositionals: true });
  const [command, ...places] = positionals;
  if (command === "pack" && (places.length === 1 || places.length === 2)) return { command, file: places[0], place: places[1] ?? folder };
  if (command !== "send" || places.length > 1) throw new Refused(USAGE);
  for (const name of ["url", "repository"]) {
    if (!values[name]) throw new Refused(`--${name} is missing: ${USAGE}`);
  }
  if (!process.env.ASPORA_API_KEY) throw new Refused("ASPORA_API_KEY is not set: it is the key of an agent");
  return { command, ...values, place: places[0] ?? folder };
}

// What was packed already, or is in a folder.
function packed(place) {
  if (existsSync(place) && statSync(place).isFile()) return JSON.parse(readFileSync(place, "utf8"));
  return { head_sha: head(), ...evidence(place) };
}

function evidence(place) {
  const names = existsSync(place) ? readdirSync(place).filter((name) => name.endsWith(".manifest.json")).sort() : [];
  if (names.length === 0) throw new Refused(`${place} has no *.manifest.json`);
  const manifests = names.map((name) => JSON.parse(readFileSync(join(place, name), "utf8")));
  const paths = new Set(manifests.flatMap((it) => it.screenshots ?? []).map(({ path }) => path));
  const there = [...paths].filter((path) => /^[\w.-]+$/.test(path) && existsSync(join(place, path)));
  const files = there.map((path) => ({ path, content: readFileSync(join(place, path)).toString("base64") }));
  return { manifests, files };
}

async function send({ url, repository, run, place }) {
  const body = JSON.stringify({ ...packed(place), repository, ...(run && { run }) });
  const answer = await fetch(new URL("/api/v1/evidence", url), {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${process.env.ASPORA_API_KEY}` },
    body,
  });
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(`Aspora refused the evidence with ${answer.status}: ${said.detail ?? said.title ?? "no reason"}`);
  for (const { flow, verified, faults } of said.flows) console.log(`${flow}: ${verified ? "verified" : faults.join("; ")}`);
  for (const flow of said.missing ?? []) console.log(`${flow}: no evidence`);
  return said.conclusion === "success" ? 0 : 3;
}

try {
  const { command, ...given } = asked();
  if (command === "pack") writeFileSync(given.file, JSON.stringify(packed(given.place)));
  else process.exitCode = await send(given);
} catch (error) {
  console.error(`browser-evidence: ${error.message}`);
  process.exitCode = error instanceof Refused || error.code?.startsWith("ERR_PARSE_ARGS") ? 2 : 1;
}
