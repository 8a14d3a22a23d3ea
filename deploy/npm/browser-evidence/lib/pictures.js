// The screenshots of a test, as files of the evidence.
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { folder } from "./folder.js";
import { sha256 } from "./manifest.js";

/** A time in milliseconds, as `Date.now()` puts it into a name. */
const TIME = /\d{13}/;

/** The files that a test names, or one of the page as it is; each is in the folder of the evidence then. */
export async function pictures(named, page, seen, flow) {
  mkdirSync(folder, { recursive: true });
  const found = named.map((name) => find(name, seen));
  if (found.length === 0) found.push(await picture(page, flow));
  return found.map((path) => described(kept(path, flow)));
}

function find(name, seen) {
  const places = [resolve(folder, name), resolve(name)];
  const place = places.find((path) => existsSync(path)) ?? sameButForTheTime(name, seen);
  if (!place) throw new Error(`there is no screenshot ${name}: neither in ${folder}, nor from here, nor taken by this test`);
  return place;
}

// `Date.now()` once for the file and once for its name gives two names.
function sameButForTheTime(name, seen) {
  const shape = (path) => basename(path).replace(TIME, "*");
  const at = (path) => Number(TIME.exec(basename(path))?.[0]);
  if (!TIME.test(basename(name))) return undefined;
  const alike = seen.pictures.map(({ path }) => path).filter((path) => shape(path) === shape(name) && existsSync(path));
  return alike.sort((a, b) => Math.abs(at(a) - at(name)) - Math.abs(at(b) - at(name)))[0];
}

async function picture(page, flow) {
  const image = await page.screenshot({ fullPage: true });
  const path = join(folder, `${flow}-${sha256(image).slice(0, 12)}.png`);
  writeFileSync(path, image);
  return path;
}

function kept(path, flow) {
  if (dirname(path) === folder && /^[\w.-]+$/.test(basename(path))) return path;
  const copy = join(folder, `${flow}-${sha256(readFileSync(path)).slice(0, 12)}.png`);
  copyFileSync(path, copy);
  return copy;
}

/** A file with its hash and size. */
export function described(path) {
  const bytes = readFileSync(path);
  return { path: basename(path), sha256: sha256(bytes), bytes: bytes.length };
}
