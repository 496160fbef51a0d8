"""What ASGI applications receive and send over HTTP."""

from __future__ import annotations

import ast
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import noted
from front import Front
from link_frames import A_ABORT, ABORT, DONE, END, TAKES_TRAILERS, Answer, frame

Start = Callable[..., Front]


def log(front: Front) -> str:
    return front.get("/log").body.decode()


def test_hello(asgi: Front) -> None:
    answer = asgi.get("/hello")
    assert (answer.status, answer.reason, answer.body) == (200, "", b"Hello, world!")
    assert answer.fields == [("content-type", "text/plain")]
    assert answer.length == 13
    assert asgi.info["interface"] == "asgi"


def scope_of(front: Front, *args: Any, **rest: Any) -> dict[str, Any]:
    answer = front.finish(front.request("GET", *args, **rest))
    scope = ast.literal_eval(answer.body.decode())
    assert isinstance(scope, dict)
    return scope


def test_scope(asgi: Front) -> None:
    fields = [("host", "example.org"), ("cookie", "a=1"), ("cookie", "b=2"), ("x-latin", "\xe9")]
    want = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/show",
        "raw_path": b"/sh%6fw",
        "query_string": b"a=1&b=%20\xff",
        "root_path": "",
        "headers": [(b"host", b"example.org"), (b"cookie", b"a=1"), (b"cookie", b"b=2"), (b"x-latin", b"\xe9")],
        "client": ("127.0.0.2", 4321),
        "server": ("127.0.0.1", 8000),
        "state": {"shared": ["from startup"], "number": 1},
        "extensions": {
            "http.response.pathsend": {},
            "http.response.zerocopysend": {},
            "http.response.early_hint": {},
        },
    }
    for _ in range(2):  # what the application changes is its own
        assert scope_of(asgi, "/show", raw_path="/sh%6fw", query="a=1&b=%20\xff", fields=fields) == want


@pytest.mark.parametrize(("version", "name"), [(10, "1.0"), (11, "1.1"), (20, "2"), (30, "3")])
def test_versions(asgi: Front, version: int, name: str) -> None:
    scope = scope_of(asgi, "/show", version=version)
    assert scope["http_version"] == name
    assert ("http.response.early_hint" in scope["extensions"]) is (version >= 11)


def test_paths(start: Start, tmp_path: Path) -> None:
    (tmp_path / "paths.py").write_text(
        "async def app(scope, receive, send):\n"
        "    assert scope['type'] == 'http'\n"
        "    body = ascii((scope['path'], scope['root_path'], scope['raw_path'])).encode()\n"
        "    await send({'type': 'http.response.start', 'status': 200})\n"
        "    await send({'type': 'http.response.body', 'body': body})\n"
    )
    front = start("paths:app", directory=tmp_path).ready()
    for script, path, raw, want in (
        ("", "/caf\xc3\xa9", "/caf%c3%a9", ("/café", "", b"/caf%c3%a9")),
        ("/mount", "/x", "/mount/x", ("/mount/x", "/mount", b"/mount/x")),
        ("/m\xc3\xa9", "", "/m%c3%a9", ("/mé", "/mé", b"/m%c3%a9")),
        ("", "/\xff", "/%ff", ("/\ufffd", "", b"/%ff")),
        ("", "*", "*", ("*", "", b"*")),
    ):
        assert ast.literal_eval(front.get(path, script=script, raw_path=raw).body.decode()) == want


def test_unix_sockets(asgi: Front) -> None:
    scope = scope_of(asgi, "/show", server=("/run/r.sock", 0), client=("", 0))
    assert (scope["server"], scope["client"]) == (("/run/r.sock", None), None)


def test_tls(asgi: Front) -> None:
    text = '{"server_cert": null, "client_cert_chain": ["a"], "client_cert_name": "CN=\xc3\xa9", "tls_version": 772}'
    want = {"server_cert": None, "client_cert_chain": ("a",), "client_cert_name": "CN=é", "tls_version": 772}
    for _ in range(2):
        scope = scope_of(asgi, "/show", tls=text, scheme=1)
        assert scope["scheme"] == "https"
        assert scope["extensions"]["tls"] == want
    assert "tls" not in scope_of(asgi, "/show")["extensions"]


def test_trailers_in_the_scope(asgi: Front) -> None:
    answer, octets = asgi.build("GET", "/show", flags=TAKES_TRAILERS)
    asgi.send(octets)
    assert b"'http.response.trailers': {}" in asgi.finish(answer).body


@pytest.mark.parametrize("size", [0, 1, 65536, 1_000_000])
def test_content(asgi: Front, size: int) -> None:
    content = os.urandom(size)
    log(asgi)
    if size <= 65536:
        assert asgi.get("/echo", "POST", content=content).body == content
        assert log(asgi) == f"1 {size} http.request"
    if size:
        with tempfile.TemporaryFile() as file:
            file.write(content)
            file.flush()
            answer = asgi.finish(asgi.request_file("POST", "/echo", file.fileno(), size))
            assert answer.body == content
            assert log(asgi) == f"{(size + 65535) // 65536} {min(size, 65536)} http.request"
    answer = asgi.request_stream("POST", "/stream_echo")
    for at in range(0, size, 30000):
        asgi.until(lambda: answer.sent_octets - answer.given_back <= 34000)
        asgi.data(answer, content[at : at + 30000])
    asgi.data(answer, b"", END)
    assert asgi.finish(answer).body == content


def test_a_content_file_that_is_too_short(asgi: Front) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"short")
        file.flush()
        answer = asgi.finish(asgi.request_file("POST", "/echo", file.fileno(), 100_000))
    assert answer.aborted == "OSError: the content of the request ends too soon"


def test_small_pieces_are_put_together(asgi: Front, tmp_path: Path) -> None:
    """A client that sends octet by octet does not have the worker keep an object for each."""
    answer = asgi.request_stream("POST", "/reads_later", query=str(tmp_path / "go"))
    octets = bytes(i % 251 for i in range(20000))
    asgi.send(b"".join(frame(3, 0, answer.slot, answer.gen, octets[i : i + 1]) for i in range(len(octets))))
    answer.sent_octets += len(octets)
    asgi.data(answer, b"", END)
    asgi.get("/hello")  # what was sent before it has come
    (tmp_path / "go").touch()
    messages, _, body = asgi.finish(answer).body.partition(b" ")
    assert body == octets
    assert int(messages) <= len(octets) // 4096 + 1


def test_streamed_content_comes_as_it_arrives(asgi: Front) -> None:
    answer = asgi.request_stream("POST", "/first_piece")
    asgi.until(lambda: (23, 0) in answer.frames)  # it waits: the client may be told to go on
    assert answer.given_back == 0
    asgi.data(answer, b"first")
    assert asgi.finish(answer).body == b"first"


def test_content_that_was_cut(asgi: Front) -> None:
    log(asgi)
    answer = asgi.request_stream("POST", "/echo")
    asgi.data(answer, b"first")
    asgi.data(answer, b"", ABORT)
    asgi.finish(answer)
    assert log(asgi) == "2 5 http.disconnect"


@pytest.mark.parametrize("way", ["whole", "file", "stream"])
def test_receive_after_the_answer(asgi: Front, way: str) -> None:
    log(asgi)
    if way == "whole":
        asgi.get("/receive_after", "POST", content=b"unread")
    elif way == "stream":
        asgi.finish(asgi.request_stream("POST", "/receive_after"))
    else:
        with tempfile.TemporaryFile() as file:
            file.write(b"unread")
            file.flush()
            asgi.finish(asgi.request_file("POST", "/receive_after", file.fileno(), 6))
    assert log(asgi) == "http.disconnect,http.disconnect"


def test_disconnect(asgi: Front) -> None:
    log(asgi)
    answer = asgi.begun(asgi.request("POST", "/wait_disconnect", content=b"x"))
    asgi.get("/hello")
    asgi.cancel(answer)
    asgi.finish(answer)
    assert log(asgi) == "waiting,http.disconnect,True DisconnectedError"
    assert "wait_disconnect" not in asgi.err()


def test_a_client_that_has_only_stopped_sending(asgi: Front) -> None:
    """It is told of, and gets its answer all the same."""
    log(asgi)
    answer = asgi.begun(asgi.request("POST", "/wait_disconnect", content=b"x"))
    asgi.cancel(answer, END)
    asgi.finish(answer)
    assert (answer.body, answer.ended) == (b"late", True)
    assert log(asgi) == "waiting,http.disconnect"


def test_an_error_made_of_a_disconnect_is_not_logged(asgi: Front) -> None:
    answer = asgi.request("GET", "/wait_disconnect_and_wrap")
    asgi.until(lambda: len(answer.body) > 5000)
    asgi.cancel(answer)
    assert asgi.finish(answer).aborted == "RuntimeError: what a framework makes of it"
    assert "what a framework" not in asgi.err()


@pytest.mark.parametrize("query", ["long,", "long,begun"])
def test_a_long_error(asgi: Front, query: str) -> None:
    """Why an answer is cut is not cut within a character."""
    answer = asgi.finish(asgi.request("GET", "/raises", query=query))
    assert answer.aborted == "ValueError: " + "€" * 337


def test_a_client_that_has_gone_before_the_start(asgi: Front) -> None:
    log(asgi)
    answer, octets = asgi.build("GET", "/receive_after")
    asgi.ledger[2 * answer.slot + 1] = answer.gen + 1
    asgi.send(octets)
    assert asgi.finish(answer).aborted == "the client has gone: the request was not run"
    assert log(asgi) == ""


def test_receive_and_send_are_coroutines(asgi: Front) -> None:
    assert asgi.get("/create_task_receive", "POST", content=b"task").body == b"task"
    assert asgi.get("/cancel_receive").body == b"timed out"


def test_timeout(asgi: Front) -> None:
    log(asgi)
    answer = asgi.begun(asgi.request("GET", "/forever"))
    asgi.cancel(answer, ABORT)
    assert asgi.finish(answer).aborted == "the request was cancelled"
    assert log(asgi) == "forever,cancelled"
    answer = asgi.begun(asgi.request("GET", "/stubborn"))
    asgi.cancel(answer, ABORT)
    asgi.finish(answer)
    assert log(asgi) == "nobody waits"


def test_a_timeout_in_one_write_with_the_request(asgi: Front) -> None:
    """The task may not have begun, and is over in order all the same."""
    from link_frames import frame

    for path in ("/forever", "/hello"):
        answer, octets = asgi.build("GET", path)
        asgi.send(octets + frame(5, ABORT, answer.slot, answer.gen))
        asgi.finish(answer)
    assert asgi.get("/hello").body == b"Hello, world!"


def test_an_application_that_cancels_itself(asgi: Front) -> None:
    answer = asgi.get("/cancels_itself")
    assert answer.aborted == "the request was cancelled"


def test_a_task_and_a_context_each(asgi: Front) -> None:
    for _ in range(2):
        assert asgi.get("/current").body == b"unset set True True"
    assert asgi.get("/anyio_like").body == b"cancelled and uncancelled"


def test_requests_run_side_by_side(asgi: Front) -> None:
    answers, octets = [], b""
    for _ in range(200):
        answer, more = asgi.build("GET", "/meet", query="200")
        answers.append(answer)
        octets += more
    asgi.send(octets)
    assert {asgi.finish(answer).body for answer in answers} == {b"met"}


def test_a_ready_answer_leaves_while_the_next_blocks(start: Start, tmp_path: Path) -> None:
    """Promptness: the second request blocks the loop until the answer to the first is here."""
    front = start("asgi:app").ready()
    for i in range(3):
        go = tmp_path / str(i)
        quick, octets = front.build("GET", "/hello")
        slow, more = front.build("GET", "/blocks_after_another", query=str(go))
        front.send(octets + more)
        assert front.finish(quick).body == b"Hello, world!"
        assert not slow.frames
        go.touch()
        assert front.finish(slow).body == b"blocked"


@pytest.mark.parametrize(("size", "pieces"), [(1, 1), (0, 3), (1000, 5), (65536, 1), (65537, 2), (1_000_000, 3)])
def test_streams(asgi: Front, size: int, pieces: int) -> None:
    answer = asgi.get("/numbers", query=f"{size},{pieces}")
    assert answer.body == b"".join(bytes([i]) * size for i in range(pieces))
    assert answer.length == (size if pieces == 1 else None)
    assert answer.ended


def test_backpressure(start: Start) -> None:
    front = start("asgi:app", open_window=False).ready()
    answer = front.request("GET", "/fast_stream")
    front.until(lambda: len(answer.body) == 256 << 10)
    assert noted(front, "sent 4") == [f"sent {i}" for i in range(5)]
    for _ in range(96):
        front.window(answer, 65536)
    front.until(lambda: answer.ended)
    assert len(answer.body) == 6_553_600


def test_the_head_leaves_with_the_first_body_message(asgi: Front, tmp_path: Path) -> None:
    answer = asgi.request("GET", "/first_empty", query=str(tmp_path / "go"))
    asgi.until(lambda: bool(answer.status))
    assert not answer.ended
    (tmp_path / "go").touch()
    assert asgi.finish(answer).body == b"event"


def test_headers(asgi: Front) -> None:
    answer = asgi.get("/headers")
    assert answer.status == 299
    assert answer.fields == [("X-One", "1"), ("set-cookie", "a=1"), ("set-cookie", "b=2"), ("latin", "\xe9")]


@pytest.mark.parametrize(
    ("query", "body", "aborted"),
    [
        ("3,3", 3, None),
        ("3,1,2", 3, None),
        ("3,1,2,0", 3, None),
        ("3,1,1", 2, "the application gave 2 octets of content where its Content-Length is 3"),
        ("3,2", 2, "the application gave 2 octets of content where its Content-Length is 3"),
        ("3,5", 3, None),
        ("3,2,2,9", 3, None),
        ("0,0", 0, None),
        ("0,4", 0, None),
        ("100000,60000,60000", 100000, None),
    ],
)
def test_content_lengths(asgi: Front, query: str, body: int, aborted: str | None) -> None:
    answer = asgi.get("/declared", query=query)
    length, *sizes = map(int, query.split(","))
    assert (len(answer.body), answer.length, answer.aborted) == (body, length, aborted)
    assert answer.ended is (aborted is None)
    if sum(sizes) > length:
        assert f"where its Content-Length is {length}: the rest was cut off" in asgi.err()


@pytest.mark.parametrize(
    ("method", "path", "query", "length"),
    [
        ("HEAD", "/hello", "", 13),
        ("HEAD", "/numbers", "10,3", None),
        ("HEAD", "/declared", "30,10,20", 30),
        ("HEAD", "/declared", "30,0", 30),
        ("HEAD", "/status", "200,", None),
        ("GET", "/status", "204,", None),
        ("GET", "/status", "204,text", None),
        ("GET", "/status", "304,text", 4),
        ("GET", "/status", "304,", None),
        ("HEAD", "/pathsend", __file__, os.path.getsize(__file__)),
        ("HEAD", "/trailers", "", None),
    ],
)
def test_no_content(asgi: Front, method: str, path: str, query: str, length: int | None) -> None:
    answer = asgi.get(path, method, query=query)
    assert (answer.body, answer.length, answer.ended, answer.aborted) == (b"", length, True, None)
    assert answer.trailers is None


def test_early_hints(asgi: Front) -> None:
    answer = asgi.get("/hints")
    assert answer.interim == [
        (103, [("link", "</a.css>; rel=preload"), ("link", "</b.js>; rel=preload")]),
        (103, [("link", "</c>; rel=preload")]),
    ]
    assert (answer.status, answer.body) == (200, b"hinted")
    assert len(asgi.get("/hints", query="100").interim) == 32


@pytest.mark.parametrize("query", ["", "length"])
@pytest.mark.parametrize("taken", [True, False])
def test_trailers(asgi: Front, query: str, taken: bool) -> None:
    log(asgi)
    answer, octets = asgi.build("GET", "/trailers", query=query, flags=TAKES_TRAILERS if taken else 0)
    asgi.send(octets)
    asgi.finish(answer)
    assert (answer.body, answer.ended) == (b"body", True)
    assert answer.trailers == ([("grpc-status", "0"), ("x-sum", "1")] if taken else None)
    assert answer.length == (4 if query and not taken else None)
    assert log(asgi) == "http.disconnect"


def test_pathsend(asgi: Front, tmp_path: Path) -> None:
    path = tmp_path / "file"
    for size in (0, 10, 300_000):
        path.write_bytes(os.urandom(size))
        answer = asgi.get("/pathsend", query=str(path))
        assert (answer.body, answer.length, answer.file_octets) == (path.read_bytes(), size, size)
    answer = asgi.get("/pathsend", query=f"{path},1000")
    assert (answer.body, answer.length) == (path.read_bytes()[:1000], 1000)
    answer = asgi.get("/pathsend", query=f"{path},400000")
    assert answer.aborted == "the application gave 300000 octets of content where its Content-Length is 400000"


@pytest.mark.parametrize("what", ["missing", "folder", "pipe"])
def test_pathsend_of_no_file(asgi: Front, tmp_path: Path, what: str) -> None:
    path = tmp_path / what
    if what == "folder":
        path.mkdir()
    if what == "pipe":
        os.mkfifo(path)
    answer = asgi.get("/pathsend_missing", query=str(path))
    if what == "missing":
        assert answer.body == b"FileNotFoundError"
    else:
        assert answer.aborted == "ValueError: only regular files can be sent by their descriptor"


def test_zerocopysend(asgi: Front, tmp_path: Path) -> None:
    log(asgi)
    answer = asgi.get("/zerocopy")
    assert answer.body == b"[56789012120123456789]"
    assert log(asgi) == "10,13"
    answer = asgi.get("/zerocopy_alone", query=__file__)
    assert answer.body == Path(__file__).read_bytes()
    assert answer.length == answer.file_octets == len(answer.body)
    answer = asgi.get("/zerocopy_pipe")
    assert answer.aborted == "ValueError: only regular files can be sent by their descriptor"


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("no_start", "RuntimeError: http.response.body was sent where http.response.start is to come"),
        ("two_starts", "RuntimeError: http.response.start was sent twice"),
        ("unknown", "ValueError: 'http.response.what' is not a message that an HTTP request takes"),
        ("other_kind", "ValueError: 'websocket.send' is not a message that an HTTP request takes"),
        ("no_type", "TypeError: a message must have a type: {'status': 200}"),
        ("no_dict", "TypeError: a message must be a dict, not list"),
        ("no_status", "TypeError: the status must be an int, not None"),
        ("text_status", "TypeError: the status must be an int, not '200'"),
        ("interim", "ValueError: the status 103 is interim: it cannot be an answer"),
        ("large_status", "ValueError: the status 1000 is not from 200 to 999"),
        ("str_header", "TypeError: the name and the value of a header must be bytes: ('a', 'b')"),
        ("header_dict", "TypeError: the headers must be an iterable of [name, value] pairs, not dict"),
        ("header_triple", "TypeError: a header must be a pair [name, value], not (b'a', b'b', b'c')"),
        ("header_split", "ValueError: the header a has a value with a control character: b'b\\r\\nSet-Cookie: c'"),
        ("header_nul", "ValueError: the header a has a value with a control character: b'\\x00'"),
        ("header_name", "ValueError: b'a b' is not a header name"),
        ("no_name", "ValueError: b'' is not a header name"),
        ("bad_length", "ValueError: the Content-Length must be digits, not b'-1'"),
        ("two_lengths", "ValueError: there is more than one Content-Length"),
        ("str_body", "TypeError: the body must be bytes, not str: encode it first, as in text.encode()"),
        ("nothing", "the application returned without an answer"),
        ("start_alone", "the application returned before its answer was complete"),
        ("trailers_unannounced", "RuntimeError: http.response.trailers was sent where http.response.body is to come"),
        ("hint_too_late", "RuntimeError: http.response.early_hint was sent after http.response.start"),
        ("relative_path", "ValueError: the path must be absolute: 'a.txt'"),
    ],
)
def test_wrong_messages(asgi: Front, what: str, error: str) -> None:
    answer = asgi.get("/wrong", query=what)
    assert (answer.status, answer.aborted) == (0, error)
    assert error in asgi.err()


def test_an_answer_that_breaks_off(asgi: Front) -> None:
    answer = asgi.get("/wrong", query="incomplete")
    assert (answer.body, answer.aborted) == (b"begun", "the application returned before its answer was complete")
    answer = asgi.get("/wrong", query="after_complete")
    assert (answer.body, answer.ended, answer.aborted) == (b"whole", True, None)
    assert "RuntimeError: http.response.body was sent after the answer was complete" in asgi.err()


@pytest.mark.parametrize("when", ["", "later", "begun", "complete"])
@pytest.mark.parametrize(
    ("kind", "error"),
    [("value", "ValueError: on purpose"), ("exit", "SystemExit: 3"), ("interrupt", "KeyboardInterrupt")],
)
def test_exceptions(asgi: Front, when: str, kind: str, error: str) -> None:
    answer: Answer = asgi.get("/raises", query=f"{kind},{when}")
    assert answer.aborted == (None if when == "complete" else error)
    assert (A_ABORT, 0) in answer.frames or (A_ABORT, DONE) in answer.frames or when == "complete"
    assert "rickhouse: GET /raises: the application failed\nTraceback" in asgi.err()
    assert "rickhouse_worker" not in asgi.err().rpartition("Traceback")[2]
