// The product's Redis. It may be gone at any time: reading then finds nothing, and writing does nothing.
import { createClient } from "redis";
import { required } from "./settings.js";

/** A client, which connects again by itself; `destroy` ends it. */
export async function connect(url = required("REDIS_URL")) {
  const socket = url.startsWith("unix://") ? { path: url.slice("unix://".length) } : undefined;
  const client = createClient({ ...(socket ? { socket } : { url }), disableOfflineQueue: true });
  client.on("error", (error) => console.warn("the cache did not answer:", error.message));
  // Without a cache the service starts too.
  await Promise.race([client.connect(), new Promise((late) => setTimeout(late, 2_000).unref())]);
  return client;
}

/** Fails if the cache does not answer. */
export async function ping(client) {
  await client.ping();
}

/** What is stored at a key, or null. */
export const read = (client, key) => attempt(() => client.get(key));

/** Stores a value for a while. */
export const write = (client, key, value, seconds) => attempt(() => client.set(key, value, { EX: seconds }));

/** Removes what is stored at a key. */
export const forget = (client, key) => attempt(() => client.del(key));

async function attempt(act) {
  try {
    return await act();
  } catch (error) {
    console.warn("the cache did not answer:", error.message);
    return null;
  }
}
