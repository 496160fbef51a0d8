"""The same five pages made with eight frameworks, asked for with a real client; and what tutorials show."""

from __future__ import annotations

import hashlib

import httpx
import pytest
import requests

SITES = {
    "flask": "fixtures.real.flask_site",
    "werkzeug": "fixtures.real.werkzeug_site",
    "webob": "fixtures.real.webob_site",
    "bottle": "fixtures.real.bottle_site",
    "web.py": "fixtures.real.webpy_site:application",
    "pyramid": "fixtures.real.pyramid_site:make_application()",
    "falcon": "fixtures.real.falcon_site:application",
}


@pytest.fixture(params=sorted(SITES))
def client(request, serve):
    """A client of the site made with one framework; a traceback in the log is an error."""
    server = serve(SITES[request.param])
    since = server.log_size()
    with httpx.Client(base_url=server.url, timeout=60) as made:
        yield made
    assert "Traceback" not in server.log(since)


def test_hello(client):
    answer = client.get("/hello/wor%6Cd", params={"greeting": "Hello"})
    assert (answer.status_code, answer.text) == (200, "Hello, world!")
    answer = client.get("/hello/\u732b", params={"greeting": "Gr\u00fc\u00df dich"})
    assert answer.text == "Gr\u00fc\u00df dich, \u732b!"


def test_form(client):
    answer = client.post("/form", data={"author": "J\u00f8rgen", "text": "a&b=c\n" * 100})
    assert answer.status_code == 200
    assert answer.json() == {"author": "J\u00f8rgen", "text": "a&b=c\n" * 100}


@pytest.mark.parametrize("size", [0, 1000, 300_000])
def test_upload(client, size):
    content = bytes(number % 251 for number in range(1000)) * (size // 1000)
    answer = client.post("/upload", files={"file": ("notes.bin", content)})
    assert answer.status_code == 200
    assert answer.json() == {"name": "notes.bin", "size": size, "sha256": hashlib.sha256(content).hexdigest()}


def test_chunked_form(client):
    """A client that does not say how long the form is; most frameworks read nothing without CONTENT_LENGTH."""

    def pieces():
        yield b"author=me&"
        yield b"text=in+pieces"

    answer = client.post("/form", content=pieces(), headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.json() == {"author": "me", "text": "in pieces"}


def test_stream(client):
    with client.stream("GET", "/stream") as answer:
        assert answer.status_code == 200
        assert list(answer.iter_lines()) == [f"line {number}" for number in range(10)]


def test_redirect_and_cookie(client):
    answer = client.get("/old", follow_redirects=True)
    assert (answer.status_code, answer.text) == (200, "Welcome, moved!")
    assert [past.status_code for past in answer.history] == [302] or [past.status_code for past in answer.history] == [
        303
    ]
    assert client.cookies["seen"] == "yes"


def test_head_and_missing(client):
    answer = client.head("/hello/world", params={"greeting": "Hello"})
    assert answer.content == b""
    answer = client.get("/nowhere")
    assert answer.status_code == 404


def test_tutorial_get_only(serve):
    server = serve("fixtures.real.tutorials:get_only")
    with requests.Session() as session:
        assert session.get(server.url + "/a/b%20c").text == "You asked for /a/b c\n"
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            answer = session.request(
                method, server.url + "/", data=b"content" if method != "DELETE" else None, timeout=60
            )
            assert (answer.status_code, answer.text) == (501, "Only GET is implemented.\n")
        assert session.head(server.url + "/").status_code == 501


def test_tutorial_wrong_host(serve):
    server = serve("fixtures.real.tutorials:only_shop")
    assert requests.get(server.url + "/", headers={"Host": "shop.example"}, timeout=60).text == "You asked for /\n"
    assert requests.get(server.url + "/", headers={"Host": "shop.example:80"}, timeout=60).status_code == 200
    answer = requests.get(server.url + "/", timeout=60)
    assert (answer.status_code, answer.text) == (404, "Wrong host.\n")
