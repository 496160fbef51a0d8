"""Clients that go, and clients that are slow."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from front import Front


@pytest.mark.parametrize(
    ("path", "noted"),
    [
        ("/endless", b"generator closed"),
        ("/endless_write", b"DisconnectedError True"),
        ("/endless_write_catching", b"caught"),
    ],
)
def test_gone_while_streaming(wrong: Front, path: str, noted: bytes) -> None:
    wrong.get("/history")
    before = len(wrong.err())
    answer = wrong.request("GET", path)
    wrong.until(lambda: len(answer.body) > 2000)
    wrong.cancel(answer)
    wrong.finish(answer)
    assert not answer.ended
    assert wrong.get("/history").body == noted
    assert wrong.err()[before:] == ""


def test_an_endless_stream_ends_for_head(wrong: Front) -> None:
    wrong.get("/history")
    answer = wrong.get("/endless", "HEAD")
    assert (answer.status, answer.body, answer.ended) == (200, b"", True)
    assert wrong.get("/history").body == b"generator closed"


def test_gone_before_the_start(wrong: Front) -> None:
    wrong.get("/history")
    answer, octets = wrong.build("GET", "/endless")
    wrong.cancel(answer)
    wrong.send(octets)
    wrong.finish(answer)
    assert answer.status == 0
    assert wrong.get("/history").body == b"", "it was not run"


@pytest.mark.parametrize("path", ["/many?size=3000000", "/file?kind=memory"])
def test_windows(start: Callable[..., Front], path: str) -> None:
    front = start(open_window=False).ready()
    path, _, query = path.partition("?")
    size = 3_000_000 if "many" in path else 104_000
    first = front.request("GET", path, query=query)
    front.until(lambda: len(first.body) == min(size, 256 << 10))
    while len(first.body) < size:
        have = len(first.body)
        front.window(first, 50_000)
        front.until(lambda n=have: len(first.body) == min(n + 50_000, size))
    front.finish(first)
    assert first.ended
    assert len(first.body) == size


def test_gone_while_the_window_is_empty(start: Callable[..., Front]) -> None:
    front = start("wrong:app", open_window=False).ready()
    for path in ("/endless", "/endless_write"):
        answer = front.request("GET", path)
        front.until(lambda a=answer: len(a.body) >= 256 << 10)
        front.cancel(answer)
        front.finish(answer)
        assert answer.aborted
    assert front.get("/history").body == b"generator closed,DisconnectedError True"


def test_a_slow_client_leaves_other_threads_alone(start: Callable[..., Front]) -> None:
    front = start(threads=2, open_window=False).ready()
    slow = front.request("GET", "/many", query="size=1000000")
    front.until(lambda: len(slow.body) == 256 << 10)
    for _ in range(20):
        assert front.get("/hello").body == b"Hello, world!"
    front.window(slow, 1_000_000)
    assert len(front.finish(slow).body) == 1_000_000
