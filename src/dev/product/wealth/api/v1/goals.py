"""GET /api/v1/goals: what a customer saves for."""

from lib.http import HTTPException
from services import goal_service


def show(arguments):
    user_id = arguments.get("user_id")
    if user_id not in goal_service.GOALS:
        raise HTTPException(404, "Unknown user_id")
    return 200, {"user_id": user_id, "goals": goal_service.goals(user_id)}


ROUTES = {("GET", "/api/v1/goals"): show}
