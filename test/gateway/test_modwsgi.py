"""The same application, served by Debian's Apache with mod_wsgi and by rickhouse: what both answer, field by field."""

from __future__ import annotations

import grp
import http.client
import json
import os
import pwd
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import folder, peer
from harness import servers
from harness.debian import libraries
from harness.servers import PATIENCE, SUITE

PYTHON = "/usr/bin/python3"  # what Debian's mod_wsgi is built for

WSGI = """
LoadModule wsgi_module {module}
WSGISocketPrefix {folder}/wsgi
WSGIDaemonProcess shop processes=2 threads=3 {user}umask=0027 home={folder}/home python-path={folder}/lib \
    display-name=(wsgi:shop) maximum-requests=10000 inactivity-timeout=3600 request-timeout=60
WSGIScriptAlias / {folder}/both.py process-group=shop application-group=%{{GLOBAL}}
<Directory {folder}>
  Require all granted
</Directory>
"""

HOUSE = """
bind = ["127.0.0.1:0"]
control_socket = "off"
[apps.shop]
wsgi = "both"
directory = "{folder}/home"
python = "{python}"
python_path = ["{folder}/lib", "{folder}"]
workers = 2
threads = 3
{user}umask = "0027"
display_name = "(wsgi:shop)"
max_requests = 10000
inactivity_timeout = "3600s"
request_timeout = "60s"
"""


BROWSER = {"Host": "shop.example", "Connection": "keep-alive"}


class Pair:
    """Both servers, by their ports."""

    def __init__(self, apache: int, house: int) -> None:
        self.ports = {"mod_wsgi": apache, "rickhouse": house}

    def ask(self, server: str, method: str, target: str, headers: dict[str, str], body: object) -> tuple[Any, bytes]:
        """Return the answer of one server."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[server], timeout=PATIENCE)
        try:
            connection.request(method, target, body=body, headers=BROWSER | headers)  # type: ignore[arg-type]
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    apache, module = peer("apache"), peer("mod_wsgi")
    if not os.access(PYTHON, os.X_OK):
        pytest.skip(f"there is no {PYTHON}")
    root = os.geteuid() == 0
    with folder() as path:
        shutil.copy(SUITE / "fixtures" / "both.py", path)
        for name in ("home", "lib"):
            (path / name).mkdir(mode=0o755)
        user = "user=nobody group=nogroup supplementary-groups=daemon " if root else ""
        text = WSGI.format(module=module["binary"], folder=path, user=user)
        os.environ |= {"LD_LIBRARY_PATH": libraries(Path(module["root"])).get("LD_LIBRARY_PATH", "")}
        try:
            front, port = servers.apache(apache, path, text)
        finally:
            del os.environ["LD_LIBRARY_PATH"]
        try:
            with folder() as other:
                user = 'user = "nobody"\ngroup = "nogroup"\ngroups = ["daemon"]\n' if root else ""
                house = servers.rickhouse(other, HOUSE.format(folder=path, python=PYTHON, user=user))
                yield Pair(port, servers.addresses(house)["http"][1])
                assert house.stop() == 0, house.log
        finally:
            front.stop()
            print(front.log)


# Differences in every answer, by field, and why.
ALWAYS = {
    "server": "each names itself, unless the application does; Apache overrides even that",
    "date": "of the moment, unless the application says it; Apache overrides even that",
    "keep-alive": "Apache tells how long it keeps a connection; RFC 9112 has no such field",
    "connection": "Apache says Keep-Alive to who says it, though HTTP/1.1 keeps connections anyway",
}

FRAMED = {
    "content-length": "rickhouse knows the length of a list, or of nothing, by its one element",
    "transfer-encoding": "mod_wsgi's daemon passes on what it does not know the length of in chunks",
}
COUNTED = {"content-length": FRAMED["content-length"]}
BARE = {"content-type": "Apache drops the type of what has no content"}
CRASHED = {
    "content": "Apache's page of HTML, and a line of text",
    "content-type": "likewise",
    "content-length": "likewise",
}

# Each request, with its differences: what differs, and why.
CASES: list[tuple[str, str, dict[str, str], bytes | None, dict[str, str]]] = [
    ("GET", "/whole", {}, None, FRAMED),
    ("GET", "/told", {}, None, {}),
    ("GET", "/pieces", {}, None, {}),
    ("GET", "/written", {}, None, {}),
    ("GET", "/nothing", {}, None, FRAMED),
    ("GET", "/cookies", {}, None, FRAMED),
    ("GET", "/untyped", {}, None, FRAMED),
    ("GET", "/named", {}, None, FRAMED),
    ("GET", "/validated", {}, None, FRAMED),
    ("GET", "/validated", {"If-None-Match": '"1"'}, None, FRAMED),
    ("GET", "/validated", {"Range": "bytes=0-3"}, None, FRAMED),
    ("GET", "/file", {}, None, {}),
    ("GET", "/status?201+Created", {}, None, FRAMED),
    ("GET", "/status?204+No+Content", {}, None, BARE),
    ("GET", "/status?302+Found", {}, None, FRAMED),
    ("GET", "/status?304+Not+Modified", {}, None, BARE),
    ("GET", "/status?404+Nope", {}, None, FRAMED),
    ("GET", "/status?500+Internal+Server+Error", {}, None, FRAMED),
    ("GET", "/status?599+Own", {}, None, FRAMED),
    ("HEAD", "/whole", {}, None, COUNTED),
    ("HEAD", "/pieces", {}, None, {}),
    ("HEAD", "/told", {}, None, {}),
    ("POST", "/echo", {}, b"content", FRAMED),
    ("POST", "/echo", {}, b"", FRAMED),
    ("PUT", "/echo", {"Content-Type": "application/json"}, b"{}", FRAMED),
    ("DELETE", "/echo", {}, None, FRAMED),
    ("OPTIONS", "/whole", {}, None, FRAMED),
    ("BREW", "/whole", {}, None, FRAMED),
    ("GET", "/changed", {}, None, FRAMED),
    ("GET", "/early", {}, None, CRASHED),
    ("GET", "/none", {}, None, FRAMED),
]


def differences(pair: Pair, method: str, target: str, headers: dict[str, str], body: bytes | None) -> dict[str, str]:
    """Return what differs in two answers, with what both have."""
    (a, content_a), (b, content_b) = (pair.ask(name, method, target, headers, body) for name in pair.ports)
    found = {}
    for what, x, y in (
        ("status", a.status, b.status),
        ("reason", a.reason, b.reason),
        ("content", content_a, content_b),
    ):
        if x != y:
            found[what] = f"{x!r}, {y!r}"
    fields_a, fields_b = ({k.lower(): r.headers.get_all(k) for k in r.headers} for r in (a, b))
    for name in sorted(fields_a.keys() | fields_b.keys()):
        x, y = fields_a.get(name), fields_b.get(name)
        if x != y and name not in ALWAYS:
            found[name] = f"{x!r}, {y!r}"
    return found


@pytest.mark.parametrize(("method", "target", "headers", "body", "why"), CASES)
def test_answers(
    pair: Pair, method: str, target: str, headers: dict[str, str], body: bytes | None, why: dict[str, str]
) -> None:
    found = differences(pair, method, target, headers, body)
    assert found.keys() == why.keys(), found


def test_what_always_differs(pair: Pair) -> None:
    answers = {name: pair.ask(name, "GET", "/named", {}, None)[0] for name in pair.ports}
    house, apache = answers["rickhouse"], answers["mod_wsgi"]
    assert (house.getheader("Server"), house.getheader("Date")) == ("mine", "Thu, 01 Jan 1970 00:00:00 GMT")
    assert apache.getheader("Server").startswith("Apache/")
    assert apache.getheader("Date") != house.getheader("Date")
    for name in ("Keep-Alive", "Connection"):
        assert house.getheader(name) is None
        assert apache.getheader(name) is not None


# What only one of them puts into environ, and why.
ONLY_APACHE = {
    "files": {"DOCUMENT_ROOT", "CONTEXT_DOCUMENT_ROOT", "CONTEXT_PREFIX", "PATH_TRANSLATED", "SCRIPT_FILENAME"},
    "CGI, not PEP 3333": {"GATEWAY_INTERFACE", "SERVER_SIGNATURE", "SERVER_ADMIN"},
    "wsgi.url_scheme and the socket's address say it": {"REQUEST_SCHEME", "SERVER_ADDR"},
    "the connection is the server's business": {"HTTP_CONNECTION"},
    "about mod_wsgi": {"mod_wsgi.*", "apache.version"},
}
ONLY_RICKHOUSE = {"the target as it was sent, as Gunicorn has it": {"RAW_URI"}}
OTHER_VALUES = {
    "SERVER_NAME": "Apache takes the client's word (Host), rickhouse its own address",
    "SERVER_PORT": "likewise",
    "SERVER_SOFTWARE": "each is itself",
    "PATH_INFO": "Apache merges slashes",
}


def test_environ(pair: Pair) -> None:
    seen = {}
    for name in pair.ports:
        _, content = pair.ask(name, "GET", "/environ/%7eann//x?q=1&r=%20", {"X-Own": "1", "Cookie": "a=b"}, None)
        seen[name] = json.loads(content)
    a, b = (seen[name]["environ"] for name in pair.ports)
    a.pop("LD_LIBRARY_PATH", None)
    for name in ("wsgi.input", "wsgi.errors", "wsgi.file_wrapper", "REMOTE_PORT"):
        # Each has a type of its own, which of rickhouse's depends on whether there is a C extension; and each has a
        # connection of its own, whose port may be the same by chance.
        assert a.pop(name), name
        assert b.pop(name), name
    only = {"mod_wsgi.*" if k.startswith("mod_wsgi.") else k for k in a.keys() - b.keys()}
    assert only == set().union(*ONLY_APACHE.values())
    assert b.keys() - a.keys() == set().union(*ONLY_RICKHOUSE.values())
    assert {k for k in a.keys() & b.keys() if a[k] != b[k]} == OTHER_VALUES.keys()

    # The options of WSGIDaemonProcess and the keys of an application come to the same.
    one, two = (seen[name]["process"] for name in pair.ports)
    for process in (one, two):
        process["groups"] = sorted({*process["groups"], process["gid"]})  # mod_wsgi repeats the first one
        process["title"] = process["title"].partition("\0")[0].rstrip(" ")  # Apache's own arguments follow
    assert one == two
    assert two["title"] == "(wsgi:shop)"
    assert two["umask"] == 0o27
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        assert (two["uid"], two["gid"]) == (nobody.pw_uid, grp.getgrnam("nogroup").gr_gid)
        assert grp.getgrnam("daemon").gr_gid in two["groups"]


def test_chunked_content(pair: Pair) -> None:
    """Apache refuses content without a length (WSGIChunkedRequest is off by default); rickhouse takes it in first."""
    request = (
        b"POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"7\r\ncontent\r\n0\r\n\r\n"
    )
    answers = {}
    for name, port in pair.ports.items():
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
            connection.sendall(request)
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            answers[name] = answer.status, answer.read()
    assert answers["mod_wsgi"][0] == 411
    assert answers["rickhouse"] == (200, b"content")
