"""A client of HTTP/3 by aioquic."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, QuicEvent, StreamReset

Fields = list[tuple[bytes, bytes]]


@dataclass
class Answer:
    """An answer, as far as it has come."""

    fields: dict[bytes, bytes] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    error: int | None = None

    @property
    def status(self) -> int:
        return int(self.fields[b":status"])


class Client(QuicConnectionProtocol):
    """One connection."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.http = H3Connection(self._quic)
        self.answers: dict[int, Answer] = {}
        self.terminated = asyncio.Event()
        self.authority = b""

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, ConnectionTerminated):
            self.terminated.set()
        if isinstance(event, StreamReset) and event.stream_id in self.answers:
            answer = self.answers[event.stream_id]
            answer.error = event.error_code
            answer.begun.set()
            answer.ended.set()
        for http_event in self.http.handle_event(event):
            self.http_event_received(http_event)

    def http_event_received(self, event: H3Event) -> None:
        if not isinstance(event, HeadersReceived | DataReceived) or event.stream_id not in self.answers:
            return
        answer = self.answers[event.stream_id]
        if isinstance(event, HeadersReceived):
            answer.fields = dict(event.headers)
        else:
            answer.body += event.data
        answer.begun.set()
        if event.stream_ended:
            answer.ended.set()

    def begin(
        self, method: str, path: str, fields: Fields | None = None, end: bool = True, protocol: str = ""
    ) -> tuple[int, Answer]:
        """Send the head of a request."""
        stream = self._quic.get_next_available_stream_id()
        answer = self.answers[stream] = Answer()
        head = [
            (b":method", method.encode()),
            (b":scheme", b"https"),
            (b":authority", self.authority),
            (b":path", path.encode()),
        ]
        if protocol:
            head.append((b":protocol", protocol.encode()))
        self.http.send_headers(stream, head + (fields or []), end_stream=end)
        self.transmit()
        return stream, answer

    def send(self, stream: int, content: bytes, end: bool) -> None:
        """Send content."""
        self.http.send_data(stream, content, end_stream=end)
        self.transmit()

    async def request(
        self, method: str, path: str, content: bytes | None = None, fields: Fields | None = None
    ) -> Answer:
        """Send a request and wait for the whole answer."""
        stream, answer = self.begin(method, path, fields, end=content is None)
        if content is not None:
            self.send(stream, content, end=True)
        await answer.ended.wait()
        return answer


@asynccontextmanager
async def client(port: int, roots: Path) -> AsyncIterator[Client]:
    """Connect to 127.0.0.1."""
    configuration = QuicConfiguration(
        is_client=True, alpn_protocols=H3_ALPN, cafile=str(roots), server_name="localhost"
    )
    async with connect("127.0.0.1", port, configuration=configuration, create_protocol=Client) as protocol:
        assert isinstance(protocol, Client)
        protocol.authority = f"localhost:{port}".encode()
        yield protocol
