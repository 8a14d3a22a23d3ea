"""What the environment says."""

import os


def required(name):
    """The value of a variable; without it the service cannot start."""
    value = os.environ.get(name, "")
    if not value:
        raise SystemExit(f"{name} is not set; `npm run serve` starts the service with all that it needs")
    return value
