"""A client of the whole application, on the database and the cache that the environment names."""

import os

import pytest
from fastapi.testclient import TestClient

import service
from lib import cache


@pytest.fixture(scope="session")
def running():
    for name in ("DATABASE_URL", "REDIS_URL"):
        if not os.environ.get(name):
            pytest.exit(f"{name} is not set; run the tests by `npm test`", returncode=4)
    with TestClient(service.create_app()) as client:
        yield client


@pytest.fixture
def client(running):
    """The client, with no entry stored and an empty cache."""
    with running.app.state.pool.connection() as connection:
        connection.execute("truncate entry restart identity")
    running.app.state.cache.flushdb()
    return running


@pytest.fixture
def without_cache(client):
    """The client, whose cache does not answer until this is called again."""
    state = client.app.state
    there, lost = state.cache, cache.connect("redis://127.0.0.1:1/0")
    state.cache = lost
    yield client
    state.cache = there
    lost.close()
