// What the handlers of requests share.

const MOST_BODY = 1 << 20;

/** A request that is refused: its status, and why. */
export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** The JSON object in the body of a request. */
export async function bodyOf(request) {
  let text = "";
  for await (const part of request.setEncoding("utf8")) {
    text += part;
    if (text.length > MOST_BODY) throw new Refusal(400, "body: more than 1 MiB");
  }
  let body;
  try {
    body = JSON.parse(text);
  } catch (error) {
    throw new Refusal(400, `body: ${error.message}`);
  }
  if (typeof body !== "object" || body === null || Array.isArray(body)) throw new Refusal(400, "body: no JSON object");
  return body;
}
