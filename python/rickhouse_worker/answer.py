"""The answer of an application, from `start_response` to its last octet (PEP 3333)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from . import frames, report
from .fields import check_chunk, check_result, pack_headers, pack_status, plain_head
from .files import FileWrapper, file_range
from .frames import END, LENGTH
from .link import ENDED_MEANWHILE, Call, DisconnectedError

_NO_CONTENT = (204, 304)


class Answer:
    """One request's answer. It belongs to the thread that runs the request."""

    def __init__(self, call: Call, method: str, path: str) -> None:
        self._call = call
        self._method = method
        self._path = path
        self._started = time.monotonic_ns()
        self._status = 0
        self._reason = b""
        self._fields = b""
        self._declared = -1  # the Content-Length that the application gave
        self._given = 0  # octets of content that the application gave, within its Content-Length
        self._sent = 0  # of those, what went out
        self._head_sent = False
        self._ended = False  # the answer is complete or cut: nothing more goes out
        self._excess = False
        self._of_file = False  # more than Content-Length is no mistake then (PEP 3333, file_wrapper)
        self._final = 0  # DONE if nothing will be left to do after the answer
        self._done = False

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[..., None]:
        """PEP 3333."""
        if exc_info is not None:
            try:
                if self._head_sent or self._ended:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        elif self._status:
            raise AssertionError("start_response was called again without exc_info")
        if self._call.over:
            raise AssertionError("start_response was called after the request was over")
        status, headers = plain_head(self._method, self._path, status, headers)
        self._fields, self._declared = pack_headers(headers)
        self._status, self._reason = pack_status(status)
        return self.write

    def write(self, data: bytes) -> None:
        """PEP 3333's imperative way to send content."""
        check_chunk(data)
        if self._call.over:
            raise AssertionError("write was called after the request was over")
        self._chunk(data)

    def run(self, app: Callable[..., Iterable[bytes]], environ: dict[str, Any]) -> None:
        """Call the application and send what it answers; nothing that it raises comes out. `done` is to follow."""
        result: Any = None
        try:
            result = app(environ, self.start_response)
            self._content(result)
        except BaseException as error:
            self._call.check_process(error)
            self._fail(error)
        if not self._done:
            self._close(result)

    def _close(self, result: Any) -> None:
        try:
            close = getattr(result, "close", None)
            if close is not None:
                close()
        except BaseException as error:
            self._call.check_process(error)
            report.failure(self._method, self._path, error)

    def done(self) -> None:
        """Say that the application has finished with the request."""
        if not self._done:
            microseconds = (time.monotonic_ns() - self._started) // 1000
            with self._call.lock:
                self._call.send(frames.ANSWER_DONE, 0, frames.pack_u32(microseconds))

    def _content(self, result: Any) -> None:
        if type(result) in (list, tuple):
            for chunk in result:
                check_chunk(chunk)
            self._final = frames.DONE
            self._whole(b"".join(result))
            return
        check_result(result)
        if type(result) is FileWrapper:
            self._of_file = True
            if self._file(result):
                return
        if not self._enough():
            for chunk in result:
                check_chunk(chunk)
                self._chunk(chunk)
                if self._enough():
                    break
        self._end()

    def _enough(self) -> bool:
        """Nothing that the application could still give is of use. An endless stream must not run on for a HEAD."""
        return self._excess or (self._ended and self._silent())

    def _silent(self) -> bool:
        return self._method == "HEAD" or self._status in _NO_CONTENT

    def _check_started(self) -> None:
        if not self._status:
            raise AssertionError("the application did not call start_response before its first content")

    def _length(self, known: int) -> int:
        """The Content-Length to announce: what the application said, or what is known, or -1."""
        if self._status == 204:
            return -1
        if self._declared >= 0 or self._status == 304:
            return self._declared
        # An application that left out the content for HEAD did not mean that GET has none.
        return -1 if known == 0 and self._method == "HEAD" else known

    def _emit(self, content: bytes, known: int, flags: int) -> None:
        """Send content in the next frame, which may be the first."""
        with self._call.lock:
            if self._ended:
                raise AssertionError(ENDED_MEANWHILE)
            kind, payload = frames.ANSWER_DATA, content
            if not self._head_sent:
                self._head_sent = True
                length = self._length(known)
                head = frames.pack_head(self._status, self._started, max(length, 0), self._reason, self._fields)
                kind, payload = frames.ANSWER_HEAD, head + content
                flags |= LENGTH if length >= 0 else 0
            self._sent += len(content)
            if self._sent == self._declared:
                flags |= END
            if flags & END:
                self._ended = True
                self._done = bool(self._final)
                flags |= self._final
            self._call.send(kind, flags, payload)

    def _whole(self, content: bytes) -> None:
        """The rest of the answer, all of it at hand."""
        self._check_started()
        if self._head_sent:
            self._chunk(content)
        elif self._silent():
            self._emit(b"", len(content), END)
        else:
            self._send(content, len(content), True)
        self._end()

    def _chunk(self, data: bytes) -> None:
        """A piece of the answer; what follows it is not known."""
        if type(data) is not bytes:
            data = b"".join((data,))  # a subclass may have ideas of its own
        if self._call.gone():
            raise DisconnectedError
        if not data:
            return
        self._check_started()
        if not self._silent():
            self._send(data, -1, False)
            return
        if not self._head_sent:
            self._emit(b"", -1, END)

    def _send(self, data: bytes, known: int, last: bool) -> None:
        """Send content within the Content-Length and the window."""
        with self._call.lock:
            given = self._given + len(data)
            if self._declared >= 0:
                data = data[: self._declared - self._given]
                last = False  # what is sent is counted
            self._given += len(data)
            excess = given - self._given
        if excess:
            self._cut(given)
        if self._ended:
            return
        rest = memoryview(data)
        while True:
            n = self._call.take_credit(min(len(rest), frames.MAX_CONTENT)) if rest else 0
            piece, rest = bytes(rest[:n]), rest[n:]
            flags = END if last and not rest else 0
            if piece or flags or not self._head_sent:
                self._emit(piece, known, flags)
            if not rest:
                return

    def _cut(self, given: int) -> None:
        told = self._excess or self._of_file
        self._excess = True
        if not told:
            report.misdeed(
                self._method,
                self._path,
                f"the application gave at least {given} octets of content where its Content-Length is"
                f" {self._declared}: the rest was cut off",
            )

    def _file(self, wrapper: FileWrapper) -> bool:
        """Send a file by its descriptor; False if it has to be read."""
        found = None if self._head_sent else file_range(wrapper)
        if found is None:
            return False
        self._check_started()
        if self._silent():
            self._emit(b"", found.length, END)
            return True
        length = found.length if self._declared < 0 else min(found.length, self._declared)
        complete = length == self._length(found.length)
        self._given = length
        self._emit(b"", found.length, END if complete and not length else 0)
        if length:
            with self._call.lock:
                self._ended = complete
                self._call.send_file(END if complete else 0, found.offset, length, found.fd)
        self._end()
        return True

    def _end(self) -> None:
        """The application has given everything."""
        self._check_started()
        if self._ended:
            return
        if self._declared > self._given and not self._silent():
            self._abort(
                f"the application gave {self._given} octets of content where its Content-Length is {self._declared}"
            )
        else:
            self._emit(b"", -1 if self._silent() else 0, END)

    def _abort(self, why: str) -> None:
        report.misdeed(self._method, self._path, why)
        self._cut_off(why)

    def _fail(self, error: BaseException) -> None:
        gone = isinstance(error, DisconnectedError)
        if not gone:
            report.failure(self._method, self._path, error)
        if not self._ended:
            self._cut_off(str(error) if gone else report.one_line(error))

    def _cut_off(self, why: str) -> None:
        with self._call.lock:
            if not self._ended:
                self._ended = True
                self._call.send(frames.ANSWER_ABORT, 0, frames.pack_reason(why))
