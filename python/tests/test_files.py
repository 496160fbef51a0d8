"""`wsgi.file_wrapper`."""

from __future__ import annotations

import pytest
from front import Front
from link_frames import A_FILE, END
from wsgi import FILE

DESCRIPTOR = ["plain", "temporary", "random", "fileio"]
READ = ["gzip", "memory", "pretender", "subclass"]


@pytest.mark.parametrize("kind", DESCRIPTOR + READ)
@pytest.mark.parametrize("start", [0, 1, 5000, len(FILE) - 1, len(FILE)])
def test_from_the_current_offset(wsgi: Front, kind: str, start: int) -> None:
    wsgi.get("/history")
    answer = wsgi.get("/file", query=f"kind={kind}&start={start}")
    want = FILE[start:]
    if kind == "subclass":
        want = want.upper()
    assert answer.body == want
    assert answer.ended
    assert answer.file_octets == (len(want) if kind in DESCRIPTOR else 0)
    if kind in DESCRIPTOR:
        assert answer.length == len(want)
        assert (len(want) == 0) != any(k == A_FILE for k, _ in answer.frames)
    if kind != "fileio":
        assert wsgi.get("/history").body == b"file closed"


@pytest.mark.parametrize("kind", ["plain", "memory"])
def test_content_length(wsgi: Front, kind: str) -> None:
    before = len(wsgi.err())
    answer = wsgi.get("/file", query=f"kind={kind}&start=100&length=50")
    assert (answer.body, answer.length, answer.ended) == (FILE[100:150], 50, True)
    assert wsgi.err()[before:] == "", "a part of a file is nothing to complain of"
    answer = wsgi.get("/file", query=f"kind={kind}&start=100&length={len(FILE) - 100}")
    assert (answer.body, answer.ended) == (FILE[100:], True)
    answer = wsgi.get("/file", query=f"kind={kind}&start=100&length={len(FILE)}")
    assert (answer.body, answer.length, answer.ended) == (FILE[100:], len(FILE), False)
    assert answer.aborted
    answer = wsgi.get("/file", query=f"kind={kind}&length=0")
    assert (answer.body, answer.length, answer.ended) == (b"", 0, True)


def test_a_file_that_does_not_know_its_size(wsgi: Front) -> None:
    with open("/proc/version", "rb") as file:
        want = file.read()
    answer = wsgi.get("/file", query="kind=proc")
    assert (answer.body, answer.file_octets, answer.ended) == (want, 0, True)
    wsgi.get("/history")


def test_end_comes_with_the_file(wsgi: Front) -> None:
    answer = wsgi.get("/file")
    assert next(f for k, f in answer.frames if k == A_FILE) & END


def test_under_the_validator(start: object) -> None:
    front = start("wsgi:validated").ready()  # type: ignore[operator]
    answer = front.get("/file")
    assert answer.body == FILE
    assert answer.file_octets == 0, "the validator stands between"
