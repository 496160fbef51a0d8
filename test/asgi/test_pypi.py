"""Applications from PyPI that nobody here wrote: datasette, and an API made with Strawberry over WSGI and ASGI."""

from __future__ import annotations

import json
import sqlite3

import httpx
import pytest
from harness import PATIENCE
from websockets.sync.client import connect


def test_datasette(serve_own, tmp_path):
    database = sqlite3.connect(tmp_path / "shop.db")
    database.execute("create table notes (id integer primary key, text)")
    database.executemany("insert into notes (text) values (?)", [(f"note {i}",) for i in range(1000)])
    database.commit()
    database.close()
    server = serve_own("fixtures.datasette_site:application", environment=(("DATABASE", str(tmp_path / "shop.db")),))
    with httpx.Client(base_url=server.url, timeout=PATIENCE, follow_redirects=True) as client:
        assert "shop" in client.get("/").text
        rows = client.get("/shop/notes.json", params={"_shape": "array", "_size": "max"}).json()
        assert [row["text"] for row in rows] == [f"note {i}" for i in range(1000)]
        answer = client.get("/shop.json", params={"sql": "select count(*) as n from notes", "_shape": "array"})
        if answer.status_code == 404:
            answer = client.get(
                "/shop/-/query.json", params={"sql": "select count(*) as n from notes", "_shape": "array"}
            )
        assert answer.json() == [{"n": 1000}]
        lines = [line for line in client.get("/shop/notes.csv", params={"_stream": "on"}).text.splitlines() if line]
        assert len(lines) == 1001
        css = client.get("/-/static/app.css")
        assert (css.status_code, int(css.headers["content-length"])) == (200, len(css.content))
    assert "Traceback" not in server.log()


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_strawberry(serve, interface):
    server = serve(f"fixtures.graphql_site:{interface}")
    with httpx.Client(base_url=server.url, timeout=PATIENCE) as client:
        for query, want in (
            ('{ hello(name: "world") }', {"hello": "Hello, world!"}),
            ("mutation { add(a: 40, b: 2) }", {"add": 42}),
        ):
            assert client.post("/", json={"query": query}).json()["data"] == want
        errors = client.post("/", json={"query": "{ nothing }"}).json()["errors"]
        assert "nothing" in errors[0]["message"]


def test_a_subscription(serve):
    url = serve("fixtures.graphql_site:asgi").url.replace("http", "ws") + "/"
    with connect(url, subprotocols=["graphql-transport-ws"], open_timeout=PATIENCE) as socket:
        assert socket.subprotocol == "graphql-transport-ws"
        socket.send(json.dumps({"type": "connection_init"}))
        assert json.loads(socket.recv(timeout=PATIENCE))["type"] == "connection_ack"
        query = {"query": "subscription { count(to: 3) }"}
        socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": query}))
        got = [json.loads(socket.recv(timeout=PATIENCE)) for _ in range(4)]
    assert [message["payload"]["data"]["count"] for message in got[:3]] == [0, 1, 2]
    assert got[3]["type"] == "complete"
