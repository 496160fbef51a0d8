"""Nothing is kept of an ASGI request that is over."""

from __future__ import annotations

import tempfile

import pytest
from apps.asgi import WRONG
from front import Front
from link_frames import ABORT, END, TAKES_TRAILERS
from test_leaks import leaks

RIGHT = [
    "/hello", "/show", "/receive_after", "/current", "/numbers?1000,5", "/numbers?100000,5", "/headers",
    "/declared?3,3", "/declared?3,1", "/declared?3,9", "/status?204,", "/hints", "/trailers", f"/pathsend?{__file__}",
    "/zerocopy", "/in_thread", "/create_task_receive", "/cancel_receive", "/anyio_like", "/cancels_itself",
    "/raises?value,begun", "/raises?exit,later",
]  # fmt: skip


@pytest.mark.parametrize("path", [*RIGHT, *(f"/wrong?{kind}" for kind in WRONG)])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_requests(asgi: Front, path: str, method: str) -> None:
    path, _, query = path.partition("?")

    def work() -> None:
        answer, octets = asgi.build(method, path, query=query, flags=TAKES_TRAILERS)
        asgi.send(octets)
        asgi.finish(answer)

    assert not leaks(asgi, work)


def test_content(asgi: Front) -> None:
    def inline() -> None:
        asgi.get("/echo", "POST", content=b"x" * 1000)

    def streamed() -> None:
        answer = asgi.request_stream("POST", "/echo")
        asgi.data(answer, b"x" * 50000)
        asgi.data(answer, b"", END)
        asgi.finish(answer)

    def unread() -> None:
        answer = asgi.request_stream("POST", "/hello")
        asgi.data(answer, b"x" * 50000)
        asgi.finish(answer)

    with tempfile.TemporaryFile() as file:
        file.write(b"x" * 100_000)
        file.flush()

        def by_file() -> None:
            asgi.finish(asgi.request_file("POST", "/echo", file.fileno(), 100_000))

        for work in (inline, streamed, unread, by_file):
            assert not leaks(asgi, work), work.__name__


def test_ends(asgi: Front) -> None:
    def disconnected() -> None:
        answer = asgi.begun(asgi.request("GET", "/wait_disconnect"))
        asgi.cancel(answer)
        asgi.finish(answer)

    def cancelled() -> None:
        answer = asgi.begun(asgi.request("GET", "/forever"))
        asgi.cancel(answer, ABORT)
        asgi.finish(answer)

    for work in (disconnected, cancelled):
        assert not leaks(asgi, work), work.__name__


def test_websockets(asgi: Front) -> None:
    def echo() -> None:
        answer = asgi.open("/ws_echo")
        for message in ("text", b"octets", "x" * 100_000):
            asgi.message(answer, message)
        asgi.until(lambda: len(answer.messages) == 3)
        asgi.close(answer)
        asgi.finish(answer)

    def refused() -> None:
        asgi.finish(asgi.open("/ws_steps", query=repr([{"type": "websocket.close"}]).encode().hex()))

    def raises() -> None:
        asgi.finish(asgi.open("/ws_raises", query="value,accepted"))

    def unread() -> None:
        answer = asgi.open("/ws_wait", query="/")
        asgi.message(answer, "x" * 1000)
        asgi.message(answer, "x" * 1000)
        asgi.message(answer, "x" * 1000)
        asgi.close(answer)
        asgi.finish(answer)

    def waits() -> None:
        answer = asgi.open("/ws_waits")
        for said, message in ((2, "one"), (4, "a"), (4, "b"), (4, "c"), (6, "two"), (7, "three")):
            asgi.until(lambda said=said: len(answer.messages) >= said)
            asgi.message(answer, message)
        asgi.until(lambda: answer.closed is not None)
        asgi.close(answer)
        asgi.finish(answer)

    def cancelled() -> None:
        answer = asgi.open("/ws_echo")
        asgi.data(answer, b"half")
        asgi.until(lambda: answer.accepted)
        asgi.cancel(answer, ABORT)
        asgi.finish(answer)

    for work in (echo, refused, raises, unread, waits, cancelled):
        assert not leaks(asgi, work), work.__name__
