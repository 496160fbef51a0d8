"""WebSockets of ASGI applications."""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import noted
from front import Front
from link_frames import A_ABORT, A_CLOSE, A_DATA, A_DONE, A_HEAD, ABORT, END, GIVE_BACK, MAX_CONTENT, TEXT, Answer

Start = Callable[..., Front]
ACCEPT = {"type": "websocket.accept"}


def log(front: Front) -> str:
    return front.get("/log").body.decode()


def steps(front: Front, *messages: dict[str, object] | str | None, **rest: object) -> Answer:
    return front.open("/ws_steps", query=repr(messages).encode().hex(), **rest)


def test_echo(asgi: Front) -> None:
    log(asgi)
    answer = asgi.open("/ws_echo")
    messages: list[str | bytes] = ["text", "é🎉", b"\x00\xff", "", b"", "x" * 70_000, os.urandom(200_000)]
    for i, message in enumerate(messages):
        asgi.message(answer, message)
        asgi.until(lambda i=i: len(answer.messages) == i + 1)
    assert answer.messages == messages
    assert (answer.status, answer.accepted, answer.fields) == (101, True, [])
    assert answer.sent_octets - answer.given_back < GIVE_BACK
    asgi.close(answer, 1001, "geht wég")
    asgi.finish(answer)
    assert answer.closed is None
    assert log(asgi) == "1001 geht wég,websocket.disconnect,DisconnectedError"


def test_pieces(asgi: Front, tmp_path: Path) -> None:
    """Octets of an incomplete message go back as they come, those of its last piece when it is taken, both when they
    are many."""
    answer = asgi.open("/ws_wait", query=str(tmp_path / "never"))
    asgi.data(answer, b"x" * 20_000)
    asgi.data(answer, b"x" * 20_000)
    asgi.until(lambda: answer.given_back == 2 * (20_000 + 16))
    asgi.data(answer, b"x" * 50_000, END)
    asgi.get("/hello")
    assert answer.given_back == 2 * (20_000 + 16)
    asgi.cancel(answer, ABORT)
    asgi.finish(answer)
    assert answer.given_back == 2 * (20_000 + 16)


def test_small_pieces(asgi: Front) -> None:
    answer = asgi.open("/ws_echo")
    asgi.message(answer, "é" * 1000, 1)
    asgi.until(lambda: answer.messages == ["é" * 1000])
    assert answer.given_back == -(-GIVE_BACK // 17) * 17
    asgi.close(answer)
    asgi.finish(answer)


def test_waiting(asgi: Front) -> None:
    """A message goes to one that waits for it, and never to one that has given up."""
    log(asgi)
    answer = asgi.open("/ws_waits")
    said: list[tuple[object, ...]] = []

    def says(*what: object) -> None:
        said.append(what)
        asgi.until(lambda: len(answer.messages) >= len(said))
        assert ast.literal_eval(str(answer.messages[len(said) - 1])) == what

    says("in vain")
    says("cancelled", True)
    asgi.message(answer, "one")
    says("one")
    says("three wait")
    for text in ("a", "b", "ć"):
        asgi.message(answer, text)
    says("a", "b", "ć")
    says("await wasn't used with future")
    asgi.message(answer, "two")
    says("two")
    asgi.message(answer, "three")
    says("cannot reuse already awaited coroutine")
    asgi.until(lambda: answer.closed is not None)
    asgi.close(answer, 1000)
    asgi.finish(answer)
    assert log(asgi) == "websocket.disconnect 1000"


def test_broadcast(asgi: Front) -> None:
    answers = [asgi.open("/ws_broadcast") for _ in range(5)]
    asgi.until(lambda: all(answer.accepted for answer in answers))
    for i, answer in enumerate(answers):
        asgi.message(answer, f"é{i}")
        asgi.until(lambda i=i: all(len(answer.messages) == i + 1 for answer in answers))
    assert all(answer.messages == [f"é{i}" for i in range(5)] for answer in answers)
    for answer in answers:
        asgi.close(answer)
        asgi.finish(answer)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("{'text': 'a', 'bytes': None}", "a"),
        ("{'text': None, 'bytes': b'a'}", b"a"),
        ("{'bytes': bytearray(b'a')}", b"a"),
        ("{'bytes': memoryview(b'ab')[1:]}", b"b"),
        ("{'text': type('S', (str,), {})('ä')}", "ä"),
        ("__import__('collections').OrderedDict(text='ÿ')", "ÿ"),
        ("{'text': '\\U0001f389' * 20000}", "\U0001f389" * 20000),
        ("{'text': ''}", ""),
        ("{'bytes': b''}", b""),
    ],
)
def test_kinds_of_messages(asgi: Front, given: str, message: str | bytes) -> None:
    one = f"__import__('collections').UserDict({{'type': 'websocket.send'}}, **{given})"
    other = f"{{**{given}, 'type': 'web' + 'socket.send'}}"
    query = f"[{{'type': 'websocket.accept'}}, {one}, {other}]"
    answer = asgi.finish(asgi.open("/ws_steps", query=query.encode().hex()))
    assert answer.messages == [message, message]


def test_scope(asgi: Front) -> None:
    fields = [("sec-websocket-protocol", "chat, other"), ("sec-websocket-protocol", "third")]
    answer = asgi.finish(asgi.open("/ws_show", fields=fields, scheme=1, query="a=1", version=20))
    scope = ast.literal_eval(str(answer.messages[0]))
    assert scope == {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "2",
        "scheme": "wss",
        "path": "/ws_show",
        "raw_path": b"/ws_show",
        "query_string": b"a=1",
        "root_path": "",
        "headers": [(b"host", b"h"), (b"upgrade", b"websocket"), *((n.encode(), v.encode()) for n, v in fields)],
        "client": ("127.0.0.2", 4321),
        "server": ("127.0.0.1", 8000),
        "subprotocols": ["chat", "other", "third"],
        "state": {"shared": ["from startup"], "number": 1},
        "extensions": {"websocket.http.response": {}},
    }
    assert answer.fields == [("sec-websocket-protocol", "chat"), ("x-a", "1"), ("X-A", "2")]
    assert answer.closed is None  # the front closes with 1000
    assert answer.frames[-1][0] == A_DONE


@pytest.mark.parametrize(
    ("message", "code", "reason"),
    [
        ({}, 1000, ""),
        ({"code": None, "reason": None}, 1000, ""),
        ({"code": 4000, "reason": "tschüß"}, 4000, "tschüß"),
        ({"code": 1001, "reason": "é" * 100}, 1001, "é" * 61),
    ],
)
def test_close(asgi: Front, message: dict[str, object], code: int, reason: str) -> None:
    log(asgi)
    answer = steps(
        asgi, None, ACCEPT, {"type": "websocket.close", **message}, {"type": "websocket.send", "text": "x"}, None
    )
    asgi.until(lambda: answer.closed is not None)
    asgi.close(answer, code, reason)
    asgi.finish(answer)
    assert answer.closed == (code, reason)
    seen = log(asgi)
    assert "ClosedError: the WebSocket is closed" in seen
    assert json.loads(seen[seen.rindex("{") :]) == {"type": "websocket.disconnect", "code": code, "reason": reason}


def test_refused(asgi: Front) -> None:
    log(asgi)
    answer = steps(asgi, None, {"type": "websocket.close"}, {"type": "websocket.accept"}, None)
    asgi.finish(answer)
    assert (answer.status, answer.ended, answer.accepted, answer.body) == (403, True, False, b"")
    assert '"websocket.disconnect", "code": 1006' in log(asgi)


def test_refused_with_an_answer(asgi: Front) -> None:
    answer = steps(
        asgi,
        {"type": "websocket.http.response.start", "status": 401, "headers": [(b"www-authenticate", b"Basic")]},
        {"type": "websocket.http.response.body", "body": b"who ", "more_body": True},
        {"type": "websocket.http.response.body", "body": b"are you?"},
    )
    asgi.finish(answer)
    assert (answer.status, answer.body, answer.ended) == (401, b"who are you?", True)
    assert answer.fields == [("www-authenticate", "Basic")]


def test_gone_before_the_handshake(asgi: Front) -> None:
    log(asgi)
    answer = asgi.begun(steps(asgi, None, "begun", None, ACCEPT))
    asgi.close(answer, 1006)
    asgi.finish(answer)
    assert answer.status == 0
    assert "DisconnectedError" in log(asgi)


@pytest.mark.parametrize(
    ("messages", "error"),
    [
        ([], "the application returned without an answer"),
        (
            [{"type": "websocket.send", "text": "x"}],
            "RuntimeError: websocket.send was sent where websocket.accept or websocket.close is to come",
        ),
        ([{"type": "http.response.start", "status": 200}], "RuntimeError: http.response.start was sent where"),
        ([{"type": "websocket.close", "code": 1005}], "ValueError: 1005 is not a code to close a WebSocket with"),
        (
            [{**ACCEPT, "headers": [(b"Sec-WebSocket-Protocol", b"a")]}],
            "ValueError: the subprotocol is not given in the headers, but as subprotocol",
        ),
        ([{**ACCEPT, "headers": [(b"a\n", b"a")]}], "ValueError: b'a\\n' is not a header name"),
        ([{**ACCEPT, "subprotocol": b"a"}], "TypeError: the subprotocol must be a str, not bytes"),
        ([{**ACCEPT, "subprotocol": "a\r\nb: c"}], "ValueError: the header sec-websocket-protocol has a value with a"),
        (
            [{"type": "websocket.http.response.start", "status": 200}, ACCEPT],
            "RuntimeError: websocket.accept was sent where websocket.http.response.body is to come",
        ),
    ],
)
def test_wrong_before_the_handshake(asgi: Front, messages: list[dict[str, object]], error: str) -> None:
    answer = asgi.finish(steps(asgi, *messages))
    assert answer.aborted is not None
    assert answer.aborted.startswith(error)
    assert error in asgi.err()


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (ACCEPT, "RuntimeError: websocket.accept was sent where websocket.send or websocket.close is to come"),
        ({"type": "websocket.send"}, "ValueError: websocket.send has either text or bytes"),
        ({"type": "websocket.send", "text": "a", "bytes": b"a"}, "ValueError: websocket.send has either text or bytes"),
        ({"type": "websocket.send", "text": b"a"}, "TypeError: the text of websocket.send must be a str, not bytes"),
        ({"type": "websocket.send", "bytes": "a"}, "TypeError: the bytes of websocket.send must be bytes, not str"),
        ({"type": "websocket.send", "text": "\ud800"}, "UnicodeEncodeError: 'utf-8' codec can't encode"),
        ({"type": "websocket.close", "code": 999}, "ValueError: 999 is not a code"),
    ],
)
def test_wrong_after_the_handshake(asgi: Front, message: dict[str, object], error: str) -> None:
    answer = asgi.finish(steps(asgi, ACCEPT, message))
    assert answer.accepted
    assert answer.aborted is not None
    assert answer.aborted.startswith(error)


@pytest.mark.parametrize("query", ["value,", "value,accepted"])
def test_exceptions(asgi: Front, query: str) -> None:
    answer = asgi.finish(asgi.open("/ws_raises", query=query))
    assert answer.aborted == "ValueError: on purpose"
    assert answer.accepted is query.endswith("accepted")


@pytest.mark.parametrize("query", ["long,", "long,accepted"])
def test_a_long_error(asgi: Front, query: str) -> None:
    """Why it ends is not cut within a character."""
    answer = asgi.finish(asgi.open("/ws_raises", query=query))
    assert answer.aborted == "ValueError: " + "€" * 337


def test_backpressure(start: Start) -> None:
    front = start("asgi:app", open_window=False).ready()
    answer = front.open("/ws_flood")
    front.until(lambda: sum(map(len, answer.messages)) + len(answer.partial) == (256 << 10) - 13 * 16)
    assert noted(front, "sent 13") == [f"sent {i}" for i in range(14)]
    front.window(answer, 2_000_000)
    front.finish(answer)
    assert answer.messages == [b"x" * 20000] * 100


def test_backpressure_ends_with_the_client(start: Start) -> None:
    front = start("asgi:app", open_window=False).ready()
    answer = front.open("/ws_flood")
    front.until(lambda: sum(map(len, answer.messages)) + len(answer.partial) == (256 << 10) - 13 * 16)
    front.close(answer, 1006)
    front.finish(answer)
    assert "Traceback" not in front.err()


def test_messages_that_nobody_takes(start: Start, tmp_path: Path) -> None:
    """No more of them come than the window has, however large they are: none is given back before it is taken."""
    front = start("asgi:app").ready()
    answer = front.open("/ws_wait", query=str(tmp_path / "go"))
    for _ in range(7):
        front.data(answer, b"x" * 9000)
        front.data(answer, b"x", END)
    front.get("/hello")
    assert answer.given_back == 0
    (tmp_path / "go").touch()
    front.finish(answer)


def test_parts_behind_a_message(start: Start, tmp_path: Path) -> None:
    """What came behind a message that nobody took is given back with that."""
    front = start("asgi:app").ready()
    answer = front.open("/ws_wait", query=str(tmp_path / "go"))
    front.data(answer, b"x" * 20_000, END)
    front.data(answer, b"x" * 20_000)
    front.get("/hello")
    assert answer.given_back == 0
    (tmp_path / "go").touch()
    front.finish(answer)
    assert answer.given_back == 2 * (20_000 + 16)


def test_tasks_that_are_left_behind(start: Start, tmp_path: Path) -> None:
    """Nothing is sent after DONE, and who waits is told of the end."""
    front = start("asgi:app", open_window=False).ready()
    answer = front.finish(front.open("/ws_leaves", query=str(tmp_path / "go")))
    other = front.open("/ws_echo")  # in the same slot
    assert (other.slot, answer.messages) == (answer.slot, [])
    seen = []

    def told(text: str) -> bool:
        seen.extend(filter(None, log(front).split(",")))
        return text in seen

    front.until_seen(lambda: told("sent DisconnectedError") and seen.count("received websocket.disconnect") == 2)
    (tmp_path / "go").touch()
    front.until_seen(lambda: told("all told"))
    assert sorted(seen) == sorted(
        ["received websocket.disconnect"] * 2
        + [f"{what} DisconnectedError" for what in ("sent", "later", "large", "close")]
        + ["receive websocket.disconnect", "all told"]
    )
    front.message(other, "mine")
    front.until(lambda: other.messages == ["mine"])
    front.close(other)
    front.finish(other)


def test_messages_do_not_mix(start: Start) -> None:
    front = start("asgi:app", open_window=False).ready()
    answer = front.open("/ws_mixes")
    front.until(lambda: len(answer.partial) > 250_000)
    front.get("/hello")
    assert answer.messages == []
    front.window(answer, 2_000_000)
    front.finish(answer)
    assert answer.messages == ["a" * 300_000, "b" * 300_000, b"0", b"1", b"2"]


@pytest.mark.parametrize("how", ["close", "cancel"])
def test_half_a_message(start: Start, how: str) -> None:
    """Nothing follows a message that is not sent to its end."""
    front = start("asgi:app", open_window=False).ready()
    answer = front.open("/ws_gives_up", query=how)
    front.until(lambda: len(answer.partial) == (256 << 10) - 16 * 3)
    front.message(answer, "enough")
    front.window(answer, 2_000_000)
    front.until(lambda: answer.closed is not None or answer.aborted is not None)
    front.close(answer, 1000)
    front.finish(answer)
    assert (len(answer.partial), answer.messages) == ((256 << 10) - 16 * 3, [])
    ended = "ClosedError" if how == "close" else "cancelled"
    assert log(front).split(",") == [ended, "ClosedError", "websocket.disconnect", "websocket.disconnect"]
    if how == "close":
        assert answer.closed == (1000, "")
    else:
        assert answer.aborted == "the application cancelled the sending of a message that was half sent"


@pytest.mark.parametrize("word", ["type", "text", "bytes"])
def test_keys_that_raise(asgi: Front, word: str) -> None:
    """A look into a message may run what its keys are made of."""
    key = f"type('K', (str,), {{'__hash__': str.__hash__, '__eq__': lambda *_: 1 / 0}})({word!r})"
    rest = {"type": "websocket.send", "bytes": b"x"}
    rest.pop(word, None)
    answer = asgi.finish(asgi.open("/ws_steps", query=f"[{ACCEPT}, {{{key}: 1, **{rest}}}]".encode().hex()))
    assert answer.messages == []
    assert answer.aborted is not None
    assert answer.aborted.startswith("ZeroDivisionError")


def test_frames(asgi: Front) -> None:
    messages = (
        "[{'type': 'websocket.accept'}, {'type': 'websocket.send', 'text': 'x' * 70000}, {'type': 'websocket.close'}]"
    )
    answer = asgi.open("/ws_steps", query=messages.encode().hex())
    asgi.finish(answer)
    kinds = [f for f in answer.frames if f[0] != A_DONE]
    assert kinds == [(A_HEAD, 0), (A_DATA, TEXT), (A_DATA, TEXT | END), (A_CLOSE, kinds[-1][1])]
    assert MAX_CONTENT == 65536


def test_timeout(asgi: Front) -> None:
    log(asgi)
    answer = asgi.begun(asgi.open("/forever"))
    asgi.cancel(answer, ABORT)
    asgi.finish(answer)
    assert log(asgi) == "forever,cancelled"
    assert answer.frames[0][0] == A_ABORT


def test_messages_before_the_end_are_received(asgi: Front, tmp_path: Path) -> None:
    log(asgi)
    answer = asgi.open("/ws_echo")
    asgi.until(lambda: answer.accepted)
    answer2 = asgi.open("/ws_steps", query=repr([ACCEPT, None, None, None, None]).encode().hex())
    for each in (answer, answer2):
        asgi.message(each, "one")
        asgi.message(each, "two")
        asgi.close(each, 1000, "bye")
        asgi.finish(each)
    seen = log(asgi)
    assert '"text": "one"' in seen
    assert seen.index('"text": "two"') < seen.rindex("websocket.disconnect")
