"""What the application is given."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from typing import Any

import pytest
from front import Front
from rickhouse_worker.environ import local_server


def environ(front: Front, path: str = "/environment", **rest: Any) -> dict[str, Any]:
    answer = front.get(path, **rest)
    assert answer.status == 200
    return ast.literal_eval(answer.body.decode())


def test_everything(wsgi: Front) -> None:
    got = environ(
        wsgi,
        raw_path="/environm%65nt",
        query="a=1&b=%20",
        script="/app",
        method="POST",
        content=b"x=y",
        fields=[("host", "example.org:8000"), ("content-type", "text/x"), ("content-length", "3"), ("x-own-name", "v")],
    )
    types = {k: got.pop(k) for k in ("wsgi.input", "wsgi.errors", "wsgi.file_wrapper", "type")}
    assert types["type"] == "<class 'dict'>"
    assert types["wsgi.file_wrapper"] == "<class 'type'>"
    assert got == {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "/app",
        "PATH_INFO": "/environment",
        "QUERY_STRING": "a=1&b=%20",
        "RAW_URI": "/environm%65nt?a=1&b=%20",
        "REQUEST_URI": "/environm%65nt?a=1&b=%20",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_SOFTWARE": "rickhouse/test",
        "REMOTE_ADDR": "127.0.0.2",
        "REMOTE_PORT": "4321",
        "CONTENT_TYPE": "text/x",
        "CONTENT_LENGTH": "3",
        "HTTP_HOST": "example.org:8000",
        "HTTP_X_OWN_NAME": "v",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
    }


def test_absent(wsgi: Front) -> None:
    got = environ(wsgi, fields=[])
    assert "CONTENT_LENGTH" not in got
    assert "CONTENT_TYPE" not in got
    assert not [k for k in got if k.startswith("HTTP_")]
    assert got["QUERY_STRING"] == ""
    assert got["RAW_URI"] == "/environment"


@pytest.mark.parametrize(
    ("fields", "key", "value"),
    [
        ([("accept", "a"), ("accept", "b"), ("accept", "c")], "HTTP_ACCEPT", "a,b,c"),
        ([("cookie", "a=1"), ("cookie", "b=2")], "HTTP_COOKIE", "a=1; b=2"),
        ([("x-a", ""), ("x-a", "")], "HTTP_X_A", ","),
        ([("x-a", "\xe9\xff")], "HTTP_X_A", "\xe9\xff"),
        ([("content-type", "a"), ("content-type", "b")], "CONTENT_TYPE", "a"),
        ([("content_length", "9")], "HTTP_CONTENT_LENGTH", "9"),
        ([("content-length", "0")], "CONTENT_LENGTH", "0"),
        ([("server-name", "x")], "HTTP_SERVER_NAME", "x"),
        ([(":remote-user", "ann"), ("remote-user", "eve")], "REMOTE_USER", "ann"),
        ([(":remote-user", "ann"), ("remote-user", "eve")], "HTTP_REMOTE_USER", "eve"),
        ([("remote-user", "eve"), (":auth-type", "Basic")], "AUTH_TYPE", "Basic"),
        ([("x!#$%&'*+.^`|~9", "x")], "HTTP_X!#$%&'*+.^`|~9", "x"),
    ],
)
def test_fields(wsgi: Front, fields: list[tuple[str, str]], key: str, value: str) -> None:
    for _ in range(2):  # the second time from the cache of names
        assert environ(wsgi, fields=fields)[key] == value


def test_many_names(start: Callable[..., Front]) -> None:
    """The cache of names is bounded and what does not fit is right all the same."""
    front = start().ready()
    for i in range(1500):
        name = f"x-name-{i}"
        got = environ(front, fields=[(name, str(i)), ("x" * 3000 + name, "long")])
        assert got[f"HTTP_X_NAME_{i}"] == str(i)
        assert got["HTTP_" + "X" * 3000 + f"X_NAME_{i}"] == "long"
    twice = [("cookie", "a=1"), ("content-type", "a"), ("cookie", "b=2"), ("content-type", "b"), ("accept", "a")] * 2
    got = environ(front, fields=twice)
    assert got["HTTP_COOKIE"] == "a=1; b=2; a=1; b=2"
    assert got["CONTENT_TYPE"] == "a"
    assert got["HTTP_ACCEPT"] == "a,a"


def test_latin1(wsgi: Front) -> None:
    got = environ(wsgi, path="/environment/\xc3\xa9\xff\x00", raw_path="/environment/%C3%A9%FF%00", query="\xe9")
    assert got["PATH_INFO"] == "/environment/\xc3\xa9\xff\x00"
    assert got["QUERY_STRING"] == "\xe9"


def test_changing_values(wsgi: Front) -> None:
    """What is remembered from the last request does not leak into the next."""
    for i, (version, protocol) in enumerate([(10, "1.0"), (11, "1.1"), (20, "2.0"), (30, "3.0"), (11, "1.1")]):
        got = environ(
            wsgi,
            version=version,
            scheme=i % 2,
            server=(f"10.0.0.{i}", 80 + i),
            client=(f"::{i}", i),
            method=["GET", "PUT", "X-ODD", "GET", "PATCH"][i],
            script="/s" * (i % 2),
            fields=[("host", f"h{i}")],
        )
        assert got["SERVER_PROTOCOL"] == "HTTP/" + protocol
        assert got["wsgi.url_scheme"] == ["http", "https"][i % 2]
        assert (got["SERVER_NAME"], got["SERVER_PORT"]) == (f"10.0.0.{i}", str(80 + i))
        assert (got["REMOTE_ADDR"], got["REMOTE_PORT"]) == (f"::{i}", str(i))
        assert got["SCRIPT_NAME"] == "/s" * (i % 2)
        assert got["HTTP_HOST"] == f"h{i}"
        assert got["REQUEST_METHOD"] == ["GET", "PUT", "X-ODD", "GET", "PATCH"][i]


@pytest.mark.parametrize(
    ("secure", "host", "want"),
    [
        (False, "", ("localhost", "80")),
        (True, "", ("localhost", "443")),
        (False, "example.org", ("example.org", "80")),
        (True, "example.org:8443", ("example.org", "8443")),
        (False, "[::1]", ("[::1]", "80")),
        (False, "[::1]:81", ("[::1]", "81")),
        (False, "odd:", ("odd:", "80")),
        (False, ":80", ("localhost", "80")),
    ],
)
def test_unix_socket(wsgi: Front, secure: bool, host: str, want: tuple[str, str]) -> None:
    assert local_server(secure, host) == want
    got = environ(
        wsgi, server=("/run/x.sock", 0), client=("", 0), scheme=int(secure), fields=[("host", host)] if host else []
    )
    assert (got["SERVER_NAME"], got["SERVER_PORT"]) == want
    assert got["REMOTE_ADDR"] == ""


def test_threads_and_workers(start: Callable[..., Front]) -> None:
    got = environ(start(threads=3, workers=2).ready())
    assert got["wsgi.multithread"] is True
    assert got["wsgi.multiprocess"] is True


def test_streams(wsgi: Front) -> None:
    assert wsgi.get("/errors").body == b"said"
    wsgi.until_seen(lambda: "more" in wsgi.err())
    assert "a line on wsgi.errors: é\nmore\n" in wsgi.err()
    assert "a line on stdout\n" in wsgi.out()


def test_room_for_fields(wsgi: Front, twin: str) -> None:
    """The copy of the template is not made larger for an ordinary number of fields, which would take long."""
    if twin == "python":
        pytest.skip("it does not care")
    sizes = {wsgi.get("/environment_size", fields=[(f"x-{i}", "v") for i in range(n)]).body for n in (0, 1, 8, 16)}
    assert len(sizes) == 1


CERTIFICATE = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("tls", "want"),
    [
        (
            {"tls_version": 0x0304, "cipher_suite": 0x1301, "client_cert_chain": []},
            {"SSL_PROTOCOL": "TLSv1.3", "SSL_CIPHER": "TLS_AES_128_GCM_SHA256", "SSL_CLIENT_VERIFY": "NONE"},
        ),
        (
            {
                "tls_version": 0x0303,
                "cipher_suite": 0xFFFF,
                "client_cert_chain": [CERTIFICATE, "issuer"],
                "client_cert_name": "CN=é",
                "client_cert_error": None,
            },
            {
                "SSL_PROTOCOL": "TLSv1.2",
                "SSL_CIPHER": "0xFFFF",
                "SSL_CLIENT_VERIFY": "SUCCESS",
                "SSL_CLIENT_CERT": CERTIFICATE,
                "SSL_CLIENT_S_DN": "CN=\xc3\xa9",
            },
        ),
        (
            {"client_cert_chain": ["c"], "client_cert_name": "CN=a", "client_cert_error": "expired"},
            {"SSL_CLIENT_VERIFY": "FAILED:expired", "SSL_CLIENT_CERT": "c", "SSL_CLIENT_S_DN": "CN=a"},
        ),
        ({}, {"SSL_CLIENT_VERIFY": "NONE"}),
    ],
)
def test_tls(wsgi: Front, tls: dict[str, Any], want: dict[str, str]) -> None:
    for ascii_only in (True, False):
        text = json.dumps(tls, ensure_ascii=ascii_only).encode().decode("latin-1")
        got = environ(wsgi, tls=text, scheme=1)
        assert {k: v for k, v in got.items() if k.startswith(("HTTPS", "SSL"))} == {"HTTPS": "on", **want}
    assert not any(k.startswith(("HTTPS", "SSL")) for k in environ(wsgi))
