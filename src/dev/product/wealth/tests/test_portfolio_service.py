import unittest

from lib.money import rate, rupees
from services import portfolio_service, trading_service

PRIYA = "priya@aspora.com"


class PortfolioService(unittest.TestCase):
    def test_value_is_the_sum_of_the_positions(self):
        total = sum(row["value"] for row in portfolio_service.positions(PRIYA))
        self.assertEqual(portfolio_service.value(PRIYA), total)
        self.assertEqual(total, 1545000)

    def test_positions_are_largest_first(self):
        values = [row["value"] for row in portfolio_service.positions(PRIYA)]
        self.assertEqual(values, sorted(values, reverse=True))

    def test_an_order_is_filled_at_the_listed_price(self):
        self.assertEqual(trading_service.fill("INFY", 2)["amount"], 3000)

    def test_amounts_are_shown_in_lakh(self):
        self.assertEqual(rupees(1545000), "15,45,000")
        self.assertEqual(rupees(-999), "-999")

    def test_a_rate_has_three_decimals(self):
        self.assertEqual(rate(-12340 / 1545000), -0.008)


if __name__ == "__main__":
    unittest.main()
