"""/api/v1/entries: what a user entered, and the total of it."""

from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel, Field, StrictInt

from services.entry_service import EntryService

router = APIRouter(prefix="/api/v1/entries")


class NewEntry(BaseModel):
    """The body of a POST."""

    user_id: str = Field(min_length=1, max_length=254)
    amount: StrictInt
    note: str = Field(default="", max_length=200)


def service_of(request: Request):
    """The service on the connections of this application."""
    return EntryService(request.app.state.pool, request.app.state.cache)


@router.post("", status_code=201)
def add(request: Request, new: NewEntry):
    """Stores an entry."""
    try:
        return service_of(request).add(new.user_id, new.amount, new.note)
    except ValueError as error:
        raise HTTPException(400, str(error)) from error


@router.get("")
def entries(request: Request, user_id: str):
    """The total and the newest entries of a user."""
    service = service_of(request)
    return {"user_id": user_id, "total": service.total(user_id), "entries": service.newest(user_id)}
