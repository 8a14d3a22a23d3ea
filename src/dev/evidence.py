"""Calls a product's service for each of its flows and prints a manifest of the answers.

It runs inside the sandbox, over a network with nothing else in it, as a stand-in for a browser:
it sees status codes and text, but no images and no scripts. It is isolated from the product's own modules.
Usage: python3 -I -c <this> <head sha>
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


def main(head_sha):
    # The service runs as the same user: it may neither trace this process nor write to its output.
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    wanted = json.loads(pathlib.Path("tests/evidence/flows.json").read_text(encoding="utf-8"))
    if not isinstance(wanted, list) or not wanted:
        raise SystemExit("tests/evidence/flows.json lists no flow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with LOG.open("wb") as log:
        service = subprocess.Popen(
            command(port),
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )
    try:
        await_service(service, port)
        manifests = {}
        for step in wanted:
            observe(manifests, step, port, head_sha)
    finally:
        service.kill()
        service.wait()
    quiet = "Traceback" not in LOG.read_text(encoding="utf-8", errors="replace")
    for manifest in manifests.values():
        manifest["assertions"].append({"name": "no_console_errors", "passed": quiet})
        if not quiet:
            manifest["console_errors"].append("the service wrote a traceback")
    print("\nMANIFESTS " + json.dumps(list(manifests.values()), sort_keys=True), flush=True)


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


def observe(manifests, step, port, head_sha):
    path = step["path"]
    manifest = manifests.setdefault(step["flow"], {
        "version": 1, "stand_in": True, "flow": step["flow"], "entrypoint": path,
        "identity": step.get("identity"), "head_sha": head_sha,
        "captured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "assertions": [], "screenshots": [], "console_errors": [],
    })
    status, body = ask(port, step.get("method", "GET"), path, step.get("body"))
    passed = {"expected_entrypoint_exists": status == step.get("expect_status", 200)}
    if step.get("identity"):
        passed["expected_account_identity_present"] = step["identity"] in body
    for expected in step.get("expect_contains", []):
        named = expected if isinstance(expected, dict) else {"name": f"contains {expected}", "text": expected}
        passed[named["name"]] = named["text"] in body
    for name, held in passed.items():
        # One flow may take several steps: an assertion holds only if it holds at each of them.
        earlier = next((old for old in manifest["assertions"] if old["name"] == name), None)
        if earlier:
            earlier["passed"] = earlier["passed"] and held
        else:
            manifest["assertions"].append({"name": name, "passed": held})


def ask(port, method, path, body):
    data = None if body is None else body if isinstance(body, str) else json.dumps(body)
    headers = {} if body is None else {"Content-Type": "application/json"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body=data, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read(MOST_BODY).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        return 0, f"no answer: {error}"
    finally:
        connection.close()


main(sys.argv[1])
