"""GET /api/v1/portfolio: what a customer holds."""

from lib.http import HTTPException
from lib.money import rupees
from services import portfolio_service


def show(arguments):
    user_id = arguments.get("user_id")
    if not user_id:
        raise HTTPException(400, "Invalid user_id")
    if user_id not in portfolio_service.HOLDINGS:
        raise HTTPException(404, "Unknown user_id")
    total = portfolio_service.value(user_id)
    positions = portfolio_service.positions(user_id)
    return 200, {"user_id": user_id, "value": total, "shown": rupees(total), "positions": positions}


ROUTES = {("GET", "/api/v1/portfolio"): show}
