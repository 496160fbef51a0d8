"""A client of HTTP/3 by aioquic."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection, H3Stream
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import ConnectionTerminated, QuicEvent, StreamReset

Fields = list[tuple[bytes, bytes]]


H3_REQUEST_CANCELLED = 0x10C


class Connection(H3Connection):
    """HTTP/3 as aioquic has it, but that answers without content may tell of a length, as to HEAD or with 304."""

    def _check_content_length(self, stream: H3Stream) -> None:
        if stream.content_length > 0:
            super()._check_content_length(stream)


@dataclass
class Answer:
    """An answer, as far as it has come."""

    fields: dict[bytes, bytes] = field(default_factory=dict)
    trailers: dict[bytes, bytes] = field(default_factory=dict)
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
        self.http = Connection(self._quic)
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
            if answer.fields:
                answer.trailers = dict(event.headers)
            else:
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
        head = [(b":method", method.encode()), (b":authority", self.authority)]
        if method != "CONNECT" or protocol:
            head += [(b":scheme", b"https"), (b":path", path.encode())]
        if protocol:
            head.append((b":protocol", protocol.encode()))
        self.http.send_headers(stream, head + (fields or []), end_stream=end)
        self.transmit()
        return stream, answer

    def send(self, stream: int, content: bytes, end: bool) -> None:
        """Send content."""
        self.http.send_data(stream, content, end_stream=end)
        self.transmit()

    def cancel(self, stream: int) -> None:
        """Give up a request: neither send any more of it nor take any more of its answer."""
        self._quic.reset_stream(stream, H3_REQUEST_CANCELLED)
        self._quic.stop_stream(stream, H3_REQUEST_CANCELLED)
        self.transmit()

    @contextmanager
    def slow(self) -> Iterator[None]:
        """Take no more than the windows that have been opened, 1 MiB at first, until the end."""
        names = ("_write_connection_limits", "_write_stream_limits")
        for name in names:
            setattr(self._quic, name, lambda **_: None)
        try:
            yield
        finally:
            for name in names:
                delattr(self._quic, name)
            self.transmit()

    def unsent(self, stream: int) -> int:
        """Return how many octets of a request wait for the server's window, or for its acknowledgement."""
        return len(self._quic._streams[stream].sender._buffer)

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
async def client(
    port: int, roots: Path, address: str = "127.0.0.1", server: str = "127.0.0.1"
) -> AsyncIterator[Client]:
    """Connect from an address of this machine to a server at another one."""
    configuration = QuicConfiguration(
        is_client=True, alpn_protocols=H3_ALPN, cafile=str(roots), server_name="localhost"
    )
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Client(QuicConnection(configuration=configuration)), local_addr=(address, 0)
    )
    try:
        protocol.connect((server, port))
        await protocol.wait_connected()
        protocol.authority = f"localhost:{port}".encode()
        yield protocol
    finally:
        protocol.close()
        await protocol.wait_closed()
        transport.close()
