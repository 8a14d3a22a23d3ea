import json
import threading
import unittest
import urllib.error
import urllib.request
from http.server import ThreadingHTTPServer

import service


class Quiet(service.handler_for(service.routes())):
    def log_message(self, *_):
        pass


class ApiPortfolio(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()

    @classmethod
    def tearDownClass(cls):
        cls.server.shutdown()
        cls.server.server_close()

    def call(self, path, body=None):
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"http://127.0.0.1:{self.server.server_port}{path}", data)
        try:
            with urllib.request.urlopen(request) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def test_portfolio_of_a_customer(self):
        status, payload = self.call("/api/v1/portfolio?user_id=priya@aspora.com")
        self.assertEqual((status, payload["value"]), (200, 1545000))

    def test_unknown_customer_and_path(self):
        self.assertEqual(self.call("/api/v1/portfolio?user_id=nobody@aspora.com")[0], 404)
        self.assertEqual(self.call("/api/v1/nothing")[0], 404)

    def test_a_trade_is_filled_or_refused(self):
        order = {"user_id": "priya@aspora.com", "symbol": "INFY", "quantity": 2}
        self.assertEqual(self.call("/api/v1/trades", order)[0], 201)
        self.assertEqual(self.call("/api/v1/trades", {**order, "quantity": 0})[0], 400)


if __name__ == "__main__":
    unittest.main()
