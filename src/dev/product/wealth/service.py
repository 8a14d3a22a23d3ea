"""The HTTP service: the handlers below api/v1, found by their ROUTES tables, as JSON; and the pages of frontend/."""

import argparse
import importlib
import json
import mimetypes
import pathlib
import pkgutil
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import api.v1
from lib.http import HTTPException

BODY_LIMIT = 64 * 1024
FRONTEND = pathlib.Path(__file__).parent / "frontend"


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


def pages():
    """What a browser is served: {path: file}, each page below /dashboard and each file below /frontend."""
    files = [file for file in FRONTEND.iterdir() if file.is_file()]
    served = {f"/dashboard/{file.stem}": file for file in files if file.suffix == ".html"}
    return served | {f"/frontend/{file.name}": file for file in files if file.suffix != ".html"}


def handler_for(table):
    shown = pages()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            file = shown.get(urlsplit(self.path).path)
            if file is None:
                self.reply(b"")
            else:
                self.send(200, mimetypes.guess_type(file.name)[0], file.read_bytes())

        def do_POST(self):
            length = int(self.headers.get("Content-Length") or 0)
            if length > BODY_LIMIT:
                self.send_error(413)
                return
            self.reply(self.rfile.read(length))

        def reply(self, body):
            status, payload = answer(table, self.command, self.path, body)
            self.send(status, "application/json", json.dumps(payload).encode())

        def send(self, status, kind, content):
            self.send_response(status)
            self.send_header("Content-Type", kind)
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
