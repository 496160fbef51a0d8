"""What applications that keep to PEP 3333 answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from conftest import shared
from front import Front
from link_frames import A_DATA, A_DONE, A_HEAD, DONE, END, LENGTH

WHOLE = [(A_HEAD, END | DONE | LENGTH)]


@pytest.fixture(scope="module", params=["wsgi:app", "wsgi:validated"])
def front(twin: str, request: pytest.FixtureRequest) -> Iterator[Front]:
    """Every application here also runs under wsgiref's validator."""
    yield from shared(request.param, twin)


def test_hello(front: Front) -> None:
    answer = front.get("/hello")
    assert (answer.status, answer.reason, answer.body) == (200, "OK", b"Hello, world!")
    assert answer.fields == [("Content-Type", "text/plain")]


def test_one_frame(wsgi: Front) -> None:
    for path in ("/hello", "/pieces", "/content_length", "/many?size=1000"):
        path, _, query = path.partition("?")
        assert wsgi.get(path, query=query).frames == WHOLE


def test_fields_keep_order_and_case(front: Front) -> None:
    answer = front.get("/created")
    assert (answer.status, answer.reason) == (201, "Very Created")
    assert answer.fields == [
        ("Content-Type", "text/plain"),
        ("Location", "/x"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
    ]


@pytest.mark.parametrize("path", ["/pieces", "/empty", "/nothing", "/content_length"])
def test_known_lengths(wsgi: Front, path: str) -> None:
    answer = wsgi.get(path)
    assert answer.length == len(answer.body)
    assert answer.ended


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 262144, 262145, 3_000_000])
def test_large_lists(wsgi: Front, size: int) -> None:
    answer = wsgi.get("/many", query=f"size={size}")
    assert answer.body == b"x" * (size // 2) + b"y" * (size - size // 2)
    assert answer.length == size
    assert answer.ended
    assert answer.aborted is None


@pytest.mark.parametrize("line", ["200+OK", "200+", "299+Odd+but+\xe9", "404+Not+Found", "999+Last", "500+\t"])
def test_status_lines(wsgi: Front, line: str) -> None:
    answer = wsgi.get("/status", query="line=" + line)
    assert (answer.status, answer.reason) == (int(line[:3]), line[4:].replace("+", " "))


def test_stream(front: Front) -> None:
    front.get("/history")
    answer = front.get("/stream")
    assert answer.body == b"first second third"
    assert answer.length is None
    assert [p for p in answer.pieces if p] == [b"first ", b"second ", b"third"]
    assert answer.frames[-1][1] & DONE or answer.microseconds is not None
    assert front.get("/history").body == b"exhausted,closed"


def test_stream_with_length(wsgi: Front) -> None:
    wsgi.get("/history")
    answer = wsgi.get("/stream_length")
    assert answer.body == b"first third"
    assert answer.length == 11
    # The answer is complete for the client before the application is asked for more, let alone closed.
    assert answer.frames[1] in ((A_DATA, END), (A_DATA, END | DONE))
    assert wsgi.get("/history").body == b"exhausted,closed"


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/late", 202, b"late"),
        ("/write", 200, b"written twice and returned"),
        ("/write_length", 200, b"written more"),
        ("/replaced", 500, b"replaced"),
        ("/nothing", 200, b""),
    ],
)
def test_ways_to_answer(front: Front, path: str, status: int, body: bytes) -> None:
    answer = front.get(path)
    assert (answer.status, answer.body, answer.ended, answer.aborted) == (status, body, True, None)
    assert answer.get("x-first") is None


@pytest.mark.parametrize(
    ("path", "method", "length"),
    [
        ("/hello", "HEAD", 13),
        ("/pieces", "HEAD", 13),
        ("/content_length", "HEAD", 13),
        ("/head_alone", "HEAD", 1234),
        ("/empty", "HEAD", None),
        ("/nothing", "HEAD", None),
        ("/stream", "HEAD", None),
        ("/stream_length", "HEAD", 11),
        ("/write", "HEAD", None),
        ("/late", "HEAD", None),
        ("/file", "HEAD", 104000),
        ("/no_content", "GET", None),
        ("/unchanged", "GET", 1000),
    ],
)
def test_no_content(wsgi: Front, path: str, method: str, length: int | None) -> None:
    wsgi.get("/history")
    answer = wsgi.get(path, method)
    assert answer.body == b""
    assert answer.file_octets == 0
    assert answer.length == length
    assert answer.ended
    assert answer.aborted is None
    assert answer.frames[0] in ((A_HEAD, f | (0 if length is None else LENGTH)) for f in (END, END | DONE))
    if "stream" in path:
        assert wsgi.get("/history").body == b"closed", "the first chunk said all that the client will see"


def test_head_under_the_validator(front: Front) -> None:
    assert front.get("/stream", "HEAD").body == b""


def test_done_follows_the_end(wsgi: Front) -> None:
    """A list leaves nothing to do; what has to be closed is done later."""
    assert wsgi.get("/hello").frames == WHOLE
    last = wsgi.get("/stream").frames[-1]
    assert last == (A_DONE, 0) or last[1] & DONE


def test_leftovers(start: Callable[..., Front]) -> None:
    front = start().ready()
    front.get("/hello")
    assert front.stop() == 0
    assert front.err() == ""
    assert front.out() == ""
