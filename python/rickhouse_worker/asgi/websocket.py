"""One WebSocket: `receive` and `send`. Frames, pings and limits are the front's: here are whole messages."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from .. import frames, report
from ..fields import kind_of, shown
from ..frames import END, TEXT
from ..link import DisconnectedError
from .call import Call, CallBase
from .fields import pack_headers
from .http import type_of
from .response import Response

_MAX_REASON = 123  # RFC 6455 §5.5: a control frame has 125 octets
_RESPONSES = {
    "websocket.http.response.start": "http.response.start",
    "websocket.http.response.body": "http.response.body",
}


class ClosedError(DisconnectedError):
    """The application closed the WebSocket, and sends on."""

    def __init__(self) -> None:
        OSError.__init__(self, "the WebSocket is closed")


class WebSocketBase:
    """What an application has of a WebSocket, for either twin."""

    __slots__ = ()

    method = "GET"
    path: str
    _call: CallBase
    _response: Response  # to a handshake that is refused
    _started: int  # by CLOCK_MONOTONIC, in nanoseconds
    _connected: bool  # websocket.connect was received
    _accepted: bool
    _closed: bool  # by the application
    _senders: int  # that send what is not done at once
    _turn: asyncio.Lock | None  # whose turn it is among them

    async def receive(self) -> dict[str, Any]:
        """ASGI: connect, messages, disconnect."""
        call = self._call
        if not self._connected:
            self._connected = True
            return {"type": "websocket.connect"}
        while (message := self._next()) is None:
            if call.over() or self._response.complete:
                code, reason = call.closed or (1006, "")
                return {"type": "websocket.disconnect", "code": code, "reason": reason}
            await call.change()
        return message

    def _next(self) -> dict[str, Any] | None:
        """The next message that is complete."""
        raise NotImplementedError

    async def send(self, message: Mapping[str, Any]) -> None:
        """ASGI."""
        kind = type_of(message)
        self._check_open()
        if kind in _RESPONSES and not self._accepted:
            await self._response.answer(_RESPONSES[kind], message)
        elif self._response.begun or kind not in self._expected():
            raise RuntimeError(f"{kind} was sent where {self._wanted()} is to come")
        elif kind == "websocket.accept":
            self._accept(message)
        elif kind == "websocket.close":
            await self._close(message)
        else:
            await self._send(message)

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError
        self._call.check_waited_for()

    def _expected(self) -> tuple[str, str]:
        return ("websocket.send" if self._accepted else "websocket.accept", "websocket.close")

    def _wanted(self) -> str:
        return "websocket.http.response.body" if self._response.begun else " or ".join(self._expected())

    def _accept(self, message: Mapping[str, Any]) -> None:
        headers = list(message.get("headers") or ())
        subprotocol = message.get("subprotocol")
        known: list[Any] = []
        if any(bytes(name).lower() == b"sec-websocket-protocol" for name, _ in headers):
            raise ValueError("the subprotocol is not given in the headers, but as subprotocol")
        if subprotocol is not None:
            if not isinstance(subprotocol, str):
                raise TypeError(f"the subprotocol must be a str, not {kind_of(subprotocol)}")
            known = [(b"sec-websocket-protocol", subprotocol.encode("latin-1", "replace"))]
        fields, _ = pack_headers([*known, *headers])
        self._accepted = True
        self._call.send_frame(frames.ANSWER_HEAD, 0, frames.pack_head(101, self._started, 0, b"", fields))

    async def _close(self, message: Mapping[str, Any]) -> None:
        code, reason = close_of(message)
        if not self._accepted:
            await self._response.answer("http.response.start", {"status": 403})
            await self._response.answer("http.response.body", {})
        else:
            self._call.send_frame(frames.ANSWER_CLOSE, 0, frames.pack_close(code, reason))
        self._closed = True
        self._call.wake()

    async def _send(self, message: Mapping[str, Any]) -> None:
        content, flags = payload_of(message)
        if self._turn is None:
            self._turn = asyncio.Lock()
        self._senders += 1
        try:
            async with self._turn:
                await self._send_pieces(memoryview(content), flags)
        finally:
            self._senders -= 1

    async def _send_pieces(self, rest: memoryview, flags: int) -> None:
        """Send a message. Its pieces are not told from those of another: nobody else may send meanwhile, and if it is
        not sent to its end nothing can follow."""
        begun = False
        try:
            while not begun or rest:
                most = min(len(rest), frames.MAX_CONTENT)
                n = await self._call.take_credit(most, besides=frames.PIECE_COST, check=self._check_open)
                piece, rest = bytes(rest[:n]), rest[n:]
                self._call.send_frame(frames.ANSWER_DATA, flags if rest else flags | END, piece)
                begun = True
        except BaseException:
            if begun and rest and not self._call.over():
                self.cut("the application cancelled the sending of a message that was half sent")
                self._closed = True
            raise

    def returned(self) -> None:
        """The application has returned."""
        if not self._accepted:
            self._response.returned()

    def finish(self) -> None:
        """No more messages will be taken."""
        raise NotImplementedError

    def cut(self, why: str) -> None:
        """End it if it has not ended yet."""
        if not self._accepted:
            self._response.cut(why)
        elif not self._closed and self._call.closed is None:
            self._call.send_frame(frames.ANSWER_ABORT, 0, frames.pack_reason(why))


class WebSocket(WebSocketBase):
    """What an application has of a WebSocket, in pure Python."""

    def __init__(self, call: Call, path: str) -> None:
        self.path = path
        self._call = call
        self._response = Response(call, "GET", path)
        self._started = time.monotonic_ns()
        self._connected = self._accepted = self._closed = False
        self._senders = 0
        self._turn = None
        self._messages: deque[tuple[dict[str, Any], int]] = deque()  # each with what its pieces cost
        self._parts: list[bytes] = []  # the pieces of a message that is not complete
        self._pending = 0  # what these cost, as far as it was not given back
        call.take_message = self._take

    def _take(self, piece: frames.Frame) -> None:
        self._parts.append(piece.payload)
        self._pending += len(piece.payload) + frames.PIECE_COST
        if not piece.flags & END:
            self._give_back_parts()
            return
        content = b"".join(self._parts)
        self._parts.clear()
        self._messages.append((received(content, piece.flags), self._pending))
        self._pending = 0

    def _next(self) -> dict[str, Any] | None:
        if not self._messages:
            return None
        message, cost = self._messages.popleft()
        self._give_back(cost)
        self._give_back_parts()
        return message

    def _give_back_parts(self) -> None:
        """Let more of an incomplete message come, but not behind one that nobody takes."""
        if self._pending and not self._messages:
            pending, self._pending = self._pending, 0
            self._give_back(pending)

    def _give_back(self, octets: int) -> None:
        """Give octets back while the front still counts them."""
        if not self._closed and self._call.closed is None:
            self._call.give_back(octets)

    def finish(self) -> None:
        self._call.take_message = None
        self._messages.clear()
        self._parts.clear()


def received(content: bytes, flags: int) -> dict[str, Any]:
    """The message that has come."""
    if not flags & TEXT:
        return {"type": "websocket.receive", "bytes": content}
    try:
        return {"type": "websocket.receive", "text": content.decode()}
    except UnicodeDecodeError:
        report.die("the front sent a text that is not UTF-8")


def payload_of(message: Mapping[str, Any]) -> tuple[bytes, int]:
    """The octets of a `websocket.send` message, and TEXT if they are text."""
    text, octets = message.get("text"), message.get("bytes")
    if (text is None) == (octets is None):
        raise ValueError("websocket.send has either text or bytes")
    if text is None:
        if not isinstance(octets, (bytes, bytearray, memoryview)):
            raise TypeError(f"the bytes of websocket.send must be bytes, not {kind_of(octets)}")
        return bytes(octets), 0
    if not isinstance(text, str):
        raise TypeError(f"the text of websocket.send must be a str, not {kind_of(text)}")
    return text.encode(), TEXT


def close_of(message: Mapping[str, Any]) -> tuple[int, bytes]:
    """Code and reason of a `websocket.close` message; a reason that is too long is cut."""
    code = message.get("code")
    code = 1000 if code is None else code
    # RFC 6455 §7.4: 1004 to 1006 and 1015 are not for the wire.
    known = isinstance(code, int) and (code in range(3000, 5000) or code in range(1000, 1015))
    if not known or code in (1004, 1005, 1006):
        raise ValueError(f"{shown(code)} is not a code to close a WebSocket with")
    return code, frames.cut_text((message.get("reason") or "").encode(), _MAX_REASON)
