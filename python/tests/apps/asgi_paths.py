"""The paths of the ASGI application for the tests, and what was seen there, which is asked for with /log."""

from __future__ import annotations

history: list[str] = []
paths = {}


def path(function):
    paths["/" + function.__name__] = function
    return function


def argument(scope):
    return scope["query_string"].decode()
