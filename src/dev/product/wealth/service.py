"""The HTTP service: finds the handlers below api/v1 by their ROUTES tables and serves them as JSON."""

import argparse
import importlib
import json
import pkgutil
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import api.v1
from lib.http import HTTPException

BODY_LIMIT = 64 * 1024


def routes():
    """All routes of all modules below api/v1: {(method, path): handler}."""
    found = {}
    for module in pkgutil.walk_packages(api.v1.__path__, "api.v1."):
        found.update(getattr(importlib.import_module(module.name), "ROUTES", {}))
    return found


def answer(table, method, target, body=b""):
    """The status and the payload for one request."""
    url = urlsplit(target)
    handler = table.get((method, url.path))
    if handler is None:
        return 404, {"error": f"no route {method} {url.path}"}
    try:
        arguments = json.loads(body) if body else dict(parse_qsl(url.query))
        if not isinstance(arguments, dict):
            raise HTTPException(400, "The body must be a JSON object")
        return handler(arguments)
    except (json.JSONDecodeError, UnicodeDecodeError):
        return 400, {"error": "The body is not JSON"}
    except HTTPException as refusal:
        return refusal.status, {"error": refusal.detail}


def handler_for(table):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.reply(b"")

        def do_POST(self):
            length = int(self.headers.get("Content-Length") or 0)
            if length > BODY_LIMIT:
                self.send_error(413)
                return
            self.reply(self.rfile.read(length))

        def reply(self, body):
            status, payload = answer(table, self.command, self.path, body)
            content = json.dumps(payload).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return Handler


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free port")
    server = ThreadingHTTPServer(("127.0.0.1", parser.parse_args().port), handler_for(routes()))
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
