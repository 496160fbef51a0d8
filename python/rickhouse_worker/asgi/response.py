"""What an application sends as its answer over HTTP, from `http.response.start` on."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from .. import frames, report
from ..frames import END, LENGTH
from .call import CallBase
from .fields import check_body, check_status, pack_headers, pairs_of
from .files import FilePart, open_path, part_of

_NO_CONTENT = (204, 304)
_MOST_HINTS = 32  # of one answer
_FILES = {"http.response.pathsend", "http.response.zerocopysend"}


class ResponseBase:
    """One answer, for either twin. The head goes out with the first content, as ASGI wants it."""

    __slots__ = ()

    _call: CallBase
    method: str
    path: str
    _started: int  # by CLOCK_MONOTONIC, in nanoseconds
    _status: int  # 0: there was no start message
    _fields: bytes
    _declared: int  # the Content-Length that the application gave, or -1
    _sent: int  # octets of content, counted even where none go out
    _head_sent: bool
    _content_over: bool  # the application has given all its content
    _trailers: list[Any] | None  # what came of them so far, if there are to be some
    _ended: bool  # the answer is complete or cut: nothing more goes out
    _hints: int  # how many went out
    _excess: bool  # more content than _declared was told of
    complete: bool  # the application has sent everything

    @property
    def begun(self) -> bool:
        """Whether there was a start message."""
        return self._status != 0

    async def answer(self, kind: str, message: Mapping[str, Any]) -> None:
        """Take a message; kind is its type, that of `websocket.http.response` by the names of HTTP."""
        self._call.check_waited_for()
        if self.complete:
            raise RuntimeError(f"{kind} was sent after the answer was complete")
        if kind == "http.response.start":
            self._start(message)
        elif kind == "http.response.early_hint":
            self._early_hint(message)
        elif kind == "http.response.trailers" and self._trailers is not None and self._content_over:
            self._take_trailers(message)
        elif not self._status or self._content_over or not (kind == "http.response.body" or kind in _FILES):
            raise RuntimeError(f"{kind} was sent where {self._expected()} is to come")
        elif kind == "http.response.body":
            await self._body(check_body(message.get("body", b"")), not message.get("more_body", False))
        elif kind == "http.response.pathsend":
            await self._file(open_path(message.get("path")), True)
        else:
            await self._file(part_of(message), not message.get("more_body", False))

    def _expected(self) -> str:
        if not self._status:
            return "http.response.start"
        return "http.response.trailers" if self._content_over else "http.response.body"

    def _start(self, message: Mapping[str, Any]) -> None:
        if self._status:
            raise RuntimeError("http.response.start was sent twice")
        status = check_status(message.get("status"))
        self._fields, self._declared = pack_headers(message.get("headers", ()))
        self._trailers = [] if message.get("trailers", False) else None
        self._status = status

    def _early_hint(self, message: Mapping[str, Any]) -> None:
        if self._status:
            raise RuntimeError("http.response.early_hint was sent after http.response.start")
        fields, _ = pack_headers([(b"link", link) for link in message.get("links", ())])
        self._hints += 1
        if self._hints > _MOST_HINTS:
            return
        head = frames.pack_head(103, self._started, 0, b"", fields)
        self._call.send_frame(frames.ANSWER_HEAD, frames.INTERIM, head)

    async def _body(self, body: bytes, last: bool) -> None:
        known = len(body) if last else -1
        self._content_over = last
        rest = memoryview(body)[: self._within(len(body))]
        if self._goes_out():
            while rest:
                n = await self._call.take_credit(min(len(rest), frames.MAX_CONTENT))
                piece, rest = bytes(rest[:n]), rest[n:]
                self._put(known, piece, 0 if rest else self._end_flag(last))
        self._finish_content(known, last)

    async def _file(self, part: FilePart, last: bool) -> None:
        try:
            known = part.length if last else -1
            self._content_over = last
            length = self._within(part.length)
            if length and self._goes_out():
                if not self._head_sent:
                    self._put(known, b"", 0)
                flags = self._end_flag(last)
                if not flags:
                    await self._call.take_credit(frames.FILE_COST, frames.FILE_COST)
                await self._call.send_file(flags, frames.pack_range(part.offset, length), part.release())
                self._ended = bool(flags)
            self._finish_content(known, last)
        finally:
            part.close()

    def _within(self, octets: int) -> int:
        """How many octets the Content-Length leaves of those that are to be sent now."""
        sent = self._sent + octets
        if 0 <= self._declared < sent and not self._silent():
            if not self._excess:
                self._excess = True
                self._misdeed(
                    f"the application gave at least {sent} octets of content where its Content-Length is"
                    f" {self._declared}: the rest was cut off"
                )
            octets = self._declared - self._sent
        self._sent += octets
        return octets

    def _silent(self) -> bool:
        return self.method == "HEAD" or self._status in _NO_CONTENT

    def _goes_out(self) -> bool:
        return not self._ended and not self._silent()

    def _sends_trailers(self) -> bool:
        taken = self._call.flags & frames.TAKES_TRAILERS
        return self._trailers is not None and bool(taken) and not self._silent()

    def _end_flag(self, last: bool) -> int:
        """END if the answer is complete for the client with what was counted."""
        if self._sends_trailers():
            return 0
        return END if self._sent == self._declared or (last and self._sent > self._declared) else 0

    def _length(self, known: int) -> int:
        """The Content-Length to announce: what the application said, or what is known, or -1."""
        if self._status == 204 or self._sends_trailers():
            return -1
        if self._declared >= 0 or self._status == 304:
            return self._declared
        # An application that left out the content for HEAD did not mean that GET has none.
        return -1 if known == 0 and self.method == "HEAD" else known

    def _put(self, known: int, content: bytes, flags: int) -> None:
        """Send content, with the head before it if that is to come."""
        self._ended = bool(flags & END)
        if self._head_sent:
            self._call.send_frame(frames.ANSWER_DATA, flags, content)
            return
        self._head_sent = True
        length = self._length(known)
        head = frames.pack_head(self._status, self._started, max(length, 0), b"", self._fields)
        self._call.send_frame(frames.ANSWER_HEAD, flags | (LENGTH if length >= 0 else 0), head + content)

    def _finish_content(self, known: int, last: bool) -> None:
        """What follows content that was sent."""
        if not self._head_sent:
            self._put(known, b"", END if self._silent() else self._end_flag(last))
        if last and self._trailers is None:
            self._finish()

    def _take_trailers(self, message: Mapping[str, Any]) -> None:
        assert self._trailers is not None
        headers = list(pairs_of(message.get("headers", ())))
        pack_headers(headers)
        self._trailers += headers
        if not message.get("more_trailers", False):
            if self._sends_trailers() and not self._ended:
                self._call.send_frame(frames.TRAILERS, 0, pack_headers(self._trailers)[0])
            self._finish()

    def _finish(self) -> None:
        self.complete = True
        self._call.wake()
        if self._ended:
            return
        if self._declared > self._sent:
            self._abort(
                f"the application gave {self._sent} octets of content where its Content-Length is {self._declared}"
            )
        else:
            self._put(-1, b"", END)

    def returned(self) -> None:
        """The application has returned."""
        if self._ended:
            return
        if self._call.over():
            self.cut("the client has gone")
        else:
            what = "before its answer was complete" if self._status else "without an answer"
            self._abort(f"the application returned {what}")

    def cut(self, why: str) -> None:
        """Cut the answer short if it is not complete for the client."""
        if not self._ended:
            self._ended = True
            self._call.send_frame(frames.ANSWER_ABORT, 0, frames.pack_reason(why))

    def _abort(self, why: str) -> None:
        self._misdeed(why)
        self.cut(why)

    def _misdeed(self, why: str) -> None:
        report.misdeed(self.method, self.path, why)


class Response(ResponseBase):
    """One answer in pure Python."""

    def __init__(self, call: CallBase, method: str, path: str) -> None:
        self._call = call
        self.method = method
        self.path = path
        self._started = time.monotonic_ns()
        self._status = self._sent = self._hints = 0
        self._declared = -1
        self._fields = b""
        self._head_sent = self._content_over = self._ended = self._excess = self.complete = False
        self._trailers = None
