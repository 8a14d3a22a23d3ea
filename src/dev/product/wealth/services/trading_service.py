"""Market orders, filled at the listed price."""

from services.portfolio_service import PRICES


def fill(symbol, quantity):
    """The fill of an order; ValueError says why it cannot be filled."""
    if symbol not in PRICES:
        raise ValueError(f"Unknown symbol {symbol}")
    if isinstance(quantity, bool) or not isinstance(quantity, int) or quantity <= 0:
        raise ValueError("Quantity must be a positive whole number")
    return {"symbol": symbol, "quantity": quantity, "price": PRICES[symbol], "amount": quantity * PRICES[symbol]}
