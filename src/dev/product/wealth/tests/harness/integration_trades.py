"""Incident: every unit test passed, and the desk's orders were refused for an hour, because nothing had tried the
service as a whole. These cases start it as it is started in production and call it over HTTP."""

import json
import subprocess
import sys
import unittest
import urllib.error
import urllib.request

PRIYA = "priya@aspora.com"


class Trades(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        command = [sys.executable, "service.py", "--port", "0"]
        cls.service = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        cls.base = cls.service.stdout.readline().split()[-1]

    @classmethod
    def tearDownClass(cls):
        cls.service.terminate()
        cls.service.wait(timeout=10)
        cls.service.stdout.close()

    def call(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data=data)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, json.load(refusal)

    def test_an_order_is_filled_and_leaves_the_portfolio_as_it_was(self):
        before = self.call(f"/api/v1/portfolio?user_id={PRIYA}")
        status, fill = self.call("/api/v1/trades", {"user_id": PRIYA, "symbol": "INFY", "quantity": 2})
        self.assertEqual((status, fill["status"], fill["amount"]), (201, "FILLED", 3000))
        self.assertEqual(self.call(f"/api/v1/portfolio?user_id={PRIYA}"), before)

    def test_an_order_that_cannot_be_filled_says_why(self):
        status, refusal = self.call("/api/v1/trades", {"user_id": PRIYA, "symbol": "NONE", "quantity": 2})
        self.assertEqual((status, refusal["error"]), (400, "Unknown symbol NONE"))


if __name__ == "__main__":
    unittest.main()
