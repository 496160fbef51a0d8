"""wsgi.input behaves as a file of exactly the content: small, spooled, chunked, streamed."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable

import pytest
from harness import PATIENCE
from harness.client import Answer
from harness.operations import digest, perform
from harness.server import Server, eventually


def content(size: int, seed: int) -> bytes:
    """Return octets with lines of all lengths: empty, short, longer than a buffer; with and without a last newline."""
    chance, lines, total = random.Random(seed), [], 0
    while total < size:
        length = chance.choice((0, 0, 1, 2, 10, 80, 80, 500, 4095, 4096, 9000, 70000))
        line = chance.randbytes(min(length, size - total)).replace(b"\n", b"\r") + b"\n"
        lines.append(line)
        total += len(line)
    return b"".join(lines)[:size]


def operations(seed: int, size: int, validated: bool) -> list[list]:
    """Return a random sequence of reads that the validator lets through, or of any."""
    chance = random.Random(seed)
    sizes = (0, 1, 2, 7, 80, 1000, 4096, 8192, 10000, 65536, 65537, size // 2, size, size + 1)
    chosen: list[list] = []
    for _ in range(chance.randint(1, 12)):
        kind = chance.choice(("read", "read", "readline", "readline", "readlines", "bare", "next"))
        if kind == "bare":
            chosen.append(
                [
                    chance.choice(
                        ("readline", "readlines") if validated else ("read", "readline", "readlines", "iterate")
                    )
                ]
            )
        elif kind == "next":
            chosen.append(["next"])
        elif kind == "readlines":
            chosen.append(["readlines", chance.choice((1, 10, 1000, 100000))])
        else:
            bounds = sizes if validated else (*sizes, -1, None)
            chosen.append([kind, chance.choice(bounds)])
    chosen.append(["read", 10])
    chosen.append(["readline"])
    return chosen


def chunked(body: bytes, seed: int) -> bytes:
    """Encode body in chunks of random sizes."""
    chance, parts, offset = random.Random(seed), [], 0
    while offset < len(body):
        size = min(chance.choice((1, 5, 100, 4096, 20000, 65536)), len(body) - offset)
        parts.append(b"%x\r\n%s\r\n" % (size, body[offset : offset + size]))
        offset += size
    return b"".join(parts) + b"0\r\n\r\n"


def send(server: Server, path: str, body: bytes, how: str, seed: int, fields: dict[str, str]) -> Answer:
    """Send body with a Content-Length or chunked."""
    if how == "length":
        return server.request(path, "POST", fields, body)
    with server.connect() as connection:
        head = server.encode(path, "POST", {**fields, "Transfer-Encoding": "chunked"}, close=True)
        connection.send(head, chunked(body, seed))
        return connection.read_answer()


SIZES = [0, 1, 700, 8192, 65536, 200 * 1024]


def check_differential(server: Server, size: int, how: str, validated: bool) -> None:
    """Run sequences of operations in the worker and here, on the same content."""
    for seed in range(8):
        body, sequence = content(size, seed), operations(seed * 1000 + size, size, validated)
        answer = send(server, "/operate", body, how, seed, {"X-Operations": json.dumps(sequence)})
        assert answer.status == 200
        assert json.loads(answer.body) == perform(io.BytesIO(body), sequence), sequence


@pytest.mark.parametrize("how", ["length", "chunked"])
@pytest.mark.parametrize("size", SIZES)
def test_reads_as_a_file_when_buffered(site, request, size, how):
    check_differential(site, size, how, "validated" in request.node.callspec.id)


@pytest.mark.parametrize("how", ["length", "chunked"])
@pytest.mark.parametrize("size", SIZES)
def test_reads_as_a_file_when_streamed(streaming, size, how):
    check_differential(streaming, size, how, validated=False)


def test_no_content_reads_as_empty(site):
    assert json.loads(site.request("/said").body)["digest"] == digest(b"")


def test_no_content_reads_as_empty_when_streamed(streaming):
    assert json.loads(streaming.request("/said").body)["digest"] == digest(b"")


@pytest.mark.parametrize("size", SIZES)
def test_chunked_content_that_was_buffered_has_its_length(site, size):
    body = content(size, 1)
    got = json.loads(send(site, "/said", body, "chunked", 1, {}).body)
    assert got["keys"]["CONTENT_LENGTH"] == str(size)
    assert "HTTP_TRANSFER_ENCODING" not in got["keys"]
    assert got["digest"] == digest(body)
    assert got["again"] == digest(b"")


@pytest.mark.parametrize("size", SIZES)
def test_chunked_content_that_is_streamed_says_that_it_ends(streaming, size):
    body = content(size, 1)
    got = json.loads(send(streaming, "/said", body, "chunked", 1, {}).body)
    assert got["keys"].get("wsgi.input_terminated") is True
    assert "CONTENT_LENGTH" not in got["keys"]
    assert got["digest"] == digest(body)
    assert got["again"] == digest(b"")


@pytest.mark.parametrize("size", SIZES)
def test_streamed_content_with_a_length(streaming, size):
    body = content(size, 1)
    got = json.loads(streaming.request("/said", "POST", body=body).body)
    assert got["keys"]["CONTENT_LENGTH"] == str(size)
    assert got["digest"] == digest(body)
    assert got["again"] == digest(b"")


def test_trailers_change_nothing(site):
    with site.connect() as connection:
        connection.send(site.encode("/echo", "POST", {"Transfer-Encoding": "chunked", "Trailer": "X-Sum"}))
        connection.send(b"3\r\nabc\r\n0\r\nX-Sum: 1\r\nX-Length: 99\r\n\r\n", site.encode("/hello"))
        answer = connection.read_answer()
        assert (answer.status, answer.body, answer.get("X-Length")) == (200, b"abc", "3")
        assert connection.read_answer().body == b"hello\n"


@pytest.mark.parametrize("size", [10, 10_000, 1_000_000])
def test_content_not_read_does_not_disturb_the_next_request(site, size):
    body = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n" * (size // 34 + 1)
    with site.connect() as connection:
        for _ in range(2):
            connection.send(site.encode("/ignore", "POST", body=body))
            assert connection.read_answer().status == 403
        connection.send(site.encode("/read_some?n=5", "POST", body=body), site.encode("/hello"))
        assert connection.read_answer().body == body[:5]
        assert connection.read_answer().body == b"hello\n"


@pytest.mark.parametrize("size", [10, 10_000, 1_000_000])
@pytest.mark.parametrize("path", ["/ignore", "/read_some?n=5"])
def test_content_not_read_when_streamed(streaming, size, path):
    """The answer arrives although the content was not taken."""
    body = b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n" * (size // 32 + 1)
    with streaming.connect() as connection:
        connection.send(streaming.encode(path, "POST", body=body))
        answer = connection.read_answer()
        assert (answer.status, answer.body) == ((403, b"not read") if path == "/ignore" else (200, body[:5]))
        if size < 100_000:
            connection.send(streaming.encode("/echo", "POST", body=b"in step"))
            assert connection.read_answer().body == b"in step"
        else:
            assert connection.closed(), "more than is worth reading to the end"


def test_streamed_content_is_seen_as_it_comes(streaming, signal):
    with streaming.connect() as connection:
        connection.send(streaming.encode(f"/read_in_turn?signal={signal.port}", "POST", {"Content-Length": "12"}))
        assert signal.wait() == "called"
        for word in (b"one", b"two", b"six"):
            connection.send(word + b"\n")
            assert signal.wait() == word.decode()
        assert signal.wait() == "end"
        assert connection.read_answer().body == b"done"


def test_streamed_chunks_are_seen_as_they_come(streaming, signal):
    with streaming.connect() as connection:
        connection.send(
            streaming.encode(f"/read_in_turn?signal={signal.port}", "POST", {"Transfer-Encoding": "chunked"})
        )
        assert signal.wait() == "called"
        for word in (b"one", b"two", b"six"):
            connection.send(b"4\r\n" + word + b"\n\r\n")
            assert signal.wait() == word.decode()
        connection.send(b"0\r\n\r\n")
        assert signal.wait() == "end"
        assert connection.read_answer().body == b"done"


def test_streamed_both_ways(streaming):
    with streaming.connect() as connection:
        connection.send(streaming.encode("/read_while_answering", "POST", {"Transfer-Encoding": "chunked"}))
        head = None
        for word in (b"one", b"two", b"six"):
            connection.send(b"4\r\n" + word + b"\n\r\n")
            head = head or connection.read_head()
            assert connection.read_chunk() == word.upper() + b"\n"
        connection.send(b"0\r\n\r\n")
        assert connection.read_chunk() == b""


@pytest.mark.breaks
@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("end", ["half_close", "reset"])
def test_streamed_content_that_is_cut_is_an_error(streaming, signal, framing, end):
    """It must not read as whole."""
    field = {"Content-Length": "10000"} if framing == "length" else {"Transfer-Encoding": "chunked"}
    connection = streaming.connect()
    connection.send(streaming.encode(f"/read_cut?signal={signal.port}", "POST", field))
    assert signal.wait() == "called"
    connection.send(b"x" * 500 if framing == "length" else b"1f4\r\n" + b"x" * 500 + b"\r\n")
    getattr(connection, end)()
    assert signal.wait().startswith("error")
    connection.close()
    assert streaming.request("/hello").body == b"hello\n"


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("end", ["half_close", "reset"])
def test_buffered_content_that_is_cut_never_reaches_the_application(site, framing, end, request):
    name = request.node.name
    field = {"Content-Length": "10000"} if framing == "length" else {"Transfer-Encoding": "chunked"}
    connection = site.connect()
    connection.send(
        site.encode(f"/count?name={name}", "POST", field),
        b"x" * 500 if framing == "length" else b"1f4\r\n" + b"x" * 500 + b"\r\n",
    )
    getattr(connection, end)()
    if end == "half_close":
        answer = connection.read_to_end()
        assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")
    connection.close()
    assert site.request("/hello").body == b"hello\n"
    assert json.loads(site.request(f"/counted?name={name}").body) == 0


def test_expect_is_answered_when_buffered(site):
    with site.connect() as connection:
        connection.send(site.encode("/echo", "POST", {"Expect": "100-continue", "Content-Length": "5"}))
        assert connection.read_line() == b"HTTP/1.1 100 Continue"
        assert connection.read_fields() == []
        connection.send(b"01234")
        answer = connection.read_answer()
        assert (answer.status, answer.body, answer.interim) == (200, b"01234", [])


def test_expect_with_chunked_content(site):
    with site.connect() as connection:
        connection.send(site.encode("/echo", "POST", {"Expect": "100-Continue", "Transfer-Encoding": "chunked"}))
        assert connection.read_line() == b"HTTP/1.1 100 Continue"
        assert connection.read_fields() == []
        connection.send(b"5\r\n01234\r\n0\r\n\r\n")
        assert connection.read_answer().body == b"01234"


def test_expect_of_something_else_fails(site):
    assert site.request("/echo", "POST", {"Expect": "the-unexpected"}, b"x").status == 417


def test_expect_in_http_1_0_means_nothing(site):
    answer = site.request("/echo", "POST", {"Expect": "100-continue"}, b"x", version="1.0")
    assert (answer.status, answer.body, answer.interim) == (200, b"x", [])


def test_expect_when_streamed_is_answered_at_the_first_read(streaming, signal):
    with streaming.connect() as connection:
        fields = {"Expect": "100-continue", "Content-Length": "5"}
        connection.send(streaming.encode(f"/read_when_told?signal={signal.port}", "POST", fields))
        assert signal.wait() == "called"
        connection.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.read_line()
        connection.socket.settimeout(PATIENCE)
        signal.say()
        assert connection.read_line() == b"HTTP/1.1 100 Continue"
        assert connection.read_fields() == []
        connection.send(b"01234")
        assert connection.read_answer().body == b"01234"


def test_expect_when_streamed_and_not_read_gets_the_answer_alone(streaming):
    with streaming.connect() as connection:
        connection.send(streaming.encode("/ignore", "POST", {"Expect": "100-continue", "Content-Length": "5"}))
        answer = connection.read_answer()
        assert (answer.status, answer.interim) == (403, [])
        if (answer.get("Connection") or "").lower() != "close":
            connection.send(b"01234", streaming.encode("/hello"))
            assert connection.read_answer().body == b"hello\n"


@pytest.mark.parametrize("stream", [False, True])
def test_a_large_upload_arrives_whole(serve: Callable[..., Server], stream):
    settings = (("RICKHOUSE_STREAM_INPUT", "true"),) if stream else ()
    server = serve("fixtures.site:application", settings=settings)
    body = content(1 << 20, 3) * 20
    assert json.loads(server.request("/said", "POST", body=body).body)["digest"] == digest(body)


def test_a_body_beyond_the_limit_is_refused(serve):
    server = serve("fixtures.site:application", settings=(("RICKHOUSE_MAX_BODY", "100KiB"),))
    assert server.request("/echo", "POST", body=b"x" * 100 * 1024).status == 200
    with server.connect() as connection:
        connection.send(server.encode("/echo", "POST", {"Content-Length": str(100 * 1024 + 1)}))
        assert connection.read_answer().status == 413
        assert connection.closed()
    with server.connect() as connection:
        fields = {"Content-Length": str(100 * 1024 + 1), "Expect": "100-continue"}
        connection.send(server.encode("/echo", "POST", fields))
        answer = connection.read_answer()
        assert (answer.status, answer.interim) == (413, [])
    with server.connect() as connection:
        connection.send(server.encode("/echo", "POST", {"Transfer-Encoding": "chunked"}))
        connection.send(b"%x\r\n" % (100 * 1024 + 1), b"x" * (100 * 1024 + 1), b"\r\n0\r\n\r\n")
        assert connection.read_answer().status == 413


def test_counted_works(site, request):
    """What other tests rely on to see that the application was not called."""
    name = request.node.name
    assert json.loads(site.request(f"/count?name={name}").body) == 1
    assert eventually(lambda: json.loads(site.request(f"/counted?name={name}").body) == 1)
