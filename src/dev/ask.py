"""Starts a product's service, sends it requests one after the other, and prints the answers as `ANSWERS [{"status", "body"}]`.

It runs inside the sandbox, over a network with nothing else in it, and isolated from the product's own modules.
Usage: python3 -I -c <this> '[{"method", "path", "body"}]'
"""

import ctypes
import http.client
import json
import pathlib
import socket
import subprocess
import sys
import time

LOG = pathlib.Path("/tmp/service.log")
MOST_BODY = 1 << 20
PR_SET_DUMPABLE = 4


def main(requests):
    # The service runs as the same user: it may neither trace this process nor write to its output.
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with LOG.open("wb") as log:
        service = subprocess.Popen(command(port), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        await_service(service, port)
        answers = [ask(port, request) for request in json.loads(requests)]
    finally:
        service.kill()
        service.wait()
    print("\nANSWERS " + json.dumps(answers), flush=True)


def command(port):
    # A product that serves by a command of its own is compiled by it, perhaps.
    if pathlib.Path("scripts/serve").exists():
        return ["sh", "scripts/serve", str(port)]
    return [sys.executable, "service.py", "--port", str(port)]


def await_service(service, port):
    for _ in range(1200):
        if service.poll() is not None:
            raise SystemExit(f"the service ended with {service.returncode}:\n" + LOG.read_text()[-2000:])
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the service did not listen within a minute")


def ask(port, request):
    body, headers = None, {}
    if request.get("body") is not None:
        body, headers = json.dumps(request["body"]), {"Content-Type": "application/json"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(request["method"], request["path"], body=body, headers=headers)
        answer = connection.getresponse()
        return {"status": answer.status, "body": answer.read(MOST_BODY).decode("utf-8", "replace")}
    finally:
        connection.close()


main(*sys.argv[1:])
