"""Nothing is kept of a request that is over."""

from __future__ import annotations

import tempfile
from collections.abc import Callable

import pytest
import wrong
from front import Front
from link_frames import END

RIGHT = [
    "/hello", "/environment", "/pieces", "/many?size=1000", "/many?size=100000", "/many?size=600000", "/empty",
    "/nothing", "/created", "/no_content", "/unchanged", "/stream", "/stream_length", "/late", "/write", "/replaced",
    "/errors", "/file", "/file?kind=gzip", "/file?length=100", "/status?line=404+Not",
]  # fmt: skip
WRONG = [
    "/raises", "/raises_streaming", "/raises_first", "/raises_close", "/never_starts", "/starts_twice", "/too_late",
    "/too_long", "/too_long_stream", "/too_short", "/too_short_stream", "/text_chunk", "/text_write", "/exits",
    "/no_arguments", "/bad_keyword", "/keywords", *(f"/result?{k}" for k in wrong.RESULTS),
    *(f"/head?{k}" for k in wrong.HEADS), *(f"/odd_head?{k}" for k in wrong.ODD_HEADS),
    *(f"/replaced_badly?{k}" for k in ("name-space", "headers-none", "headers-many")),
]  # fmt: skip


def blocks(front: Front) -> int:
    """How many blocks of memory the interpreter has given out."""
    return int(front.get("/blocks").body)


def leaks(front: Front, work: Callable[[], object], times: int = 20) -> bool:
    """Whether each piece of work leaves something behind. Caches fill for a while, a leak goes on for ever."""
    for _ in range(100):
        before = blocks(front)
        for _ in range(times):
            work()
        if blocks(front) - before < times / 2:
            return False
    return True


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", RIGHT)
def test_right(wsgi: Front, path: str, method: str) -> None:
    path, _, query = path.partition("?")
    assert not leaks(wsgi, lambda: wsgi.get(path, method, query=query))


@pytest.mark.parametrize("path", WRONG)
def test_wrong(wrong: Front, path: str) -> None:
    path, _, query = path.partition("?")
    assert not leaks(wrong, lambda: wrong.get(path, query=query))


def test_content(wsgi: Front) -> None:
    def inline() -> None:
        wsgi.get("/reading", "POST", query="read=3,readline,readlines=4,next,iterate,read", content=b"line\n" * 20)

    def streamed() -> None:
        answer = wsgi.request_stream("POST", "/length")
        wsgi.data(answer, b"x" * 50000)
        wsgi.data(answer, b"", END)
        wsgi.finish(answer)

    with tempfile.TemporaryFile() as file:
        file.write(b"x" * 100_000)
        file.flush()

        def by_file() -> None:
            wsgi.finish(wsgi.request_file("POST", "/length", file.fileno(), 100_000))

        for work in (inline, streamed, by_file):
            assert not leaks(wsgi, work), work.__name__


def test_gone(wrong: Front) -> None:
    def work() -> None:
        answer = wrong.request("GET", "/endless")
        wrong.until(lambda: answer.body)
        wrong.cancel(answer)
        wrong.finish(answer)
        wrong.get("/history")

    assert not leaks(wrong, work, 10)
