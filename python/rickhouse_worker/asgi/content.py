"""The content of a request in the pieces in which `receive` gives it."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from typing import Protocol

from .. import frames
from .call import CallBase

PIECE = 64 << 10  # octets of a piece at most
_NOWAIT = getattr(os, "RWF_NOWAIT", 0)

Piece = tuple[bytes, bool]  # octets, and whether there are more


class Content(Protocol):
    """Content that is taken once, in order."""

    async def take(self) -> Piece | None:
        """The next piece; None if the rest will not come."""

    def finish(self) -> None:
        """The request is over."""


def content_of(call: CallBase, octets: bytes, fd: int, length: int) -> Content:
    """The content of a request: octets that came with it, so much of a file, or what is to come."""
    if fd >= 0:
        return File(call.link.loop, fd, length)
    return Whole(octets) if call.flags & frames.END else Stream(call)


class Whole:
    """Content that came with the request."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    async def take(self) -> Piece:
        return self._octets, False

    def finish(self) -> None:
        pass


class File:
    """Content in a descriptor, which it owns. What is in memory is read at once, the rest by a thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, fd: int, size: int) -> None:
        self._loop = loop
        self._fd = fd
        self._size = size
        self._at = 0
        self._lock = threading.Lock()

    async def take(self) -> Piece:
        at, n = self._at, min(PIECE, self._size - self._at)
        piece = self._read_now(at, n)
        if len(piece) < n:
            piece = await self._loop.run_in_executor(None, self._read, at, n)
        self._at = at + n  # a receive that was cancelled has taken nothing
        return piece, self._at < self._size

    def _read_now(self, at: int, n: int) -> bytes:
        buffer = bytearray(n)
        try:
            return bytes(buffer[: os.preadv(self._fd, [buffer], at, _NOWAIT)]) if _NOWAIT else b""
        except OSError:
            return b""  # not in memory, or the file system cannot say

    def _read(self, at: int, n: int) -> bytes:
        piece = b""
        while len(piece) < n:
            with self._lock:
                if self._fd < 0:
                    raise ValueError("the request is over: its content cannot be read any more")
                more = os.pread(self._fd, n - len(piece), at + len(piece))
            if not more:
                raise OSError("the content of the request ends too soon")
            piece += more
        return piece

    def finish(self) -> None:
        with self._lock:
            fd, self._fd = self._fd, -1
        os.close(fd)


class Stream:
    """Content as it arrives."""

    def __init__(self, call: CallBase) -> None:
        self._call = call
        self._pieces = call.pieces = deque()
        self._asked = False

    async def take(self) -> Piece | None:
        call = self._call
        while not self._pieces:
            if call.cut or call.gone():
                return None
            if call.complete:
                return b"", False
            if not self._asked:
                self._asked = True
                call.send_frame(
                    frames.ANSWER_WINDOW, 0, frames.pack_u32(0)
                )  # the front may answer Expect: 100-continue
            await call.change()
        piece = self._pieces.popleft()
        more = bool(self._pieces) or not call.complete
        if more:
            call.give_back(len(piece))
        return piece, more

    def finish(self) -> None:
        self._call.pieces = None
        self._pieces.clear()  # a task that is left behind must not give back what it finds
