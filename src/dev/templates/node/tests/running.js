// The whole service on the database and the cache that the environment names, with no entry stored.
import { createClient } from "redis";
import { start } from "../service.js";

export const USER = "priya@aspora.com";

export async function running() {
  const service = await start({ port: 0 });
  await service.pool.query("truncate entry restart identity");
  await service.redis.flushDb();
  const ask = async (path, body) => {
    const post = { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body) };
    const answer = await fetch(service.url + path, body === undefined ? {} : post);
    const text = await answer.text();
    return [answer.status, answer.headers.get("content-type") === "application/json" ? JSON.parse(text) : text];
  };
  return { ...service, ask };
}

// A client whose cache does not answer.
export const lost = () => createClient({ url: "redis://127.0.0.1:1", disableOfflineQueue: true });
