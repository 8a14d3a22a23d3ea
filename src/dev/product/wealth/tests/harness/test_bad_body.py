"""Incident: a truncated request body killed the worker that read it."""

import unittest

import service


class BadBody(unittest.TestCase):
    def test_is_refused(self):
        for body in [b"{", b"[]", b"null", b'"text"']:
            status, payload = service.answer(service.routes(), "POST", "/api/v1/trades", body)
            self.assertEqual(status, 400, body)
            self.assertIn("body", payload["error"])


if __name__ == "__main__":
    unittest.main()
