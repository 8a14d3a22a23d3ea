"""POST /api/v1/trades: fills a market order."""

from lib.http import HTTPException
from services import portfolio_service, trading_service


def place(arguments):
    user_id = arguments.get("user_id")
    if user_id not in portfolio_service.HOLDINGS:
        raise HTTPException(404, "Unknown user_id")
    try:
        fill = trading_service.fill(arguments.get("symbol"), arguments.get("quantity"))
    except ValueError as refusal:
        raise HTTPException(400, str(refusal)) from refusal
    return 201, {"user_id": user_id, "status": "FILLED", **fill}


ROUTES = {("POST", "/api/v1/trades"): place}
