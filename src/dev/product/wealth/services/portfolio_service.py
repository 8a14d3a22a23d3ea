"""Portfolios: who holds what, and what it is worth."""

PRICES = {"NIFTYBEES": 250, "GOLDBEES": 60, "INFY": 1500}
HOLDINGS = {"priya@aspora.com": {"NIFTYBEES": 3000, "GOLDBEES": 2000, "INFY": 450}}


def positions(user_id):
    """The positions of a customer, the largest first."""
    held = HOLDINGS[user_id]
    rows = [{"symbol": symbol, "quantity": held[symbol], "value": held[symbol] * PRICES[symbol]} for symbol in held]
    return sorted(rows, key=lambda row: -row["value"])


def value(user_id):
    """What the portfolio is worth, in rupees."""
    return sum(row["value"] for row in positions(user_id))
