"""Requests that must never reach the application: they are answered, and nothing after them is served."""

from __future__ import annotations

import json

import pytest
from harness.client import Connection

HOST = b"Host: a.example\r\n"
AFTER = b"GET /count?name=smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n"

FRAMING = {
    "length and coding": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding and length": b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": b"Content-Length: 5\r\nContent-Length: 5\r\n\r\n01234",
    "two odd lengths": b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n01234",
    "list of lengths": b"Content-Length: 5, 5\r\n\r\n01234",
    "empty length": b"Content-Length: \r\n\r\n",
    "signed length": b"Content-Length: +5\r\n\r\n01234",
    "negative length": b"Content-Length: -5\r\n\r\n01234",
    "hex length": b"Content-Length: 0x5\r\n\r\n01234",
    "length with a space": b"Content-Length: 5 5\r\n\r\n01234",
    "huge length": b"Content-Length: 99999999999999999999\r\n\r\n01234",
    "unknown coding": b"Transfer-Encoding: gzip\r\n\r\n",
    "coding not last": b"Transfer-Encoding: chunked, gzip\r\n\r\n",
    "coding twice": b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "two codings": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "identity": b"Transfer-Encoding: identity\r\n\r\n",
    "quoted coding": b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "odd white space in coding": b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "space before colon": b"Content-Length : 5\r\n\r\n01234",
    "folded line": b"X-A: b\r\n c\r\n\r\n",
    "bare LF": b"X-A: b\nX-B: c\r\n\r\n",
    "bare CR": b"X-A: b\rX-B: c\r\n\r\n",
    "NUL in a value": b"X-A: b\0c\r\n\r\n",
    "name that is no token": b"X(A: b\r\n\r\n",
    "no name": b": b\r\n\r\n",
    "no colon": b"X-A\r\n\r\n",
    "second host": b"Host: b.example\r\n\r\n",
    "chunk size signed": b"Transfer-Encoding: chunked\r\n\r\n+5\r\n01234\r\n0\r\n\r\n",
    "chunk size with 0x": b"Transfer-Encoding: chunked\r\n\r\n0x5\r\n01234\r\n0\r\n\r\n",
    "chunk size empty": b"Transfer-Encoding: chunked\r\n\r\n\r\n01234\r\n0\r\n\r\n",
    "chunk size huge": b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n01234\r\n0\r\n\r\n",
    "chunk with bare LF": b"Transfer-Encoding: chunked\r\n\r\n5\n01234\r\n0\r\n\r\n",
    "chunk longer than said": b"Transfer-Encoding: chunked\r\n\r\n3\r\n01234\r\n0\r\n\r\n",
    "chunk extension with bare LF": b"Transfer-Encoding: chunked\r\n\r\n5;a=b\nc\r\n01234\r\n0\r\n\r\n",
}


def refused(connection: Connection) -> int:
    """Read the refusal, see that the connection ends with it, and return its status."""
    answer = connection.read_answer()
    assert 400 <= answer.status < 600
    assert (answer.get("Connection") or "").lower() == "close"
    assert connection.closed(), connection.buffer[:200]
    return answer.status


def untouched(site) -> bool:
    return json.loads(site.request("/counted?name=smuggled").body) == 0


@pytest.mark.parametrize("name", FRAMING)
def test_framing_that_can_be_read_in_two_ways(site, name):
    with site.connect() as connection:
        connection.send(b"POST /count?name=smuggled HTTP/1.1\r\n", HOST, FRAMING[name], AFTER)
        assert refused(connection) in (400, 411, 413, 501)
    assert untouched(site)


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /count?name=smuggled HTTP/2.0", 505),
        (b"GET /count?name=smuggled HTTP/1.10", 400),
        (b"GET /count?name=smuggled http/1.1", 400),
        (b"GET /count?name=smuggled", 400),
        (b"GET  /count?name=smuggled HTTP/1.1", 400),
        (b"GET /count?name=smuggled  HTTP/1.1", 400),
        (b"GET /count?name=smuggled HTTP/1.1 ", 400),
        (b"GET /count?name=smug gled HTTP/1.1", 400),
        (b"GET count?name=smuggled HTTP/1.1", 400),
        (b"GET /count?name=smuggled#part HTTP/1.1", 400),
        (b"GET /count?name=smuggled\x01 HTTP/1.1", 400),
        (b"G(T /count?name=smuggled HTTP/1.1", 400),
        (b"GET * HTTP/1.1", 400),
        (b"GET a.example:80 HTTP/1.1", 400),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1", 414),
    ],
)
def test_request_lines(site, request_line, status):
    with site.connect() as connection:
        connection.send(request_line + b"\r\n", HOST, b"\r\n", AFTER)
        assert refused(connection) == status
    assert untouched(site)


@pytest.mark.parametrize(
    "host", [b"", b"Host: a b\r\n", b"Host: a/b\r\n", b"Host: a@b\r\n", b"Host: a,b\r\n", b"Host: a:b\r\n"]
)
def test_hosts(site, host):
    with site.connect() as connection:
        connection.send(b"GET /count?name=smuggled HTTP/1.1\r\n", host, b"\r\n", AFTER)
        assert refused(connection) == 400
    assert untouched(site)


@pytest.mark.parametrize(
    "fields",
    [
        b"X-Large: " + b"v" * 9000 + b"\r\n",
        b"X-A: b\r\n" * 101,
        b"".join(b"X-%d: %s\r\n" % (n, b"v" * 4000) for n in range(9)),
    ],
)
def test_too_much(site, fields):
    with site.connect() as connection:
        connection.send(b"GET /count?name=smuggled HTTP/1.1\r\n", HOST, fields, b"\r\n", AFTER)
        assert refused(connection) == 431
    assert untouched(site)


def test_chunked_in_http_1_0(site):
    with site.connect() as connection:
        connection.send(b"POST /count?name=smuggled HTTP/1.0\r\n", HOST, b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
        assert refused(connection) == 400
    assert untouched(site)


def test_content_after_get_is_not_a_request(site):
    """GET may have content; it is not the next request."""
    with site.connect() as connection:
        connection.send(site.encode("/environ", "GET", body=AFTER), site.encode("/hello"))
        assert json.loads(connection.read_answer().body)["items"]["CONTENT_LENGTH"][1] == str(len(AFTER))
        assert connection.read_answer().body == b"hello\n"
    assert untouched(site)


def test_an_upgrade_nobody_takes_is_an_ordinary_request(site):
    with site.connect() as connection:
        connection.send(
            site.encode(
                "/hello", fields={"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
            )
        )
        answer = connection.read_answer()
        assert (answer.status, answer.body) == (200, b"hello\n")
