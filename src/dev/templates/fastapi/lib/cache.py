"""The product's Redis. It may be gone at any time: reading then finds nothing, and writing does nothing."""

import logging

import redis

from lib.settings import required

ERRORS = (redis.RedisError,)
log = logging.getLogger(__name__)


def connect(url=None):
    """A client, to be used in a `with`; it connects when it is first used."""
    url = url or required("REDIS_URL")
    return redis.Redis.from_url(url, decode_responses=True, socket_timeout=2)


def ping(client):
    """Raises one of `ERRORS` if the cache does not answer."""
    client.ping()


def read(client, key):
    """What is stored at a key, or `None`."""
    return attempt(lambda: client.get(key))


def write(client, key, value, seconds):
    """Stores a value for a while."""
    attempt(lambda: client.set(key, value, ex=seconds))


def forget(client, key):
    """Removes what is stored at a key."""
    attempt(lambda: client.delete(key))


def attempt(act):
    """The result, or `None` if the cache does not answer."""
    try:
        return act()
    except ERRORS as error:
        log.warning("the cache did not answer: %s", error)
        return None
