// The command line `gh` speaks TLS to github.com alone, except through a socket of this machine (`http_unix_socket` of its
// configuration). This is that socket: it passes each request on to the forge of the workflow.

import { createServer, request } from "node:http";
import { join } from "node:path";

/** Serves `gh` until it is closed; nothing where the workflow has no forge. */
export async function serveGh(forge, folder) {
  if (!forge) return undefined;
  const socket = join(folder, "gh.sock");
  const server = createServer((asked, answer) => {
    const { method, headers } = asked;
    const { host: _, ...kept } = headers;
    // What the forge links to, `gh` asks for by the whole address.
    const path = asked.url.replace(forge, "");
    const passed = request(`${forge}${path}`, { method, headers: kept }, (got) => {
      answer.writeHead(got.statusCode, got.headers);
      got.pipe(answer);
    });
    passed.on("error", (error) => answer.writeHead(502).end(error.message));
    asked.pipe(passed);
  });
  await new Promise((resolve, reject) => server.on("error", reject).listen(socket, resolve));
  return { socket, close: () => server.close() };
}
