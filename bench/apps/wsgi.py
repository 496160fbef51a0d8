"""The WSGI applications that every server of the benchmark runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

Environ = dict[str, Any]
StartResponse = Callable[..., Any]

HELLO = b"Hello, World!"
TEN_KB = b"0123456789abcdef" * 640


def _text(body: bytes, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def hello(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Answer 13 octets."""
    return _text(HELLO, start_response)


def ten_kb(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Answer 10,240 octets that exist already."""
    return _text(TEN_KB, start_response)


def echo(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Answer the content of the request."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    return _text(environ["wsgi.input"].read(length), start_response)


def _busy(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def _mixed(environ: Environ, fast: Callable[[], None], slow_seconds: float) -> bytes:
    kind = environ["PATH_INFO"]
    if kind == "/slow":
        time.sleep(slow_seconds)
    else:
        fast()
    return f"{kind} {environ['QUERY_STRING']}".encode("latin-1")


def mixed_200ms(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Sleep 200 ms at /slow and 1 ms elsewhere; answer the path and the query."""
    return _text(_mixed(environ, lambda: time.sleep(0.001), 0.2), start_response)


def mixed_100ms(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Sleep 100 ms at /slow, work 20 µs elsewhere; answer the path and the query."""
    return _text(_mixed(environ, lambda: _busy(20e-6), 0.1), start_response)
