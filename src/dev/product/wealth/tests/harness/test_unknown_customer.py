"""Incident: a request for a customer who had left answered 500 and paged the desk."""

import unittest

import service


class UnknownCustomer(unittest.TestCase):
    def test_is_answered_with_404_everywhere(self):
        routes = service.routes()
        for method, path in [("GET", "/api/v1/portfolio"), ("GET", "/api/v1/goals")]:
            status, _ = service.answer(routes, method, f"{path}?user_id=gone@aspora.com")
            self.assertEqual(status, 404, path)


if __name__ == "__main__":
    unittest.main()
