"""Threads of the application that go on with a request, beside the server or after it: nothing out of order is sent,
and the worker goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import shared
from front import Front
from link_frames import END, frame

Start = Callable[..., Front]


@pytest.fixture(scope="module")
def site(twin: str) -> Iterator[Front]:
    yield from shared("threads:app", twin)


def test_writers_at_the_same_time(site: Front) -> None:
    for _ in range(20):
        answer = site.get("/writers")
        assert answer.ended
        assert len(answer.body) == 4 * 4 * 20_100 + 3
        assert answer.body.endswith(b"xend")
    assert site.get("/history").body == b",".join([b"ended"] * 60)


def test_writers_of_more_than_the_length(site: Front) -> None:
    for _ in range(20):
        answer = site.get("/writers_of_a_length")
        assert (len(answer.body), answer.length, answer.ended) == (100_000, 100_000, True)
    site.get("/history")


def test_a_writer_that_is_left_behind(site: Front) -> None:
    for _ in range(20):
        assert site.get("/writes_on").ended
        assert site.get("/large").body == b"x" * 400_000
    assert site.get("/history").body == b",".join([b"AssertionError"] * 20)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_writer_that_waits_for_the_client(start: Start, threads: int, tmp_path: Path) -> None:
    front = start("threads:app", threads=threads, open_window=False).ready()
    answer = front.request("GET", "/writes_on", query=str(tmp_path / "go"))
    front.until(lambda: len(answer.body) == 256 << 10)
    (tmp_path / "go").touch()
    assert front.finish(answer).ended
    large = front.request("GET", "/large")
    assert large.slot == answer.slot
    front.window(large, 1 << 20)
    assert front.finish(large).body == b"x" * 400_000
    assert front.get("/history").body == b"AssertionError"
    assert front.stop() == 0


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("when", ["before", "after", "signal"])
def test_a_writer_that_waits_while_the_worker_stops(start: Start, threads: int, when: str, tmp_path: Path) -> None:
    front = start("threads:app", threads=threads, open_window=False).ready()
    answer = front.request("GET", "/writes_on", query=str(tmp_path / "go"))
    front.until(lambda: len(answer.body) == 256 << 10)
    if when == "before":
        front.send(frame(6))
    elif when == "signal":
        front.process.terminate()
    (tmp_path / "go").touch()
    front.finish(answer)
    if when == "after":
        front.send(frame(6))
    assert front.exit_status() == 0


@pytest.mark.parametrize("threads", [1, 2])
def test_a_reader_that_is_left_behind(start: Start, threads: int, tmp_path: Path) -> None:
    front = start("threads:app", threads=threads).ready()
    answer = front.request_stream("POST", "/reads_on", query=str(tmp_path / "go"))
    front.data(answer, b"x" * 1000)
    front.until(lambda: answer.frames)  # the thread waits for more
    (tmp_path / "go").touch()
    front.finish(answer)
    front.data(answer, b"x" * 50_000)
    front.data(answer, b"", END)
    assert front.get("/history").body == b"ValueError"


def test_reading_after_the_answer(site: Front) -> None:
    answer = site.reserve()
    head = frame(2, 0, answer.slot, answer.gen, site.encode("POST", "/reads_at_last", length=-1))
    # All at once: the slot may be used again as soon as the answer is there.
    site.send(head + frame(3, 0, answer.slot, answer.gen, b"x" * 40_000))
    assert site.finish(answer).body == b"over"
    assert site.get("/history").body == b"1000"
