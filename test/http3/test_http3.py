"""HTTP/3 through the real binary, with a client that shares nothing with it."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import socket
import ssl
import unittest
from collections.abc import Awaitable, Callable

from apps import PIECE, PIECES
from client import Client, client
from server import PATIENCE, Server


class Cases:
    """What holds for both interfaces."""

    target = ""
    server: Server

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = Server(cls.target)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.server.finish()

    def run_client(self, body: Callable[[Client], Awaitable[None]]) -> None:
        self.server.run(body)

    def test_get(self) -> None:
        async def body(c: Client) -> None:
            answer = await c.request("GET", "/")
            assert (answer.status, bytes(answer.body)) == (200, b"hello")
            assert answer.fields[b"content-length"] == b"5"
            assert answer.fields[b"server"] == b"rickhouse"
            assert b"date" in answer.fields

        self.run_client(body)

    def test_head(self) -> None:
        async def body(c: Client) -> None:
            # aioquic takes the Content-Length of an answer to HEAD for that of content it gets, so there is none here.
            answer = await c.request("HEAD", "/stream")
            assert (answer.status, bytes(answer.body)) == (200, b"")

        self.run_client(body)

    def test_about(self) -> None:
        async def body(c: Client) -> None:
            cookies = [(b"cookie", b"a=1"), (b"cookie", b"b=2")]
            answer = await c.request("GET", "/about?x=1", fields=cookies)
            about = json.loads(answer.body)
            tls = about.pop("tls", None)
            want = {
                "scheme": "https",
                "method": "GET",
                "query": "x=1",
                "cookie": "a=1; b=2",
                "host": c.authority.decode(),
            }
            assert about | want == about
            assert about["protocol"].startswith("HTTP/3"), about
            if self.target.endswith("asgi"):
                assert tls["tls_version"] == 772
                assert "BEGIN CERTIFICATE" in tls["server_cert"]

        self.run_client(body)

    def test_post(self) -> None:
        content = os.urandom(1 << 20)

        async def body(c: Client) -> None:
            for fields in ([(b"content-length", str(len(content)).encode())], []):
                answer = await c.request("POST", "/echo", content, fields)
                assert (answer.status, bytes(answer.body) == content) == (200, True)

        self.run_client(body)

    def test_post_that_ends_with_an_empty_frame(self) -> None:
        async def body(c: Client) -> None:
            for fields in ([(b"content-length", b"3")], []):
                stream, answer = c.begin("POST", "/echo", fields, end=False)
                c.send(stream, b"abc", end=False)
                await asyncio.sleep(0.1)
                c.send(stream, b"", end=True)
                await answer.ended.wait()
                assert (answer.status, bytes(answer.body)) == (200, b"abc")

        self.run_client(body)

    def test_streamed(self) -> None:
        async def body(c: Client) -> None:
            answer = await c.request("GET", "/stream")
            assert (answer.status, bytes(answer.body) == PIECE * PIECES) == (200, True)
            assert b"content-length" not in answer.fields

        self.run_client(body)

    def test_many_streams(self) -> None:
        async def body(c: Client) -> None:
            for _ in range(5):
                texts = [str(i).encode() * 100 for i in range(90)]
                answers = await asyncio.gather(*(c.request("POST", "/echo", text) for text in texts))
                assert [bytes(answer.body) for answer in answers] == texts

        self.run_client(body)

    def test_too_many_fields(self) -> None:
        async def body(c: Client) -> None:
            answer = await c.request("GET", "/", fields=[(b"x-%d" % i, b"") for i in range(120)])
            assert answer.status == 431

        self.run_client(body)

    def test_content_length_that_lies(self) -> None:
        async def body(c: Client) -> None:
            answer = await c.request("POST", "/echo", b"abcdef", [(b"content-length", b"3")])
            assert answer.error == 270  # H3_MESSAGE_ERROR

        self.run_client(body)

    def test_disconnect(self) -> None:
        before = self.server.notes().count("closed")

        async def body(c: Client) -> None:
            stream, answer = c.begin("GET", "/endless")
            await answer.begun.wait()
            c._quic.stop_stream(stream, 0x10C)  # H3_REQUEST_CANCELLED
            c.transmit()
            await asyncio.to_thread(self.server.until, lambda: self.server.notes().count("closed") > before)

        self.run_client(body)

    def test_alt_svc(self) -> None:
        context = ssl.create_default_context(cafile=str(self.server.folder / "cert.pem"))
        connection = http.client.HTTPSConnection("localhost", self.server.port, context=context, timeout=PATIENCE)
        connection.request("GET", "/")
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("Alt-Svc")) == (200, f'h3=":{self.server.port}"; ma=86400')
        connection.close()

    def test_access_log(self) -> None:
        async def body(c: Client) -> None:
            await c.request("GET", "/about?logged")

        self.run_client(body)
        self.server.until(lambda: '"GET /about?logged HTTP/3.0" 200' in self.server.text())


class WSGI(Cases, unittest.TestCase):
    """A WSGI application."""

    target = "apps:wsgi"


class ASGI(Cases, unittest.TestCase):
    """An ASGI application."""

    target = "apps:asgi"

    def test_websocket(self) -> None:
        def frame(code: int, content: bytes) -> bytes:  # masked with zeros
            return bytes([0x80 | code, 0x80 | len(content)]) + bytes(4) + content

        async def body(c: Client) -> None:
            version = [(b"sec-websocket-version", b"13")]
            stream, answer = c.begin("CONNECT", "/chat", version, end=False, protocol="websocket")
            await answer.begun.wait()
            assert answer.status == 200, (answer.status, self.server.text()[-3000:])
            c.send(stream, frame(1, b"hello"), end=False)
            await asyncio.to_thread(self.server.until, lambda: len(answer.body) >= 8)
            assert bytes(answer.body) == b"\x81\x06hello!"
            c.send(stream, frame(8, b"\x03\xe8"), end=True)
            await answer.ended.wait()
            assert bytes(answer.body[8:]) == b"\x88\x02\x03\xe8"

        self.run_client(body)
        self.server.until(lambda: "websocket 1000" in self.server.notes())


class Life(unittest.TestCase):
    """Starting and stopping."""

    def test_stop_waits_for_answers(self) -> None:
        server = Server("apps:asgi", 'shutdown_timeout = "60s"')
        self.addCleanup(server.close)

        async def body() -> None:
            async with client(server.port, server.folder / "cert.pem") as c:
                stream, answer = c.begin("POST", "/echo", [(b"content-length", b"3")], end=False)
                c.send(stream, b"ab", end=False)
                await asyncio.wait_for(c.request("GET", "/"), PATIENCE)
                server.process.send_signal(signal.SIGTERM)
                await asyncio.to_thread(server.until, lambda: "stopping" in server.text())
                await asyncio.sleep(0.3)
                c.send(stream, b"c", end=True)
                await asyncio.wait_for(answer.ended.wait(), PATIENCE)
                assert (answer.status, bytes(answer.body)) == (200, b"abc")
                await asyncio.wait_for(c.terminated.wait(), PATIENCE)

        asyncio.run(body())
        assert server.process.wait(PATIENCE) == 0, server.text()

    def test_stop_is_bounded(self) -> None:
        server = Server("apps:wsgi", 'shutdown_timeout = "1s"')
        self.addCleanup(server.close)

        async def body() -> None:
            async with client(server.port, server.folder / "cert.pem") as c:
                _, answer = c.begin("GET", "/endless")
                await asyncio.wait_for(answer.begun.wait(), PATIENCE)
                server.process.send_signal(signal.SIGTERM)
                await asyncio.wait_for(c.terminated.wait(), PATIENCE)

        asyncio.run(body())
        assert server.process.wait(PATIENCE) == 1, server.text()
        assert "shutdown_timeout (1s) is over: 1 connections were cut" in server.text()

    def test_taken_udp_port(self) -> None:
        for _ in range(20):  # the port may be somebody's for TCP
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
                taken.bind(("127.0.0.1", 0))
                port = taken.getsockname()[1]
                try:
                    Server("apps:wsgi", port=port).close()
                except AssertionError as error:
                    message = str(error)
                else:
                    message = "it has started"
            if "ss -ltnp" not in message:
                break
        assert f"127.0.0.1:{port} is already in use for UDP, which HTTP/3 needs" in message, message


if __name__ == "__main__":
    unittest.main()
