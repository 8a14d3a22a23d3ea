// /api/v1/entries: what a user entered, and the total of it.
import { Refusal } from "../../lib/http.js";
import { EntryService, Invalid } from "../../services/entry_service.js";

async function add({ pool, redis, body }) {
  const { user_id: userId, amount, note = "" } = body;
  const isText = (value, least, most) => typeof value === "string" && value.length >= least && value.length <= most;
  if (!isText(userId, 1, 254)) throw new Refusal(400, "user_id: 1 to 254 characters are needed");
  if (!Number.isSafeInteger(amount)) throw new Refusal(400, "amount: a whole number is needed");
  if (!isText(note, 0, 200)) throw new Refusal(400, "note: at most 200 characters");
  try {
    return [201, await new EntryService(pool, redis).add(userId, amount, note)];
  } catch (error) {
    throw error instanceof Invalid ? new Refusal(400, error.message) : error;
  }
}

async function entries({ pool, redis, query }) {
  const userId = query.get("user_id");
  if (!userId) throw new Refusal(400, "user_id: is missing");
  const service = new EntryService(pool, redis);
  return [200, { user_id: userId, total: await service.total(userId), entries: await service.newest(userId) }];
}

export const routes = { "POST /api/v1/entries": add, "GET /api/v1/entries": entries };
