"""Files that the front sends by itself: `http.response.pathsend` and `http.response.zerocopysend`."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from typing import Any

from ..fields import kind_of, shown


class FilePart:
    """Part of a regular file, by a descriptor of its own."""

    def __init__(self, fd: int, offset: int, length: int) -> None:
        self._fd = fd
        self.offset = offset
        self.length = length

    def release(self) -> int:
        """The descriptor, which is the caller's from now on."""
        fd, self._fd = self._fd, -1
        return fd

    def close(self) -> None:
        """Close the descriptor unless it was released."""
        if self._fd >= 0:
            os.close(self.release())


def open_path(path: Any) -> FilePart:
    """The whole file of a `http.response.pathsend` message. OSError where it cannot be opened."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"the path must be a str, not {kind_of(path)}")
    if not os.path.isabs(path):
        raise ValueError(f"the path must be absolute: {shown(path)}")
    # Without O_NONBLOCK the opening of a pipe would wait for somebody to write into it.
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        return FilePart(fd, 0, _size(fd))
    except BaseException:
        os.close(fd)
        raise


def part_of(message: Mapping[str, Any]) -> FilePart:
    """What a `http.response.zerocopysend` message names. As with os.sendfile, the position of the file moves on where
    there is no offset, and stays where there is one."""
    file, offset, count = message.get("file"), message.get("offset"), message.get("count")
    for name, value in (("offset", offset), ("count", count)):
        if value is not None and (not isinstance(value, int) or value < 0):
            raise ValueError(f"the {name} must be a number of octets, not {shown(value)}")
    fd = file if isinstance(file, int) else file.fileno()  # type: ignore[union-attr]
    size = _size(fd)
    at = _position(file, fd) if offset is None else offset
    left = max(0, size - at)
    length = left if count is None else min(count, left)
    if offset is None:
        _move(file, fd, at + length)
    return FilePart(os.dup(fd), at, length)


def _size(fd: int) -> int:
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("only regular files can be sent by their descriptor")
    return status.st_size


def _position(file: Any, fd: int) -> int:
    return int(file.tell()) if hasattr(file, "tell") else os.lseek(fd, 0, os.SEEK_CUR)


def _move(file: Any, fd: int, position: int) -> None:
    if hasattr(file, "seek"):
        file.seek(position)
    else:
        os.lseek(fd, position, os.SEEK_SET)
