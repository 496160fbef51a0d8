"""What a proxy in front says of its client, believed only from trusted ones."""

from __future__ import annotations

import json

import pytest

TRUSTING = (("RICKHOUSE_TRUSTED_PROXIES", "127.0.0.1"),)


def environ(server, fields) -> dict:
    answer = server.request("/environ", fields=fields)
    assert answer.status == 200, answer
    return {key: value for key, (_, value) in json.loads(answer.body)["items"].items()}


@pytest.mark.parametrize(
    ("fields", "client", "scheme", "host"),
    [
        ({"X-Forwarded-For": "203.0.113.7"}, "203.0.113.7", "http", None),
        ({"X-Forwarded-For": "6.6.6.6, 203.0.113.7"}, "203.0.113.7", "http", None),
        ({"X-Forwarded-For": "6.6.6.6, 203.0.113.7, 127.0.0.1"}, "203.0.113.7", "http", None),
        ({"X-Forwarded-For": "2001:db8::1"}, "2001:db8::1", "http", None),
        ({"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"}, "203.0.113.7", "https", None),
        ({"X-Forwarded-Host": "shop.example", "X-Forwarded-For": "203.0.113.7"}, "203.0.113.7", "http", "shop.example"),
        (
            {"Forwarded": 'for=203.0.113.7;proto=https;host="shop.example:8443"'},
            "203.0.113.7",
            "https",
            "shop.example:8443",
        ),
        ({"Forwarded": 'for=6.6.6.6, for="[2001:db8::1]:4711"'}, "2001:db8::1", "http", None),
        (
            {"Forwarded": "for=6.6.6.6;proto=https;host=evil.example", "X-Forwarded-For": "203.0.113.7"},
            "203.0.113.7",
            "http",
            None,
        ),
        ({}, "127.0.0.1", "http", None),
    ],
)
def test_a_trusted_proxy_is_believed(serve, fields, client, scheme, host):
    server = serve("fixtures.site:application", settings=TRUSTING)
    got = environ(server, fields)
    assert got["REMOTE_ADDR"] == client
    assert got["wsgi.url_scheme"] == scheme
    assert got["HTTP_HOST"] == (host or f"127.0.0.1:{server.address[1]}")


@pytest.mark.parametrize(
    "fields",
    [
        {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "shop.example"},
        {"Forwarded": "for=203.0.113.7;proto=https;host=shop.example"},
    ],
)
def test_nobody_else_is(site, fields):
    got = environ(site, fields)
    assert got["REMOTE_ADDR"] == "127.0.0.1"
    assert got["wsgi.url_scheme"] == "http"
    assert got["HTTP_HOST"] == f"127.0.0.1:{site.address[1]}"


@pytest.mark.parametrize("value", ["unknown", "_hidden", "not an address", "203.0.113.7, ", "999.1.1.1"])
def test_nonsense_from_a_trusted_proxy_does_no_harm(serve, value):
    server = serve("fixtures.site:application", settings=TRUSTING)
    answer = server.request("/environ", fields={"X-Forwarded-For": value})
    assert answer.status in (200, 400)
    if answer.status == 200:
        assert json.loads(answer.body)["items"]["REMOTE_ADDR"][1] in ("127.0.0.1", "203.0.113.7")


def test_urls_are_right_behind_a_proxy(serve):
    """The whole point: what wsgiref's recipe for the URL makes of the environ."""
    from wsgiref.util import request_uri

    server = serve("fixtures.site:application", settings=TRUSTING)
    got = environ(
        server, {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "shop.example"}
    )
    assert request_uri(got) == "https://shop.example/environ"
