"""The socket of the link: frames in and out, for one reader and one writer at a time."""

from __future__ import annotations

import array
import os
import socket
from collections import deque
from collections.abc import Callable

from . import frames
from .frames import Frame
from .report import die, leave

_CMSG_SPACE = socket.CMSG_SPACE(4 * array.array("i").itemsize)
_CLOEXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
_READ = 128 << 10


class Wire:
    """The worker's end of the socket."""

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)
        self._pid = os.getpid()
        self._input = bytearray()
        self._descriptors: deque[int] = deque()

    def fileno(self) -> int:
        return self._socket.fileno()

    def read(self, dispatch: Callable[[Frame], None]) -> None:
        """Hand on the frames that have come. It does not block; when the link has ended the process does."""
        try:
            data, ancillary, flags, _ = self._socket.recvmsg(_READ, _CMSG_SPACE, _CLOEXEC | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError as error:
            die(f"the link cannot be read: {error}")
        if flags & socket.MSG_CTRUNC:
            die("the link lost a descriptor")
        for level, kind, octets in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                self._take_descriptors(octets)
        if not data:
            os._exit(1)
        self._input += data
        try:
            self._parse(dispatch)
        except frames.MalformedError as error:
            die(f"the front sent {error}")

    def _take_descriptors(self, octets: bytes) -> None:
        fds = array.array("i")
        fds.frombytes(octets[: len(octets) - len(octets) % fds.itemsize])
        if not _CLOEXEC:
            for fd in fds:
                os.set_inheritable(fd, False)
        self._descriptors.extend(fds)

    def _parse(self, dispatch: Callable[[Frame], None]) -> None:
        at = 0
        size = frames.HEADER.size
        while len(self._input) - at >= size:
            length, kind, flags, slot, gen = frames.parse_header(self._input, at)
            end = at + size + length
            if len(self._input) < end:
                break
            fd = -1
            if flags & frames.FD:
                if not self._descriptors:
                    raise frames.MalformedError("a frame without its descriptor")
                fd = self._descriptors.popleft()
            if fd >= 0 and kind != frames.REQUEST:
                raise frames.MalformedError(f"a frame of type {kind} with a descriptor")
            dispatch(Frame(kind, flags, slot, gen, bytes(self._input[at + size : end]), fd))
            at = end
        del self._input[:at]

    def write(self, octets: bytes, fd: int = -1) -> None:
        """Write whole frames, and a descriptor with the first of their octets. It blocks."""
        sent = self._send(octets, fd, 0) if fd >= 0 else 0
        try:
            self._socket.sendall(memoryview(octets)[sent:])
        except OSError as error:
            die(f"the link cannot be written: {error}")

    def write_some(self, octets: bytes | memoryview, fd: int = -1) -> int:
        """Write as much as does not block: so many octets, and the descriptor if that is more than none."""
        return self._send(octets, fd, socket.MSG_DONTWAIT)

    def _send(self, octets: bytes | memoryview, fd: int, flags: int) -> int:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]).tobytes())] if fd >= 0 else []
        try:
            return self._socket.sendmsg([octets], rights, flags)
        except BlockingIOError:
            return 0
        except OSError as error:
            die(f"the link cannot be written: {error}")

    def check_process(self, error: BaseException | None = None) -> None:
        """End a child that the application forked and that comes back into the server: the link is not its own."""
        if os.getpid() != self._pid:
            leave(error)

    def close(self) -> None:
        """In a child that the application forked: the link is the parent's alone."""
        self._socket.close()
