"""What becomes of applications that do wrong things: the client can tell, the log says why, the worker goes on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import wrong as applications
from front import Front
from link_frames import Answer


def log(front: Front, call: str) -> str:
    """What the worker says about a request, which is after what the application prints."""
    before = len(front.err())
    answer = front.get(call)
    assert answer.done
    return front.err()[before:]


def get(front: Front, path: str, **rest: str) -> tuple[Answer, str]:
    before = len(front.err())
    answer = front.get(path, **rest)
    return answer, front.err()[before:]


@pytest.mark.parametrize(
    ("path", "body", "error"),
    [
        ("/raises", None, "ValueError: before start_response"),
        ("/raises_started", None, "ValueError: after start_response"),
        ("/raises_first", None, "ValueError: in the first iteration"),
        ("/raises_streaming", b"partial", "ValueError: after the head went out"),
        ("/never_starts", None, "did not call start_response"),
        ("/never_starts_stream", None, "did not call start_response"),
        ("/never_starts_empty", None, "did not call start_response"),
        ("/starts_twice", None, "start_response was called again without exc_info"),
        ("/too_late", b"something", "ValueError: reraised on purpose"),
        ("/text_chunk", None, "must give bytes, not str: encode it first"),
        ("/text_chunk_stream", b"first", "must give bytes, not str"),
        ("/text_write", None, "must give bytes, not str"),
        ("/bytearray_chunk", None, "must give bytes, not bytearray"),
        ("/too_short", b"0123456789", "gave 10 octets of content where its Content-Length is 50"),
        ("/too_short_stream", b"0123456789", "gave 10 octets of content where its Content-Length is 50"),
        ("/too_short_nothing", None, "gave 0 octets of content where its Content-Length is 50"),
        ("/exits", None, "SystemExit: leaving"),
        ("/exits_streaming", b"first", "SystemExit: 3"),
        ("/interrupts", None, "KeyboardInterrupt"),
        ("/no_arguments", None, "TypeError: "),
        ("/odd_arguments", None, "TypeError: "),
        ("/bad_keyword", None, "TypeError: "),
    ],
)
def test_aborted(wrong: Front, path: str, body: bytes | None, error: str) -> None:
    wrong.get("/history")
    answer, said = get(wrong, path)
    assert answer.aborted
    assert not answer.ended
    assert (answer.status == 0) == (body is None)
    assert answer.body == (body or b"")
    assert error in said
    assert f"GET {path}" in said
    closes = "stream" in path or path in ("/raises_first", "/never_starts_empty", "/too_short_nothing")
    if closes and not path.startswith("/exits"):
        assert wrong.get("/history").body == b"closed"


@pytest.mark.parametrize("kind", sorted(applications.RESULTS))
def test_results(wrong: Front, kind: str) -> None:
    answer, said = get(wrong, "/result", query=kind)
    assert answer.aborted
    assert answer.status == 0
    assert "it must return an iterable of bytes" in said


@pytest.mark.parametrize("kind", sorted(applications.HEADS))
def test_heads(wrong: Front, kind: str) -> None:
    answer, said = get(wrong, "/head", query=kind)
    assert answer.status == 0, answer
    assert answer.aborted
    assert "Error: " in said
    assert "in head" in said, "the traceback leads to the application"
    assert "rickhouse_worker" not in said


@pytest.mark.parametrize("kind", sorted(applications.ODD_HEADS))
def test_odd_heads(wrong: Front, kind: str) -> None:
    answer = wrong.get("/odd_head", query=kind)
    assert (answer.status, answer.reason) == (799 if kind == "status-high" else 200, "")
    assert answer.fields == [("A", "b")]
    assert (answer.length, answer.body, answer.ended) == (5, b"12345", True)


def test_headers_of_a_generator(wrong: Front) -> None:
    for _ in range(2):
        assert wrong.get("/generated_headers").fields == [("A", "b")]


def test_hop_by_hop_fields_are_told_once(start: Callable[..., Front]) -> None:
    front = start("wrong:app").ready()
    for _ in range(3):
        for kind in ("connection", "hop-subclass", "keep-alive"):
            assert front.get("/odd_head", query=kind).fields == [("A", "b")]
    said = front.err().splitlines()
    assert len(said) == 2, said
    assert said[0].startswith("rickhouse: GET /odd_head: the header Connection is left out")
    assert said[1].startswith("rickhouse: GET /odd_head: the header Keep-Alive is left out")


@pytest.mark.parametrize("kind", sorted(applications.HEADS))
def test_what_was_to_be_replaced_stays(wrong: Front, kind: str) -> None:
    answer = wrong.get("/replaced_badly", query=kind)
    assert (answer.status, answer.reason, answer.body) == (200, "First", b"12345")
    assert answer.fields == [("X-First", "1")]


def test_started_at_last(wrong: Front) -> None:
    answer = wrong.get("/started_at_last")
    assert (answer.status, answer.reason, answer.body) == (200, "Second", b"12345")
    assert answer.fields == [("X-Second", "2")]


@pytest.mark.parametrize("path", ["/too_long", "/too_long_stream", "/too_long_write"])
def test_too_long(wrong: Front, path: str) -> None:
    wrong.get("/history")
    answer, said = get(wrong, path)
    assert (answer.body, answer.length, answer.ended) == (b"01234", 5, True)
    assert "where its Content-Length is 5: the rest was cut off" in said
    assert said.count("cut off") == 1
    if path == "/too_long_stream":
        assert wrong.get("/history").body == b"closed"


def test_too_long_for_head(wrong: Front) -> None:
    answer = wrong.get("/too_long", "HEAD")
    assert (answer.body, answer.length, answer.ended) == (b"", 5, True)


@pytest.mark.parametrize("path", ["/raises_close", "/close_property"])
def test_close_that_raises(wrong: Front, path: str) -> None:
    answer, said = get(wrong, path)
    assert (answer.body, answer.ended, answer.aborted) == (b"all there", True, None)
    assert "ValueError: in close" in said


def test_close_that_is_none(wrong: Front) -> None:
    answer, said = get(wrong, "/close_none")
    assert (answer.body, answer.ended, said) == (b"all there", True, "")


def test_traceback_starts_at_the_application(wrong: Front) -> None:
    _, said = get(wrong, "/raises")
    lines = said.splitlines()
    assert lines[0] == "rickhouse: GET /raises: the application failed"
    assert lines[1] == "Traceback (most recent call last):"
    assert "wrong.py" in lines[2]


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("lines", "ValueError: one two three"),
        ("noted", "wrong.Noted: the error"),
        ("nasty", "wrong.Nasty: "),
        ("silent", "KeyError"),
        ("long", "ValueError: " + "\xe9" * 506),
        ("surrogate", "FileNotFoundError: [Errno 2] there is no: 'caf\\udce9'"),
    ],
)
def test_errors_in_a_line(wrong: Front, kind: str, line: str) -> None:
    answer, said = get(wrong, "/raises_kind", query=kind)
    assert answer.aborted is not None
    assert answer.aborted == line or (kind == "nasty" and answer.aborted.startswith(line))
    assert said.startswith("rickhouse: GET /raises_kind: the application failed\nTraceback (most recent call last):\n")
    assert "in raises_kind" in said
    assert line.partition(":")[0] in said


def test_forged_log_lines(wrong: Front) -> None:
    _, said = get(wrong, "/raises/\nrickhouse: GET /innocent: \x1b[31m")
    assert "\nrickhouse: GET /innocent" not in said
    assert "\x1b" not in said
    assert "/raises/\\nrickhouse" in said


def test_used_after_the_request(wrong: Front) -> None:
    assert wrong.get("/keeps", "POST", content=b"content").body == b"kept"
    answer = wrong.get("/misuses")
    assert answer.body.split(b",")[:3] == [b"AssertionError", b"AssertionError", b"ValueError"]
    wrong.get("/hello")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/mutates", b"mutated"),
        ("/subclass", b"from the iterator"),
        ("/bytes_subclass", b"subclass"),
        ("/bytes_liar", b"truth"),
        ("/sequence", b"abc"),
        ("/later", b"later"),
    ],
)
def test_odd_but_right(wrong: Front, path: str, body: bytes) -> None:
    answer = wrong.get(path)
    assert (answer.body, answer.ended) == (body, True)
    assert answer.get("x-b") is None


def test_keywords(wrong: Front) -> None:
    assert wrong.get("/keywords").body == b"by keyword"
