"""What answers and what stands before it, over HTTP/3."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import os
import unittest
import zlib

from apps import PIECE, PIECES
from client import Answer, Client, Fields, client
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from server import PATIENCE, Server

LARGE = os.urandom(1 << 20) * 6
TEXT = b"".join(b"%d bottles\n" % i for i in range(1 << 18))

FILES = {
    "public/large.bin": LARGE,
    "public/large.txt": TEXT,
    "public/small.css": b"a { color: red }\n",
    "404.html": b"<p>gone</p>",
    "soon.html": b"<p>soon</p>",
}

ROUTES = """
[[routes]]
path = "/files/*"
files = "public"
error_pages = { 404 = "404.html" }

[[routes]]
path = "/packed/*"
files = "public"
compress = true

[[routes]]
path = "/inside/*"
files = "public"
internal = true

[[routes]]
path = "/compress/*"
app = "web"
rewrite = "/*"
compress = true

[[routes]]
path = "/edit/*"
app = "web"
rewrite = "/*"
set_headers = { X-Robots-Tag = "noindex" }
remove_headers = ["X-Powered-By"]
set_request_headers = { X-Env = "prod" }
remove_request_headers = ["Cookie"]
x_accel_redirect = true

[[routes]]
path = "/rate"
respond = "ok"
rate_limit = "1/h"
rate_burst = 2

[[routes]]
path = "/denied"
respond = "ok"
deny = ["127.0.0.2"]

[[routes]]
path = "/auth/*"
app = "web"
rewrite = "/*"
basic_auth_users = { ann = "HASH" }
basic_auth_header = "X-Remote-User"

[[routes]]
path = "/soon"
app = "web"
maintenance = true
maintenance_page = "soon.html"
maintenance_retry_after = "60s"

[[routes]]
path = "/little/*"
app = "web"
rewrite = "/*"
max_body = "64KiB"
compress = true
max_concurrent = 10
security_headers = true
timeout = "50s"

[[routes]]
path = "/listener"
listener = ["127.0.0.2:0"]
respond = "private"

[[routes]]
path = "/listener"
listener = ["127.0.0.1:0"]
respond = "public"

[[routes]]
app = "web"
x_accel_redirect = true
"""


class Rooms(unittest.TestCase):
    """One server with a route for each."""

    server: Server

    @classmethod
    def setUpClass(cls) -> None:
        known = Argon2id(salt=b"0123456789abcdef", length=32, iterations=1, lanes=1, memory_cost=64)
        routes = ROUTES.replace("HASH", known.derive_phc_encoded(b"secret"))
        cls.server = Server("apps:asgi", routes, bind=["127.0.0.2:0"], files=FILES)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.server.finish()


class Files(Rooms):
    """Files of a folder."""

    def test_large_file(self) -> None:
        async def body(c: Client) -> None:
            whole, *parts = await asyncio.gather(
                c.request("GET", "/files/large.bin"),
                c.request("GET", "/files/large.bin", fields=[(b"range", b"bytes=1000000-4999999")]),
                c.request("GET", "/files/large.bin", fields=[(b"range", b"bytes=-3000000")]),
                c.request("GET", "/files/large.bin", fields=[(b"range", b"bytes=99999999-")]),
                c.request("GET", "/files/large.bin", fields=[(b"range", b"bytes=0-1,2000000-4000000")]),
            )
            assert (whole.status, whole.body == LARGE) == (200, True)
            assert whole.fields[b"content-length"] == str(len(LARGE)).encode()
            middle, end, beyond, several = parts
            assert (middle.status, middle.body == LARGE[1000000:5000000]) == (206, True)
            assert middle.fields[b"content-range"] == b"bytes 1000000-4999999/%d" % len(LARGE)
            assert (end.status, end.body == LARGE[-3000000:]) == (206, True)
            assert (beyond.status, beyond.fields[b"content-range"]) == (416, b"bytes */%d" % len(LARGE))
            assert several.status == 206
            assert several.fields[b"content-type"].startswith(b"multipart/byteranges")
            assert LARGE[2000000:4000001] in several.body

        self.server.run(body)

    def test_slow_client(self) -> None:
        async def body(c: Client) -> None:
            with c.slow():
                _, answer = c.begin("GET", "/files/large.bin")
                while len(answer.body) < 1 << 19:
                    await asyncio.sleep(0.01)
                # The connection's window is shared: what is small waits as well.
                for _ in range(10):
                    await c.ping()
                assert len(answer.body) <= 1 << 20
                assert not answer.ended.is_set()
            await answer.ended.wait()
            assert (answer.error, answer.body == LARGE) == (None, True)

        self.server.run(body)

    def test_cancelled_download(self) -> None:
        async def body(c: Client) -> None:
            with c.slow():
                stream, answer = c.begin("GET", "/files/large.bin")
                while len(answer.body) < 1 << 19:
                    await asyncio.sleep(0.01)
                c.cancel(stream)
            answer = await c.request("GET", "/files/small.css")
            assert answer.status == 200

        self.server.run(body)

    def test_conditions(self) -> None:
        async def body(c: Client) -> None:
            async def ask(name: bytes, value: bytes) -> Answer:
                return await c.request("GET", "/files/small.css", fields=[(name, value)])

            answer = await c.request("GET", "/files/small.css")
            tag, date = answer.fields[b"etag"], answer.fields[b"last-modified"]
            assert bytes(answer.body) == FILES["public/small.css"]
            for name, value, status in (
                (b"if-none-match", tag, 304),
                (b"if-none-match", b'"another"', 200),
                (b"if-modified-since", date, 304),
                (b"if-match", b'"another"', 412),
                (b"if-unmodified-since", b"Mon, 01 Jan 2001 00:00:00 GMT", 412),
                (b"range", b"bytes=2-4", 206),
            ):
                answer = await ask(name, value)
                assert answer.status == status, (name, value, answer)
                assert answer.fields.get(b"etag", tag) == tag
                assert (status == 304) <= (not answer.body)

        self.server.run(body)

    def test_head(self) -> None:
        async def body(c: Client) -> None:
            for name, length in (("large.bin", len(LARGE)), ("small.css", 17)):
                answer = await c.request("HEAD", "/files/" + name)
                assert (answer.status, bytes(answer.body)) == (200, b"")
                assert int(answer.fields[b"content-length"]) == length
            answer = await c.request("DELETE", "/files/small.css")
            assert (answer.status, answer.fields[b"allow"]) == (405, b"GET, HEAD, OPTIONS")

        self.server.run(body)

    def test_handover(self) -> None:
        async def body(c: Client) -> None:
            answer = await c.request("GET", "/redirect?/inside/large.bin", fields=[(b"range", b"bytes=7-4000000")])
            assert (answer.status, answer.body == LARGE[7:4000001]) == (206, True), answer.fields
            assert answer.fields[b"set-cookie"] == b"a=1"
            assert b"x-accel-redirect" not in answer.fields
            answer = await c.request("POST", "/redirect?/inside/small.css", b"form")
            assert (answer.status, bytes(answer.body)) == (200, FILES["public/small.css"])
            # The chain of the route that was asked for stays.
            answer = await c.request("GET", "/edit/redirect?/inside/small.css")
            assert (answer.status, answer.fields[b"x-robots-tag"]) == (200, b"noindex")
            answer = await c.request("HEAD", "/redirect?/inside/small.css")
            assert (answer.status, answer.fields[b"content-length"], bytes(answer.body)) == (200, b"17", b"")
            for path, status in (("/redirect?/inside/nothing", 404), ("/inside/small.css", 404)):
                answer = await c.request("GET", path)
                assert answer.status == status, path

        self.server.run(body)


class Chain(Rooms):
    """What a route carries."""

    def test_compression(self) -> None:
        gzipped: Fields = [(b"accept-encoding", b"gzip")]

        async def body(c: Client) -> None:
            for path, want in (("/compress/stream", PIECE * PIECES), ("/packed/large.txt", TEXT)):
                answer = await c.request("GET", path, fields=gzipped)
                assert (answer.status, answer.fields[b"content-encoding"]) == (200, b"gzip"), path
                assert (b"content-length" in answer.fields, answer.fields[b"vary"].lower()) == (
                    False,
                    b"accept-encoding",
                )
                assert len(answer.body) < len(want) // 2
                assert gzip.decompress(answer.body) == want
                answer = await c.request("GET", path)
                assert (answer.status, answer.body == want) == (200, True)
                assert b"content-encoding" not in answer.fields
            answer = await c.request("HEAD", "/packed/large.txt", fields=gzipped)
            assert (answer.fields[b"content-encoding"], bytes(answer.body)) == (b"gzip", b"")
            content = json.dumps(list(range(1000))).encode()
            answer = await c.request("POST", "/compress/echo", content, gzipped)
            assert gzip.decompress(answer.body) == content
            answer = await c.request("GET", "/packed/large.bin", fields=gzipped)
            assert answer.body == LARGE

        self.server.run(body)

    def test_compressed_as_it_comes(self) -> None:
        async def body(c: Client) -> None:
            _, answer = c.begin("GET", "/compress/steps?.go", [(b"accept-encoding", b"gzip")])
            while zlib.decompressobj(31).decompress(answer.body) != b"first\n":
                await asyncio.sleep(0.01)
            assert not answer.ended.is_set()
            (self.server.folder / "notes.go").touch()
            await answer.ended.wait()
            assert gzip.decompress(answer.body) == b"first\nsecond\n"

        self.server.run(body)

    def test_slow_client_of_compression(self) -> None:
        async def body(c: Client) -> None:
            with c.slow():
                several = [c.begin("GET", "/packed/large.txt", [(b"accept-encoding", b"gzip")])[1] for _ in range(4)]
                while sum(len(answer.body) for answer in several) < 1 << 19:
                    await asyncio.sleep(0.01)
            for answer in several:
                await answer.ended.wait()
                assert gzip.decompress(answer.body) == TEXT

        self.server.run(body)

    def test_headers(self) -> None:
        async def body(c: Client) -> None:
            answer = await c.request("GET", "/edit/fields", fields=[(b"x-env", b"forged"), (b"cookie", b"a=1")])
            seen = json.loads(answer.body)
            assert (seen["x-env"], "cookie" in seen) == ("prod", False)
            assert answer.fields[b"x-robots-tag"] == b"noindex"
            assert b"x-powered-by" not in answer.fields

        self.server.run(body)

    def test_rate_limit(self) -> None:
        async def twice_and_once(c: Client) -> None:
            statuses = [(await c.request("GET", "/rate")).status for _ in range(2)]
            answer = await c.request("GET", "/rate")
            assert [*statuses, answer.status] == [200, 200, 429]
            assert int(answer.fields[b"retry-after"]) > 0

        async def refused(c: Client) -> None:
            assert (await c.request("GET", "/rate")).status == 429

        self.server.run(twice_and_once)
        self.server.run(refused)  # a connection of its own, and the same client
        self.server.run(twice_and_once, "127.0.0.2")

    def test_address(self) -> None:
        for address, status in (("127.0.0.1", 200), ("127.0.0.2", 403)):

            async def body(c: Client, status: int = status) -> None:
                assert (await c.request("GET", "/denied")).status == status

            self.server.run(body, address)

    def test_basic_auth(self) -> None:
        async def body(c: Client) -> None:
            for password, status in ((None, 401), ("wrong", 401), ("secret", 200)):
                fields: Fields = [(b"x-remote-user", b"root")]
                if password:
                    fields.append((b"authorization", b"Basic " + base64.b64encode(f"ann:{password}".encode())))
                answer = await c.request("GET", "/auth/fields", fields=fields)
                assert answer.status == status, password
                if status == 200:
                    assert json.loads(answer.body)["x-remote-user"] == "ann"
                else:
                    assert answer.fields[b"www-authenticate"].startswith(b"Basic realm=")

        self.server.run(body)

    def test_pages(self) -> None:
        async def body(c: Client) -> None:
            answer = await c.request("GET", "/files/nothing")
            assert (answer.status, bytes(answer.body)) == (404, FILES["404.html"])
            answer = await c.request("POST", "/soon", b"content")
            assert (answer.status, bytes(answer.body)) == (503, FILES["soon.html"])
            assert answer.fields[b"retry-after"] == b"60"
            answer = await c.request("HEAD", "/soon")
            assert (answer.status, bytes(answer.body)) == (503, b"")

        self.server.run(body)

    def test_max_body(self) -> None:
        async def body(c: Client) -> None:
            little, much = bytes(1 << 16), bytes(1 << 19)
            answer = await c.request("POST", "/little/echo", little)
            assert (answer.status, answer.body == little) == (200, True)
            for fields in ([], [(b"content-length", str(len(much)).encode())]):
                answer = await c.request("POST", "/little/echo", much, fields)
                assert answer.status == 413, answer
            answer = await c.request("GET", "/little/")
            assert bytes(answer.body) == b"hello"

        self.server.run(body)

    def test_tls_and_tunnels(self) -> None:
        async def body(c: Client) -> None:
            answer = await c.request("GET", "/little/about")
            assert json.loads(answer.body)["tls"]["tls_version"] == 772
            answer = await c.request("CONNECT", "")
            assert answer.status == 501
            stream, answer = c.begin("CONNECT", "/little/x", [(b"sec-websocket-version", b"13")], False, "websocket")
            await answer.begun.wait()
            assert answer.status == 200
            c.send(stream, b"\x81\x82\0\0\0\0hi", end=False)
            while len(answer.body) < 5:
                await asyncio.sleep(0.01)
            c.send(stream, b"\x88\x82\0\0\0\0\x03\xe8", end=True)
            await answer.ended.wait()
            assert bytes(answer.body) == b"\x81\x03hi!\x88\x02\x03\xe8"
            answer = await c.request("GET", "/little/")
            assert answer.status == 200

        self.server.run(body)

    def test_listeners(self) -> None:
        async def connected(address: str, want: bytes) -> None:
            port, roots = self.server.port_of(address), self.server.folder / "cert.pem"
            async with client(port, roots, server=address) as c:
                answer = await asyncio.wait_for(c.request("GET", "/listener"), PATIENCE)
                assert (answer.status, bytes(answer.body)) == (200, want)

        asyncio.run(connected("127.0.0.1", b"public"))
        asyncio.run(connected("127.0.0.2", b"private"))


if __name__ == "__main__":
    unittest.main()
