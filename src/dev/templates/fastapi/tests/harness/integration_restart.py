"""The service is started as in production, killed, and started again: what it acknowledged is still there."""

import json
import pathlib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

SERVICE = pathlib.Path(__file__).parent.parent.parent / "service.py"


class Running:
    """The service in a process of its own."""

    def __enter__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process = subprocess.Popen([sys.executable, str(SERVICE), "--port", str(self.port)])
        for _ in range(200):
            assert self.process.poll() is None, "the service ended"
            try:
                self.ask("/healthz")
                return self
            except urllib.error.URLError:
                time.sleep(0.05)
        raise AssertionError("the service does not answer")

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def ask(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data)
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)


def test_what_was_acknowledged_survives_a_kill():
    user = f"{time.time_ns()}@aspora.com"
    with Running() as service:
        assert service.ask("/api/v1/entries", {"user_id": user, "amount": 700})[0] == 201
    with Running() as service:
        assert service.ask(f"/api/v1/entries?user_id={user}")[1]["total"] == 700
