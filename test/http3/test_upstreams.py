"""Upstreams and reloads, with clients that speak HTTP/3."""

from __future__ import annotations

import asyncio
import os
import re
import unittest
from collections.abc import Awaitable, Callable

from client import Client, client
from server import PATIENCE, Server

LARGE = os.urandom(1 << 20) * 8

ROUTES = """
[[routes]]
path = "/up/*"
proxy = ["unix:FOLDER/up.sock"]
rewrite = "/*"
buffer_answers = false
rate_limit = "100000/s"
set_headers = { X-Robots-Tag = "noindex" }

[[routes]]
path = "/http/*"
proxy = ["unix:FOLDER/http.sock"]
rewrite = "/*"
compress = true

[[routes]]
path = "/fastcgi/*"
proxy = ["fastcgi://unix:FOLDER/fastcgi.sock"]
rewrite = "/*"

[[routes]]
path = "/uwsgi/*"
proxy = ["uwsgi://unix:FOLDER/uwsgi.sock"]
rewrite = "/*"

[[routes]]
app = "web"
"""


class Upstream:
    """An HTTP/1.1 server of one test, whose connections are answered by a function: of one request each."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str) -> None:
        self.reader, self.writer, self.head = reader, writer, head
        self.trailers = ""

    async def content(self) -> bytes:
        """Take in the whole content of the request."""
        if length := re.search(r"\r\ncontent-length: (\d+)\r\n", self.head):
            return await self.reader.readexactly(int(length[1]))
        content = bytearray()
        while size := int(await self.reader.readline(), 16):
            content += await self.reader.readexactly(size)
            await self.reader.readexactly(2)
        while (line := (await self.reader.readline()).decode()) != "\r\n":
            self.trailers += line
        return bytes(content)

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()


Answering = Callable[[Upstream], Awaitable[None]]


class Upstreams(unittest.TestCase):
    """A proxy's routes."""

    server: Server

    @classmethod
    def setUpClass(cls) -> None:
        sockets = ["unix:http.sock", "fastcgi://unix:fastcgi.sock", "uwsgi://unix:uwsgi.sock"]
        cls.server = Server("apps:asgi", ROUTES, bind=sockets)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.server.finish()

    def with_upstream(self, answering: Answering, body: Callable[[Client], Awaitable[None]]) -> None:
        """Run body while there is an upstream."""
        tasks: set[asyncio.Task[None]] = set()

        async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                await answering(Upstream(reader, writer, head))
            except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                pass  # what has become of the request is what the test looks at
            finally:
                tasks.discard(task)
                writer.close()

        async def served(c: Client) -> None:
            path = self.server.folder / "up.sock"
            path.unlink(missing_ok=True)
            upstream = await asyncio.start_unix_server(accepted, path, limit=1 << 16)
            try:
                await body(c)
            finally:
                upstream.close()
                for task in list(tasks):
                    task.cancel()

        self.server.run(served)

    def test_content_and_trailers_both_ways(self) -> None:
        async def answering(u: Upstream) -> None:
            content = await u.content()
            assert re.search("\r\nx-forwarded-for: 127\\.0\\.0\\.1\r\n", u.head), u.head
            await u.send(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\nConnection: close\r\n\r\n"
            )
            await u.send(b"%x\r\n" % len(content), content, b"\r\n0\r\nx-sum: 7\r\n")
            await u.send(u.trailers.encode(), b"\r\n")

        async def body(c: Client) -> None:
            stream, answer = c.begin("POST", "/up/echo", [(b"te", b"trailers")], end=False)
            c.send(stream, LARGE[: 1 << 20], end=False)
            c.http.send_headers(stream, [(b"x-count", b"8")], end_stream=True)
            c.transmit()
            await answer.ended.wait()
            assert (answer.status, answer.error, answer.body == LARGE[: 1 << 20]) == (200, None, True), len(answer.body)
            assert answer.trailers == {b"x-sum": b"7", b"x-count": b"8"}
            assert answer.fields[b"x-robots-tag"] == b"noindex"

        self.with_upstream(answering, body)

    def test_upload_waits_for_the_upstream(self) -> None:
        reads = asyncio.Event()

        async def answering(u: Upstream) -> None:
            await reads.wait()
            same = await u.content() == LARGE
            await u.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\n%4d" % same)

        async def body(c: Client) -> None:
            stream, answer = c.begin("PUT", "/up/", [(b"content-length", b"%d" % len(LARGE))], end=False)
            c.send(stream, LARGE, end=True)
            await steady(c, lambda: c.unsent(stream))
            assert c.unsent(stream) > len(LARGE) // 2
            reads.set()
            await answer.ended.wait()
            assert (answer.status, bytes(answer.body)) == (200, b"   1")

        self.with_upstream(answering, body)

    def test_upstream_waits_for_a_slow_client(self) -> None:
        sent = 0

        async def answering(u: Upstream) -> None:
            nonlocal sent
            await u.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(LARGE))
            for i in range(0, len(LARGE), 1 << 14):
                await u.send(LARGE[i : i + (1 << 14)])
                sent += 1 << 14

        async def body(c: Client) -> None:
            with c.slow():
                _, answer = c.begin("GET", "/up/")
                while len(answer.body) < 1 << 19:
                    await asyncio.sleep(0.01)
                await steady(c, lambda: sent)
                assert sent < len(LARGE) // 2
            await answer.ended.wait()
            assert (answer.error, answer.body == LARGE) == (None, True), (answer.error, len(answer.body), sent)

        self.with_upstream(answering, body)

    def test_upstream_that_dies(self) -> None:
        async def answering(u: Upstream) -> None:
            if "/before" in u.head:
                return
            await u.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", b"x" * 50)

        async def body(c: Client) -> None:
            for method, content in (("GET", None), ("POST", b"content")):
                answer = await c.request(method, "/up/before", content)
                assert answer.status == 502, answer
            answer = await c.request("GET", "/up/within")
            assert answer.error == 0x102  # H3_INTERNAL_ERROR
            answer = await c.request("GET", "/http/")
            assert bytes(answer.body) == b"hello"

        self.with_upstream(answering, body)

    def test_client_that_gives_up(self) -> None:
        told: list[str] = []

        async def answering(u: Upstream) -> None:
            if "/answer" in u.head:
                await u.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n.\r\n")
            told.append("begun")
            while await u.reader.read(1 << 16):
                pass
            told.append("gone")

        async def body(c: Client) -> None:
            for path in ("/up/answer", "/up/wait"):
                told.clear()
                stream, answer = c.begin("GET", path)
                while not told or (path == "/up/answer" and not answer.begun.is_set()):
                    await asyncio.sleep(0.01)
                c.cancel(stream)
                while "gone" not in told:
                    await asyncio.sleep(0.01)
            answer = await c.request("GET", "/http/")
            assert answer.status == 200

        self.with_upstream(answering, body)

    def test_protocols(self) -> None:
        async def body(c: Client) -> None:
            for path in ("/http", "/fastcgi", "/uwsgi"):
                content = LARGE[: 1 << 19]
                answer = await c.request("POST", path + "/echo", content, [(b"content-length", b"%d" % len(content))])
                assert (answer.status, answer.body == content) == (200, True), path
                answer = await c.request("GET", path + "/stream")
                assert (answer.status, len(answer.body)) == (200, 1 << 20), path
                answer = await c.request("HEAD", path + "/stream")
                assert (answer.status, bytes(answer.body)) == (200, b""), path

        self.server.run(body)

    def test_websocket(self) -> None:
        async def body(c: Client) -> None:
            fields = [(b"sec-websocket-version", b"13")]
            stream, answer = c.begin("CONNECT", "/http/chat", fields, end=False, protocol="websocket")
            await answer.begun.wait()
            assert answer.status == 200
            c.send(stream, b"\x81\x82\0\0\0\0hi", end=False)
            while len(answer.body) < 5:
                await asyncio.sleep(0.01)
            c.send(stream, b"\x88\x82\0\0\0\0\x03\xe8", end=True)
            await answer.ended.wait()
            assert bytes(answer.body) == b"\x81\x03hi!\x88\x02\x03\xe8"

        self.server.run(body)


async def steady(c: Client, value: Callable[[], int]) -> None:
    """Wait until a value has not changed for some round trips."""
    before, rounds = value(), 0
    while rounds < 10:
        await c.ping()
        await asyncio.sleep(0.01)
        rounds = rounds + 1 if value() == before else 0
        before = value()


def version(number: int) -> str:
    """Return routes that say their number; files are there in the first one alone."""
    files = '[[routes]]\npath = "/files/*"\nfiles = "public"\n' if number == 1 else ""
    return f'[[routes]]\npath = "/version"\nrespond = "{number}"\n{files}[[routes]]\napp = "web"\n'


class Reload(unittest.TestCase):
    """A configuration that is loaded while requests are on their way."""

    def test_reload(self) -> None:
        server = Server("apps:asgi", version(1), files={"public/large.bin": LARGE})
        self.addCleanup(server.close)

        async def asking(c: Client, seen: list[int], stop: asyncio.Event) -> None:
            while not stop.is_set():
                answer, hello = await asyncio.gather(c.request("GET", "/version"), c.request("GET", "/"))
                assert (answer.status, hello.status, bytes(hello.body)) == (200, 200, b"hello")
                seen.append(int(answer.body))

        async def body(c: Client, others: list[Client]) -> None:
            stop = asyncio.Event()
            seen: list[list[int]] = [[] for _ in others]
            tasks = [asyncio.create_task(asking(o, s, stop)) for o, s in zip(others, seen)]
            with c.slow():
                _, download = c.begin("GET", "/files/large.bin")
                _, steps = c.begin("GET", "/steps?.go")
                await asyncio.gather(download.begun.wait(), steps.begun.wait())
                server.configure(version(2), "workers = 1")
                await asyncio.to_thread(server.reload)
            answer, gone = await asyncio.gather(c.request("GET", "/version"), c.request("HEAD", "/files/large.bin"))
            assert bytes(answer.body) == b"2"
            assert gone.fields.get(b"content-length") != b"%d" % len(LARGE)
            (server.folder / "notes.go").touch()
            await asyncio.gather(download.ended.wait(), steps.ended.wait())
            assert (download.error, download.body == LARGE) == (None, True)
            assert bytes(steps.body) == b"first\nsecond\n"
            counts = [len(s) for s in seen]
            while any(len(s) < n + 3 and not t.done() for s, n, t in zip(seen, counts, tasks)):
                await asyncio.sleep(0.01)
            stop.set()
            await asyncio.gather(*tasks)
            for s in seen:
                assert (s, s[-1]) == (sorted(s), 2)
            assert not any(o.terminated.is_set() for o in (c, *others))

        async def connected() -> None:
            roots = server.folder / "cert.pem"
            async with (
                client(server.port, roots) as c,
                client(server.port, roots) as a,
                client(server.port, roots) as b,
            ):
                await asyncio.wait_for(body(c, [a, b]), PATIENCE)

        asyncio.run(connected())
        server.finish()


if __name__ == "__main__":
    unittest.main()
