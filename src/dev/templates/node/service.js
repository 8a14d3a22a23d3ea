// The product's service: node service.js --port 8000. It serves every route that a module in api/v1 exports, and the
// page in frontend.
import { readdir, readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { parseArgs } from "node:util";
import * as cache from "./lib/cache.js";
import * as database from "./lib/database.js";
import { Refusal, bodyOf } from "./lib/http.js";

const API = new URL("./api/v1/", import.meta.url);
const PAGES = {
  "GET /": ["frontend/index.html", "text/html; charset=utf-8"],
  "GET /frontend/app.js": ["frontend/app.js", "text/javascript; charset=utf-8"],
};

/** Opens database and cache, migrates, and listens; `stop` ends all of it. */
export async function start({ port, host = "127.0.0.1" }) {
  const pool = database.open();
  const redis = await cache.connect();
  await database.migrate(pool);
  const routes = await findRoutes();
  const server = createServer((request, response) => answer({ routes, pool, redis }, request, response));
  await new Promise((listening) => server.listen(port, host, listening));
  const stop = async () => {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
    await pool.end();
    redis.destroy();
  };
  return { url: `http://${host}:${server.address().port}`, pool, redis, stop };
}

async function findRoutes() {
  const files = (await readdir(API)).filter((name) => name.endsWith(".js"));
  const modules = await Promise.all(files.map((name) => import(new URL(name, API))));
  return Object.assign({}, ...modules.map((module) => module.routes));
}

async function answer({ routes, pool, redis }, request, response) {
  const { pathname, searchParams } = new URL(request.url, "http://product");
  const name = `${request.method} ${pathname}`;
  try {
    if (PAGES[name]) return await page(PAGES[name], response);
    if (!Object.hasOwn(routes, name)) throw new Refusal(404, "there is nothing here");
    const body = request.method === "POST" ? await bodyOf(request) : undefined;
    const [status, payload] = await routes[name]({ pool, redis, query: searchParams, body });
    send(response, status, payload);
  } catch (error) {
    if (!(error instanceof Refusal)) console.error(error);
    send(response, error.status ?? 500, { error: error.status ? error.message : "internal error" });
  }
}

async function page([path, type], response) {
  const text = await readFile(new URL(path, import.meta.url));
  response.writeHead(200, { "content-type": type }).end(text);
}

function send(response, status, payload) {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(payload));
}

/** Serves until it is stopped. */
export async function main(args) {
  const options = { port: { type: "string", default: "8000" }, host: { type: "string", default: "127.0.0.1" } };
  const { values } = parseArgs({ args, options });
  const service = await start({ port: Number(values.port), host: values.host });
  console.log(`serving on ${service.url}`);
  return service;
}

/* c8 ignore next */
if (process.argv[1] === import.meta.filename) await main(process.argv.slice(2));
