"""Goals: what a customer saves for."""

GOALS = {"priya@aspora.com": [{"name": "House", "target": 5000000, "saved": 1250000}]}


def goals(user_id):
    """The goals of a customer, as they were set."""
    return GOALS[user_id]
