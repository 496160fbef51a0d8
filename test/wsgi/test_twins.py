"""Both sides of the worker, C and Python, give applications the same and clients the same, octet for octet."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from harness.server import Server, Spec, start

PATHS = """
    /hello /one_tuple /several /generated /generated?n=0 /sized?n=0 /sized?n=100 /nothing /only_empty /late /listed
    /written /only_written /replaced /replaced_after_empty /cookies /latin1 /constant /own_date
    /big_fields?n=3&size=100 /big?n=200000 /head?length=10 /head?body=10
    /status?line=204+No+Content&body= /status?line=304+Not+Modified&body= /status?line=200+
    /fail_early /fail_started /fail_first /fail_late?length=4 /fail_close /started_twice /started_twice_caught
    /never_started /never_started_empty /none /number /text /text_written
    /too_long?how=within /too_long?how=after /too_long?how=write
    /body_on?line=204+No+Content /body_on?line=304+Not+Modified
    /interim_status?line=103+Early+Hints /wrapped_pipe
    /odd_head?kind=status-bare /odd_head?kind=value-text /odd_head?kind=list-items /odd_head?kind=length-again
    /subclasses /sequence /odd_chunks /wide_list /not_there
""".split()
BAD = """
    status-int status-bytes status-empty status-word status-short status-low status-high status-joined
    status-crlf status-lf status-cr status-nul status-wide
    name-crlf name-space name-colon name-empty name-nul name-latin name-bytes
    value-crlf value-lf value-cr value-fold value-nul value-wide value-int value-none value-bytes
    pair-short pair-long list-none list-dict
    length-word length-negative length-plus length-hex length-empty length-list length-twice length-huge
""".split()
HOP_BY_HOP = "Connection Keep-Alive Proxy-Connection Proxy-Authenticate TE Trailer Transfer-Encoding Upgrade".split()
REQUESTS = [
    b"GET /environ HTTP/1.1\r\nHost: a.example\r\n\r\n",
    b"GET /environ/%C3%A9/%2541?a=%20&b HTTP/1.1\r\nHost: a.example:81\r\nX-A: 1\r\nx-a: 2\r\nX-A: \r\n\r\n",
    b"GET /environ HTTP/1.1\r\nHost: a.example\r\nCookie: a=1\r\nCookie: b=2\r\nContent-Type: a/b\r\n\r\n",
    b"GET /environ HTTP/1.1\r\nHost: a.example\r\nX-Latin: caf\xe9\xff\r\nX-Tab: a\tb\r\nX~!: odd\r\n\r\n",
    b"GET /environ HTTP/1.0\r\n\r\n",
    b"HEAD /environ HTTP/1.1\r\nHost: a.example\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n",
    b"GET http://b.example:82/environ?x HTTP/1.1\r\nHost: a.example\r\n\r\n",
    b"POST /environ HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\nContent-Type: text/plain\r\n\r\nabc",
    b"POST /environ HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"POST /environ HTTP/1.1\r\nHost: a.example\r\nContent-Length: 70000\r\n\r\n" + b"x" * 70000,
    b"PROPFIND /environ HTTP/1.1\r\nHost: a.example\r\nContent-Type: a\r\nContent-Type: b\r\n\r\n",
    b"GET /environ HTTP/1.1\r\nHost: a.example\r\n" + b"".join(b"X-%d: %d\r\n" % (n, n) for n in range(90)) + b"\r\n",
    b"GET /environ HTTP/1.1\r\nHost: a.example\r\n" + b"".join(b"Same-Name: %d\r\n" % n for n in range(90)) + b"\r\n",
    b"GET /environ HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
]


@pytest.fixture(scope="module")
def both(pytestconfig) -> Iterator[list[Server]]:
    """A server with each twin."""
    if pytestconfig.getoption("--twin") or pytestconfig.getoption("--server") != "rickhouse":
        pytest.skip("compares the twins of rickhouse")
    python, target = pytestconfig.getoption("--python"), "fixtures.site:application"
    servers = [start(Spec(target, twin), python) for twin in ("extension", "python")]
    for server in servers:
        server.wait_log(f"twin={server.spec.twin}")
    yield servers
    for server in servers:
        assert server.stop() == 0
        server.remove()


def octets(server: Server, request: bytes) -> bytes:
    """Return the answer as sent, and that to a second request behind it, without the moment."""
    with server.connect() as connection:
        # In one piece: where an answer is cut, what comes later is met by a reset.
        connection.send(request + (server.encode("/own_date", close=True) if b"HTTP/1.1" in request else b""))
        raw = b""
        try:
            while data := connection.socket.recv(65536):
                raw += data
        except ConnectionResetError:
            raw += b"(reset)"
    return re.sub(rb"Date: \w+, [^\r]+", b"Date: -", raw)


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", [*PATHS, *(f"/bad_head?kind={kind}" for kind in BAD)])
def test_answers_are_the_same(both, path, method, version):
    answers = []
    for server in both:
        request = f"{method} {path} HTTP/{version}\r\nHost: a.example\r\n\r\n".encode()
        answers.append(octets(server, request))
    assert answers[0] == answers[1]


@pytest.mark.parametrize("name", HOP_BY_HOP)
def test_hop_by_hop_fields_are_treated_the_same(both, name):
    request = f"GET /hop_by_hop?name={name}&value=x HTTP/1.1\r\nHost: a.example\r\n\r\n".encode()
    answers = [octets(server, request) for server in both]
    assert answers[0] == answers[1]


@pytest.mark.parametrize("request_octets", REQUESTS)
def test_environs_are_the_same(both, request_octets):
    method = request_octets.split()[0].decode()
    seen = []
    for server in both:
        with server.connect() as connection:
            connection.send(request_octets)
            answer = connection.read_answer(method)
            assert answer.status == 200
            got = json.loads(answer.body) if answer.body else {"items": {}}
        for key in ("REMOTE_PORT", "SERVER_PORT", "wsgi.input", "wsgi.errors", "wsgi.file_wrapper"):
            got["items"].pop(key, None)
        seen.append((got, sorted(name for name, _ in answer.fields)))
    assert seen[0] == seen[1]
