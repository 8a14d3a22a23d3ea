"""GET /healthz: whether the service can do its work."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from lib import cache, database

router = APIRouter()


@router.get("/healthz")
def health(request: Request):
    """200 if the database and the cache answer, otherwise 503."""
    try:
        database.ping(request.app.state.pool)
        cache.ping(request.app.state.cache)
    except (*database.ERRORS, *cache.ERRORS) as error:
        return JSONResponse({"error": type(error).__name__}, 503)
    return {"status": "ok"}
