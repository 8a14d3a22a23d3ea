import unittest

import service


class Pages(unittest.TestCase):
    def test_each_file_of_the_frontend_is_served_and_nothing_else(self):
        pages = service.pages()
        self.assertEqual(pages["/dashboard/portfolio"].name, "portfolio.html")
        self.assertEqual(pages["/frontend/wealth.js"].name, "wealth.js")
        self.assertNotIn("/frontend/../service.py", pages)
        for file in pages.values():
            self.assertEqual(file.parent, service.FRONTEND)


if __name__ == "__main__":
    unittest.main()
