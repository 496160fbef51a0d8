"""`wsgi.input`, whichever way the content comes."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable

import pytest
from front import Front
from link_frames import ABORT, END, FD, Answer, frame

CONTENT = b"first line\nsecond\n\nfourth, which is longer than the others\nno end"

Send = Callable[[Front, str, bytes, str], Answer]


def inline(front: Front, path: str, content: bytes, query: str = "") -> Answer:
    return front.request("POST", path, content=content, query=query)


def as_file(front: Front, path: str, content: bytes, query: str = "") -> Answer:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        # The descriptor's own offset is at the end: the worker has to read by explicit offsets.
        return front.request_file("POST", path, file.fileno(), len(content), query=query)


def streamed(front: Front, path: str, content: bytes, query: str = "") -> Answer:
    answer = front.request_stream("POST", path, query=query)
    credit = 64 << 10
    for at in range(0, len(content), 7000):
        piece = content[at : at + 7000]
        if credit < len(piece):
            front.until(lambda: answer.given_back > 0 or answer.done)
            credit += answer.given_back
            answer.given_back = 0
        if answer.done:
            return answer
        credit -= len(piece)
        front.data(answer, piece)
    front.data(answer, b"", END)
    return answer


def byte_by_byte(front: Front, path: str, content: bytes, query: str = "") -> Answer:
    answer = front.request_stream("POST", path, query=query)
    for i in range(len(content)):
        front.data(answer, content[i : i + 1])
    front.data(answer, b"", END)
    return answer


@pytest.fixture(params=[inline, as_file, streamed, byte_by_byte], ids=lambda f: f.__name__)
def send(request: pytest.FixtureRequest) -> Send:
    return request.param


@pytest.mark.parametrize(
    "steps",
    [
        "read", "read=-1", "read=0", "read=1,read=1,read", "read=1000,read", "read,read,read=5,readline,readlines,next",
        "readline,readline,readline,readline,readline,readline", "readline=3,readline=100,readline=0,readline=-1",
        "readlines", "readlines=1,readlines=12,readlines=1000", "readlines=0", "readlines=-1", "next,next,read=3,next",
        "iterate", "read=5,iterate", "iterate,read", "readline,read=2,readlines=3,next,read",
    ],
)  # fmt: skip
def test_as_on_files(wsgi: Front, send: Send, steps: str) -> None:
    answer = wsgi.finish(send(wsgi, "/reading", CONTENT, steps))
    file = io.BytesIO(CONTENT)
    want = []
    for step in steps.split(","):
        name, _, argument = step.partition("=")
        if name == "next":
            want.append(next(iter(file), None))
        elif name == "iterate":
            want.append(list(file))
        else:
            want.append(getattr(file, name)(*([int(argument)] if argument else [])))
    assert answer.body == repr(want).encode()


def test_as_text(wsgi: Front, send: Send) -> None:
    answer = wsgi.finish(send(wsgi, "/as_text", CONTENT, ""))
    assert answer.body == repr(CONTENT.decode().splitlines(keepends=True)).encode()


@pytest.mark.parametrize("send", [inline, as_file])
def test_seeking(wsgi: Front, send: Send) -> None:
    """Whatever its size, content that is there whole is a file in all ways."""
    file = io.BytesIO(CONTENT)
    answer = wsgi.finish(send(wsgi, "/seeking", CONTENT, ""))
    want = [CONTENT[:3], True, 3, 0, b"first line\n", 11, len(CONTENT) - 4, CONTENT[-4:], 7, b"ine\n", b"se"]
    file.seek(12)
    want += [12, file.readlines(), b"", 1, 4, bytearray(CONTENT[1:5]), False, None, True, "closed"]
    assert answer.body == repr(want).encode()
    assert wsgi.get("/echo", "POST", content=b"the next").body == b"the next"


@pytest.mark.parametrize("size", [1, 4096, 65535, 65536, 65537, 300_000, 2_000_000])
def test_large(wsgi: Front, size: int) -> None:
    content = os.urandom(1000) * (size // 1000) + b"x" * (size % 1000)
    for send in (inline, as_file, streamed) if size <= 300_000 else (as_file, streamed):
        answer = wsgi.finish(send(wsgi, "/length", content, ""))
        assert answer.body == str(size).encode()


def test_echo(wsgi: Front) -> None:
    content = bytes(range(256)) * 40
    assert wsgi.get("/echo", "POST", content=content).body == content
    answer = wsgi.finish(as_file(wsgi, "/echo", content))
    assert answer.body == content


def test_no_content(wsgi: Front) -> None:
    assert wsgi.get("/reading", query="read,read=5,readline,readlines,next").body == b"[b'', b'', b'', [], None]"


def test_answer_while_content_arrives(wsgi: Front) -> None:
    answer = wsgi.request_stream("POST", "/echo_stream")
    for i in range(5):
        wsgi.data(answer, b"0123456789")
        wsgi.until(lambda n=i: len(answer.body) == 10 * (n + 1))
    wsgi.data(answer, b"rest", END)
    wsgi.finish(answer)
    assert answer.body == b"0123456789" * 5 + b"rest"


def test_unread(wsgi: Front) -> None:
    """What the application left does not disturb the next request."""
    for send in (inline, as_file, streamed):
        answer = wsgi.finish(send(wsgi, "/ignore_content", b"x" * 50000, ""))
        assert answer.body == b"not read"
    answer = wsgi.finish(wsgi.request_stream("POST", "/ignore_content"))
    wsgi.data(answer, b"late content for what is over", END)
    assert wsgi.get("/echo", "POST", content=b"own").body == b"own"


def test_cut(wrong: Front) -> None:
    wrong.get("/history")
    answer = wrong.request_stream("POST", "/reads_forever")
    wrong.data(answer, b"some")
    wrong.data(answer, b"", ABORT)
    wrong.finish(answer)
    assert answer.aborted
    assert wrong.get("/history").body == b"ConnectionResetError"


def test_gone_while_reading(wrong: Front) -> None:
    wrong.get("/history")
    before = len(wrong.err())
    answer = wrong.begun(wrong.request_stream("POST", "/reads_forever"))
    wrong.data(answer, b"some")
    wrong.cancel(answer)
    wrong.finish(answer)
    assert answer.aborted
    assert wrong.err()[before:] == "", "nobody is to blame when a client goes"
    assert wrong.get("/history").body == b"DisconnectedError"


def test_a_file_that_is_too_short(wsgi: Front) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"short")
        file.flush()
        answer = wsgi.finish(wsgi.request_file("POST", "/length", file.fileno(), 100))
    assert answer.aborted
    assert "ends too soon" in wsgi.err()


def test_descriptors_are_closed(start: Callable[..., Front]) -> None:
    front = start().ready()

    def count() -> int:
        return len(os.listdir(f"/proc/{front.process.pid}/fd"))

    front.get("/hello")
    before = count()
    for path in ("/length", "/ignore_content", "/reading?readline", "/raises"):
        path, _, query = path.partition("?")
        for _ in range(5):
            front.finish(as_file(front, path, b"x" * 100_000, query))
    front.until_seen(lambda: count() == before)


def test_the_descriptor_of_what_is_not_run_is_closed(start: Callable[..., Front]) -> None:
    front = start().ready()

    def count() -> int:
        return len(os.listdir(f"/proc/{front.process.pid}/fd"))

    front.get("/hello")
    before = count()
    for state in (0, 3):
        answer = front.reserve()
        front.ledger[2 * answer.slot] = answer.gen << 2 | state
        head = front.encode("POST", "/length", length=0)
        with tempfile.TemporaryFile() as file:
            front.send(frame(2, END | FD, answer.slot, answer.gen, head), file.fileno())
        assert front.get("/hello").status == 200
        assert front.answers.pop(answer.slot).frames == []
    front.until_seen(lambda: count() == before)


def test_content_after_the_request(wrong: Front) -> None:
    """A descriptor or a stream is not to be read after its request."""
    for send in (as_file, streamed):
        wrong.finish(send(wrong, "/keeps", b"x" * 20000, ""))
        answer = wrong.get("/misuses")
        assert answer.body.split(b",")[3] == b"ValueError", answer.body
