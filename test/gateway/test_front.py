"""Debian's nginx and Apache before rickhouse, by each protocol."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import socket
from collections.abc import Callable

import pytest
from harness.servers import PATIENCE, PROTOCOLS, Answer, Server, ask, until

Front = Callable[..., Answer]


@pytest.fixture(params=[f"{front}-{protocol}" for front in ("nginx", "apache") for protocol in PROTOCOLS])
def front(request: pytest.FixtureRequest) -> Front:
    """A web server that hands requests on by a protocol."""
    name, protocol = request.param.split("-")
    if name == "nginx":
        where = request.getfixturevalue("nginx")[protocol]
        ask_it = lambda *a, **f: ask(where, *a, **f)  # noqa: E731
        ask_it.where, ask_it.host = where, "nginx.test"
    else:
        where = request.getfixturevalue("apache")
        ask_it = lambda *a, **f: ask(where, *a, **{"Host": f"{protocol}.test", **f})  # noqa: E731
        ask_it.where, ask_it.host = where, f"{protocol}.test"
    ask_it.front, ask_it.protocol = name, protocol
    return ask_it


def test_the_application_sees_the_request_of_the_client(front: Front) -> None:
    answer = front("GET", "/environ?a=b%20c", X_Test="ä".encode().decode("latin-1"), Cookie="a=1; b=2")
    assert answer.status == 200
    seen = json.loads(answer.body)
    assert seen["PATH_INFO"] == "/environ"
    assert seen["SCRIPT_NAME"] == ""
    assert seen["QUERY_STRING"] == "a=b%20c"
    assert seen["REQUEST_METHOD"] == "GET"
    assert seen["REQUEST_URI"] == "/environ?a=b%20c"
    assert seen["REMOTE_ADDR"] == "127.0.0.1"
    assert int(seen["REMOTE_PORT"]) > 0
    assert seen["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert seen["SERVER_PORT"] in (str(front.where[1]), "80")
    assert seen["wsgi.url_scheme"] == "http"
    assert seen["HTTP_COOKIE"] == "a=1; b=2"
    assert seen["HTTP_X_TEST"] == "Ã¤"
    assert seen["size"] == "0"
    for name in ("HTTP_CONNECTION", "HTTP_PROXY", "HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE"):
        assert name not in seen


@pytest.mark.parametrize(
    ("target", "path"),
    [("/a%20b/environ", "/a b/environ"), ("/x/../y/environ", "/y/environ"), ("/%C3%A4/environ", "/Ã¤/environ")],
)
def test_the_path_is_decoded_once(front: Front, target: str, path: str) -> None:
    answer = front("GET", target)
    assert answer.status == 200, answer.body
    assert json.loads(answer.body)["PATH_INFO"] == path


@pytest.mark.parametrize("size", [1, 70_000, 3_000_000])
def test_content_arrives_whole(front: Front, size: int) -> None:
    content = bytes(i % 251 for i in range(size))
    seen = json.loads(front("POST", "/environ", content, Content_Type="application/x-test").body)
    assert seen["size"] == str(size)
    assert seen["sha"] == hashlib.sha256(content).hexdigest()
    assert seen["CONTENT_LENGTH"] == str(size)
    assert seen["CONTENT_TYPE"] == "application/x-test"


def test_chunked_content_arrives_whole(front: Front) -> None:
    connection = http.client.HTTPConnection(*front.where, timeout=PATIENCE)
    pieces = iter([b"abc" * 1000, b"de", b"f" * 40_000])
    connection.request(
        "POST", "/environ", pieces, {"Host": front.host, "Transfer-Encoding": "chunked"}, encode_chunked=True
    )
    response = connection.getresponse()
    body = response.read()
    if front.front == "apache" and front.protocol != "fastcgi":
        assert response.status == 411  # Apache's own answer: these protocols need a length
        connection.close()
        return
    assert response.status == 200, body
    seen = json.loads(body)
    connection.close()
    assert seen["size"] == str(3000 + 2 + 40_000)


@pytest.mark.parametrize("path", ["/stream", "/file"])
def test_large_answers_arrive_whole(front: Front, path: str) -> None:
    answer = front("GET", path)
    assert answer.status == 200
    assert answer.body == b"".join(bytes([i % 251]) * 100_000 for i in range(30))


def test_status_and_fields_pass(front: Front) -> None:
    answer = front("GET", "/fields")
    assert (answer.status, answer.body) == (299, b"fields")
    assert answer.all("set-cookie") == ["a=1", "b=2"]
    assert ", ".join(answer.all("x-a")) == "1, 2"
    redirect = front("GET", "/redirect")
    assert (redirect.status, redirect.all("location")[0].rpartition("/")[2]) == (303, "environ")
    assert front("GET", "/nothing").status == 204


def test_head_has_no_content(front: Front) -> None:
    answer = front("HEAD", "/environ")
    assert (answer.status, answer.body) == (200, b"")


def test_an_answer_that_is_cut_is_not_taken_for_whole(front: Front) -> None:
    if front.front == "apache" and front.protocol != "fastcgi":
        pytest.skip("these protocols have no end but that of the connection, and Apache overlooks a reset now and then")
    try:
        # Apache would keep the connection, and say nothing more on it.
        answer = front("GET", "/cut", Connection="close")
    except (http.client.IncompleteRead, ConnectionError):
        return
    assert answer.status >= 500  # the front had not begun to pass it on


def test_many_requests_one_after_the_other(front: Front) -> None:
    connection = http.client.HTTPConnection(*front.where, timeout=PATIENCE)
    for i in range(50):
        connection.request("GET", f"/environ?{i}", headers={"Host": front.host})
        assert json.loads(connection.getresponse().read())["QUERY_STRING"] == str(i)
    connection.close()


def test_a_client_that_goes_away_ends_the_answer(front: Front, house: Server) -> None:
    note = f"gone-{front.front}-{front.protocol}"
    with socket.create_connection(front.where, timeout=PATIENCE) as client:
        client.sendall(f"GET /endless?{note} HTTP/1.1\r\nHost: {front.host}\r\n\r\n".encode())
        assert client.recv(1000)
    until("the application is told", (house.folder / note).exists)


@pytest.mark.parametrize("protocol", PROTOCOLS)
class TestApache:
    """What Apache can be told."""

    def test_who_has_logged_in(self, apache: tuple[str, int], protocol: str) -> None:
        fields = {"Host": f"{protocol}.test", "Remote_User": "eve", "Auth_Type": "none"}
        assert ask(apache, "GET", "/private/environ", **fields).status == 401
        seen = json.loads(ask(apache, "GET", "/private/environ", Authorization=basic("ann", "secret"), **fields).body)
        assert (seen["REMOTE_USER"], seen["AUTH_TYPE"]) == ("ann", "Basic")
        assert (seen["HTTP_REMOTE_USER"], seen["HTTP_AUTH_TYPE"]) == ("eve", "none")

    def test_nobody_has_logged_in(self, apache: tuple[str, int], protocol: str) -> None:
        """Credentials that Apache has not asked for are the application's to judge."""
        fields = {"Host": f"{protocol}.test", "Remote_User": "eve", "Authorization": basic("eve", "x")}
        seen = json.loads(ask(apache, "GET", "/environ", **fields).body)
        assert "REMOTE_USER" not in seen
        assert "AUTH_TYPE" not in seen


def basic(user: str, password: str) -> str:
    """Return the credentials of basic authentication."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize("protocol", PROTOCOLS)
class TestNginx:
    """What nginx can be told, with its own parameters included unchanged."""

    def test_unix_sockets(self, nginx: dict[str, tuple[str, int]], protocol: str) -> None:
        seen = json.loads(ask(nginx[protocol], "POST", "/unix/environ", b"hello").body)
        assert (seen["PATH_INFO"], seen["size"], seen["REMOTE_ADDR"]) == ("/unix/environ", "5", "127.0.0.1")

    def test_mount_point(self, nginx: dict[str, tuple[str, int]], protocol: str) -> None:
        seen = json.loads(ask(nginx[protocol], "GET", "/app/environ").body)
        assert (seen["SCRIPT_NAME"], seen["PATH_INFO"], seen["REQUEST_URI"]) == ("/app", "/environ", "/app/environ")

    def test_dangerous_variables(self, nginx: dict[str, tuple[str, int]], house: Server, protocol: str) -> None:
        answer = ask(nginx[protocol], "GET", "/evil/environ")
        assert answer.status == 403
        assert b"UWSGI_FILE" in answer.body
        house.wait_log(r"refused a request.*UWSGI_FILE")

    def test_unbuffered(self, nginx: dict[str, tuple[str, int]], protocol: str) -> None:
        content = b"z" * 500_000
        answer = ask(nginx[protocol], "POST", "/unbuffered/environ", content)
        assert answer.status == 200, answer.body
        seen = json.loads(answer.body)
        assert (seen["size"], seen["CONTENT_LENGTH"]) == ("500000", "500000")
        assert seen["sha"] == hashlib.sha256(content).hexdigest()
        assert len(ask(nginx[protocol], "GET", "/unbuffered/stream").body) == 3_000_000

    def test_who_and_how_are_taken_from_variables(self, nginx: dict[str, tuple[str, int]], protocol: str) -> None:
        seen = json.loads(ask(nginx[protocol], "GET", "/secure/environ", X_Forwarded_For="203.0.113.9").body)
        assert (seen["wsgi.url_scheme"], "HTTP_X_FORWARDED_FOR" in seen) == ("https", False)
        assert "REMOTE_USER" not in seen

    def test_who_has_logged_in(self, nginx: dict[str, tuple[str, int]], protocol: str) -> None:
        seen = json.loads(ask(nginx[protocol], "GET", "/user/environ", Remote_User="eve").body)
        assert (seen["REMOTE_USER"], seen["AUTH_TYPE"]) == ("bob", "Negotiate")
