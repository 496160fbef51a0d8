"""Rickhouse before uWSGI and PHP-FPM."""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from harness.servers import PATIENCE, PROTOCOLS, Server, ask

Site = tuple[Server, tuple[str, int]]


@pytest.mark.parametrize("protocol", PROTOCOLS)
class TestUWSGI:
    """The application in uWSGI, by each of the protocols that it speaks."""

    def test_request(self, uwsgi: Site, protocol: str) -> None:
        answer = ask(uwsgi[1], "GET", f"/{protocol}/a%20b/environ?q=1", X_Test="1", Proxy="evil")
        assert answer.status == 200
        seen = json.loads(answer.body)
        assert (seen["SCRIPT_NAME"], seen["PATH_INFO"]) == ("", f"/{protocol}/a b/environ")
        assert (seen["QUERY_STRING"], seen["HTTP_X_TEST"], seen["REMOTE_ADDR"]) == ("q=1", "1", "127.0.0.1")
        assert seen["REQUEST_URI"] == f"/{protocol}/a%20b/environ?q=1"
        assert "HTTP_PROXY" not in seen

    @pytest.mark.parametrize("size", [1, 70_000, 3_000_000])
    def test_content(self, uwsgi: Site, protocol: str, size: int) -> None:
        content = bytes(i % 251 for i in range(size))
        seen = json.loads(ask(uwsgi[1], "POST", f"/{protocol}/environ", content).body)
        assert (seen["size"], seen["sha"]) == (str(size), hashlib.sha256(content).hexdigest())

    def test_chunked_content(self, uwsgi: Site, protocol: str) -> None:
        connection = http.client.HTTPConnection(*uwsgi[1], timeout=PATIENCE)
        connection.request("POST", f"/{protocol}/environ", iter([b"abc", b"de" * 50_000]), encode_chunked=True)
        seen = json.loads(connection.getresponse().read())
        connection.close()
        assert (seen["size"], seen["CONTENT_LENGTH"]) == ("100003", "100003")

    def test_answers(self, uwsgi: Site, protocol: str) -> None:
        large = ask(uwsgi[1], "GET", f"/{protocol}/stream")
        assert (large.status, len(large.body)) == (200, 3_000_000)
        answer = ask(uwsgi[1], "GET", f"/{protocol}/fields")
        assert (answer.status, answer.reason, answer.all("set-cookie")) == (299, "Just So", ["a=1", "b=2"])
        assert ask(uwsgi[1], "GET", f"/{protocol}/redirect").status == 303
        assert ask(uwsgi[1], "HEAD", f"/{protocol}/environ").body == b""
        assert ask(uwsgi[1], "GET", f"/{protocol}/nothing").status == 204

    def test_a_client_that_goes_away(self, uwsgi: Site, protocol: str) -> None:
        with socket.create_connection(uwsgi[1], timeout=PATIENCE) as client:
            client.sendall(f"GET /{protocol}/endless?gone-{protocol} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert client.recv(1000)
        # uWSGI closes the iterable when it can write no more.
        assert ask(uwsgi[1], "GET", f"/{protocol}/environ").status == 200


class TestPHP:
    """PHP-FPM, as for a site with a front controller."""

    def test_request(self, php: Site) -> None:
        answer = ask(php[1], "GET", "/index.php/more?a=b", X_Test="1")
        assert (answer.status, answer.all("x-php")) == (200, ["fpm-fcgi"])
        seen = json.loads(answer.body)
        server = seen["server"]
        assert (server["SCRIPT_NAME"], server["PATH_INFO"], seen["get"]) == ("/index.php", "/more", {"a": "b"})
        assert (server["REQUEST_URI"], server["HTTP_X_TEST"], server["REMOTE_ADDR"]) == (
            "/index.php/more?a=b",
            "1",
            "127.0.0.1",
        )
        assert server["SCRIPT_FILENAME"].endswith("/fixtures/php/index.php")

    @pytest.mark.parametrize("path", ["/", "/pretty/address", "/index.php"])
    def test_front_controller(self, php: Site, path: str) -> None:
        assert json.loads(ask(php[1], "GET", path).body)["server"]["SCRIPT_NAME"] == "/index.php"

    @pytest.mark.parametrize("size", [5, 70_000, 2_000_000])
    def test_content(self, php: Site, size: int) -> None:
        content = b"c" * size
        seen = json.loads(ask(php[1], "POST", "/", content, Content_Type="application/x-test").body)
        assert (seen["size"], seen["sha"]) == (size, hashlib.sha256(content).hexdigest())

    def test_form(self, php: Site) -> None:
        seen = json.loads(ask(php[1], "POST", "/", b"a=1&b=2", Content_Type="application/x-www-form-urlencoded").body)
        assert seen["post"] == {"a": "1", "b": "2"}

    def test_answers(self, php: Site) -> None:
        answer = ask(php[1], "GET", "/status.php?status=404")
        assert (answer.status, answer.body, len(answer.all("set-cookie"))) == (404, b"status", 2)
        redirect = ask(php[1], "GET", "/status.php?to=/there")
        assert (redirect.status, redirect.all("location")) == (302, ["/there"])
        assert ask(php[1], "HEAD", "/status.php").body == b""
        assert ask(php[1], "GET", "/stream.php").body == b"".join(bytes([i]) * 100_000 for i in range(30))
        assert ask(php[1], "GET", "/missing.php").status == 404

    def test_what_php_says_is_logged(self, php: Site) -> None:
        assert ask(php[1], "GET", "/status.php?warn=1").status == 200
        php[0].wait_log("an upstream says.*an error on purpose")


class TestKeptConnections:
    """PHP-FPM by connections that carry more than one request."""

    def test_connections_are_kept(self, php_kept: Site, php: Site) -> None:
        def connections(site: Site) -> int:
            seen = {ask(site[1], "GET", "/connection.php").body for _ in range(20)}
            return len({json.dumps(json.loads(body)["connection"]) for body in seen})

        assert connections(php) == 20
        assert connections(php_kept) <= 3  # each event loop has its own

    @pytest.mark.parametrize("size", [0, 5, 70_000, 2_000_000])
    def test_content(self, php_kept: Site, size: int) -> None:
        for i in range(4):
            content = bytes([i]) * size
            seen = json.loads(ask(php_kept[1], "POST", "/connection.php", content).body)
            assert seen["sha"] == hashlib.sha256(content).hexdigest()

    def test_answers(self, php_kept: Site) -> None:
        for _ in range(3):
            assert ask(php_kept[1], "HEAD", "/status.php").body == b""
            assert ask(php_kept[1], "GET", "/stream.php").body == b"".join(bytes([i]) * 100_000 for i in range(30))
            assert ask(php_kept[1], "GET", "/missing.php").status == 404
            assert ask(php_kept[1], "GET", "/status.php?status=204").body == b""

    def test_more_requests_than_processes(self, php_kept: Site) -> None:
        with ThreadPoolExecutor(12) as pool:
            answers = pool.map(lambda i: ask(php_kept[1], "POST", "/connection.php", b"%d" % i), range(120))
            for i, answer in enumerate(answers):
                assert answer.status == 200
                assert json.loads(answer.body)["sha"] == hashlib.sha256(b"%d" % i).hexdigest()

    def test_processes_that_end(self, php_kept: Site) -> None:
        seen = [ask(php_kept[1], "GET", "/few/connection.php") for _ in range(60)]
        assert {answer.status for answer in seen} == {200}
        assert len({json.loads(answer.body)["connection"][0] for answer in seen}) >= 12


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_upstream_that_is_gone_is_502(uwsgi: Site, protocol: str) -> None:
    assert ask(uwsgi[1], "GET", f"/gone/{protocol}").status == 502
    uwsgi[0].wait_log(f"{protocol}://unix:.*gone.sock")


def test_what_no_route_matches_is_404(uwsgi: Site) -> None:
    assert ask(uwsgi[1], "GET", "/nowhere").status == 404
