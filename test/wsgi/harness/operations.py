"""Operations on a file of octets: the same run on wsgi.input, in the worker, and on io.BytesIO, in the test."""

from __future__ import annotations

import hashlib


def digest(value: object) -> list:
    """Return what is compared of a piece of input: its kind, its size and its hash."""
    if isinstance(value, list):
        return ["list", [digest(item) for item in value]]
    if not isinstance(value, bytes):
        return [type(value).__name__, repr(value)]
    return ["bytes", len(value), hashlib.sha256(value).hexdigest()[:16]]


def perform(stream, operations: list[list]) -> list:
    """Run operations on a file, one after the other. The test does the same on io.BytesIO."""
    results = []
    for name, *arguments in operations:
        if name == "next":
            results.append(digest(next(iter(stream), None)))
        elif name == "iterate":
            results.append(digest(list(stream)))
        else:
            results.append(digest(getattr(stream, name)(*arguments)))
    return results
