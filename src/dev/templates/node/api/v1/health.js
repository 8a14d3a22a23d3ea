// GET /healthz: whether the service can do its work.
import * as cache from "../../lib/cache.js";
import * as database from "../../lib/database.js";

async function health({ pool, redis }) {
  try {
    await database.ping(pool);
    await cache.ping(redis);
    return [200, { status: "ok" }];
  } catch (error) {
    return [503, { error: error.name }];
  }
}

export const routes = { "GET /healthz": health };
