"""Served on a Unix socket: no variable that must have a value is empty."""

from __future__ import annotations

import json
import socket
import tempfile
from pathlib import Path

import pytest
from harness import PATIENCE
from harness.client import Connection


@pytest.fixture
def unix(serve_own):
    """A server that listens on a Unix socket as well, and the socket's path."""
    with tempfile.TemporaryDirectory(prefix="wsgi-") as folder:  # short: a path has at most 107 octets
        path = Path(folder) / "socket"
        yield serve_own("fixtures.site:validated", arguments=("-b", f"unix:{path}")), path


def ask(path: Path, octets: bytes):
    """Send a request to the socket and return the answer."""
    connection = Connection.__new__(Connection)
    connection.socket, connection.buffer = socket.socket(socket.AF_UNIX), b""
    connection.socket.settimeout(PATIENCE)
    with connection:
        connection.socket.connect(str(path))
        connection.send(octets)
        return connection.read_answer()


@pytest.mark.parametrize(
    ("head", "name", "port"),
    [
        (b"GET /environ HTTP/1.1\r\nHost: shop.example\r\n\r\n", "shop.example", "80"),
        (b"GET /environ HTTP/1.1\r\nHost: shop.example:8080\r\n\r\n", "shop.example", "8080"),
        (b"GET /environ HTTP/1.0\r\n\r\n", None, "80"),
    ],
)
def test_environ(unix, head, name, port):
    _, path = unix
    answer = ask(path, head)
    assert answer.status == 200
    items = json.loads(answer.body)["items"]
    assert items["SERVER_NAME"][1] == name or (name is None and items["SERVER_NAME"][1])
    assert items["SERVER_PORT"][1] == port
    assert items.get("REMOTE_ADDR", ["str", ""])[1] == ""


def test_the_socket_goes_when_the_server_stops(unix):
    server, path = unix
    assert path.is_socket()
    assert server.request("/hello").body == b"hello\n"
    assert server.stop() == 0
    assert not path.exists()
