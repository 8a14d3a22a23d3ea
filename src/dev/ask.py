"""Starts a product's service, sends it one request, and prints the answer as `ANSWER {"status", "body"}`.

It runs inside the sandbox, over a network with nothing else in it, and isolated from the product's own modules.
Usage: python3 -I -c <this> <method> <path> <body>
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


def main(method, path, body):
    # The service runs as the same user: it may neither trace this process nor write to its output.
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with LOG.open("wb") as log:
        service = subprocess.Popen(
            [sys.executable, "service.py", "--port", str(port)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )
    try:
        answer = ask(service, port, method, path, body)
    finally:
        service.kill()
        service.wait()
    print("\nANSWER " + json.dumps(answer), flush=True)


def ask(service, port, method, path, body):
    for _ in range(200):
        if service.poll() is not None:
            raise SystemExit(f"service.py ended with {service.returncode}:\n" + LOG.read_text()[-2000:])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request(method, path, body=body, headers={"Content-Type": "application/json"})
            answer = connection.getresponse()
            return {"status": answer.status, "body": answer.read(MOST_BODY).decode("utf-8", "replace")}
        except ConnectionRefusedError:
            time.sleep(0.05)
        finally:
            connection.close()
    raise SystemExit("service.py did not listen within 10 seconds")


main(*sys.argv[1:])
