"""`wsgi.input` for content that is not small: a descriptor, or a stream."""

from __future__ import annotations

import io
import os
import threading
from typing import Protocol

BUFFER = 64 << 10


class Receiver(Protocol):
    """Where streamed content comes from."""

    def receive(self) -> bytes:
        """The next piece, empty at the end. It blocks; OSError says that the content was cut."""


class FileContent(io.RawIOBase):
    """The content of a request in a file, read by explicit offsets as the descriptor's own is shared with the front."""

    def __init__(self, fd: int, size: int) -> None:
        self._fd = fd
        self._size = size if size >= 0 else os.fstat(fd).st_size
        self._at = 0
        self._lock = threading.Lock()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        at = offset + (0, self._at, self._size)[whence]
        if at < 0:
            raise ValueError(f"negative seek position {at}")
        self._at = at
        return at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        n = min(len(buffer), self._size - self._at)
        piece = self._pread(n) if n > 0 else b""
        buffer[: len(piece)] = piece
        return len(piece)

    def readall(self) -> bytes:
        pieces = []
        while self._at < self._size:
            pieces.append(self._pread(min(self._size - self._at, 1 << 30)))
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _pread(self, n: int) -> bytes:
        with self._lock:
            if self._fd < 0:
                raise ValueError("the request is over: its content cannot be read any more")
            piece = os.pread(self._fd, n, self._at)
        if not piece:
            raise OSError("the content of the request ends too soon")
        self._at += len(piece)
        return piece

    def finish(self) -> None:
        """Close the descriptor: the request is over."""
        with self._lock:
            fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        self.finish()


class StreamContent(io.RawIOBase):
    """The content of a request as it arrives."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._piece = memoryview(b"")
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._fill():
            return 0
        n = min(len(buffer), len(self._piece))
        buffer[:n] = self._piece[:n]
        self._piece = self._piece[n:]
        return n

    def readall(self) -> bytes:
        pieces = []
        while self._fill():
            pieces.append(self._piece)
            self._piece = memoryview(b"")
        return b"".join(pieces)

    def _fill(self) -> bool:
        if not self._piece and not self._ended:
            self._piece = memoryview(self._receiver.receive())
            self._ended = not self._piece
        return not self._ended

    def finish(self) -> None:
        """What was not read is of no interest."""


def buffered(raw: FileContent | StreamContent) -> io.BufferedReader:
    """What the application gets: `read`, `readline`, `readlines` and iteration as on files."""
    return io.BufferedReader(raw, BUFFER)
