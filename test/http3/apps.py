"""The same application twice: as WSGI and as ASGI."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

PIECE = b"0123456789abcdef" * 1024
PIECES = 64

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


def note(text: str) -> None:
    """Tell the test something."""
    with open(os.environ["NOTES"], "a", encoding="utf-8") as file:
        file.write(text + "\n")


class Noted:
    """Content that never ends, and notes when it is closed."""

    def __iter__(self) -> Noted:
        return self

    def __next__(self) -> bytes:
        time.sleep(0.01)
        return b"."

    def close(self) -> None:
        note("closed")


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer by the path."""
    path = environ["PATH_INFO"]
    plain = [("Content-Type", "text/plain")]
    if path == "/echo":
        content = environ["wsgi.input"].read()
        start_response("200 OK", [*plain, ("Content-Length", str(len(content)))])
        return [content]
    if path == "/stream":
        start_response("200 OK", plain)
        return (PIECE for _ in range(PIECES))
    if path == "/endless":
        start_response("200 OK", plain)
        return Noted()
    if path == "/about":
        content = json.dumps(
            {
                "protocol": environ["SERVER_PROTOCOL"],
                "scheme": environ["wsgi.url_scheme"],
                "method": environ["REQUEST_METHOD"],
                "host": environ["HTTP_HOST"],
                "query": environ["QUERY_STRING"],
                "cookie": environ.get("HTTP_COOKIE"),
            }
        ).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(content)))])
        return [content]
    start_response("200 OK", [*plain, ("Content-Length", "5")])
    return [b"hello"]


async def websocket(receive: Receive, send: Send) -> None:
    """Send back what comes."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"] + "!"})
    note(f"websocket {message['code']}")


async def asgi(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answer by the path."""
    if scope["type"] == "websocket":
        await websocket(receive, send)
        return
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])

    async def begin(*headers: tuple[bytes, bytes]) -> None:
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain"), *headers]}
        )

    async def body(content: bytes, more: bool = False) -> None:
        await send({"type": "http.response.body", "body": content, "more_body": more})

    path = scope["path"]
    if path == "/echo":
        content, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            content += message.get("body", b"")
            more = message.get("more_body", False)
        await begin((b"content-length", str(len(content)).encode()))
        await body(content)
    elif path == "/stream":
        await begin()
        for _ in range(PIECES):
            await body(PIECE, True)
        await body(b"")
    elif path == "/steps":  # the second one once there is the file that the query names
        await begin()
        await body(b"first\n", True)
        while not os.path.exists(os.environ["NOTES"] + scope["query_string"].decode()):
            await asyncio.sleep(0.01)
        await body(b"second\n")
    elif path == "/fields":
        await begin((b"x-powered-by", b"asgi"))
        await body(json.dumps({name.decode(): value.decode() for name, value in scope["headers"]}).encode())
    elif path == "/redirect":  # to what the query names
        await begin((b"x-accel-redirect", scope["query_string"]), (b"set-cookie", b"a=1"))
        await body(b"not this")
    elif path == "/endless":
        await begin()
        await body(b".", True)
        while (await receive())["type"] != "http.disconnect":
            await asyncio.sleep(0)
        note("closed")
    elif path == "/about":
        headers = dict(scope["headers"])
        about = {
            "protocol": "HTTP/" + scope["http_version"],
            "scheme": scope["scheme"],
            "method": scope["method"],
            "host": headers[b"host"].decode(),
            "query": scope["query_string"].decode(),
            "cookie": headers.get(b"cookie", b"").decode() or None,
            "tls": scope["extensions"]["tls"],
        }
        await begin()
        await body(json.dumps(about).encode())
    else:
        await begin((b"content-length", b"5"))
        await body(b"hello")
