"""The product's service: `python service.py --port 8000`.

It serves every router that a module below `api/v1` names `router`, and the page in `frontend`.
"""

import argparse
import importlib
import pathlib
import pkgutil
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

import api.v1
from lib import cache, database

FRONTEND = pathlib.Path(__file__).parent / "frontend"


def create_app():
    """The application; it opens its database and its cache when it starts, and migrates the database."""
    app = FastAPI(title="@@product@@", lifespan=lifespan)
    app.add_exception_handler(HTTPException, refuse)
    app.add_exception_handler(RequestValidationError, refuse_request)
    for module in pkgutil.iter_modules(api.v1.__path__):
        app.include_router(importlib.import_module(f"api.v1.{module.name}").router)
    app.mount("/frontend", StaticFiles(directory=FRONTEND), name="frontend")
    app.add_api_route("/", page, include_in_schema=False)
    return app


@asynccontextmanager
async def lifespan(app):
    """Holds the connections for as long as the application runs."""
    with database.open_pool() as pool, cache.connect() as redis:
        database.migrate(pool)
        app.state.pool, app.state.cache = pool, redis
        yield


def page():
    """The page of a user."""
    return FileResponse(FRONTEND / "index.html")


async def refuse(_request: Request, error: HTTPException):
    """Errors have one form, wherever they are found."""
    return JSONResponse({"error": error.detail}, error.status_code)


async def refuse_request(_request: Request, error: RequestValidationError):
    """Names the first field that is wrong."""
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"][1:]) or "body"
    return JSONResponse({"error": f"{field}: {first['msg']}"}, 400)


def main(arguments=None):
    """Serves until it is stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    chosen = parser.parse_args(arguments)
    uvicorn.run(create_app(), host=chosen.host, port=chosen.port)


if __name__ == "__main__":
    main()
