"""`wsgi.file_wrapper`: files that the front can send by itself."""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Callable
from typing import Any, NamedTuple


class FileWrapper:
    """PEP 3333's wrapper: an iterable over a file-like object. Returned as it is, over a regular file, the server sends
    the file itself."""

    close: Callable[[], object]

    def __init__(self, filelike: Any, blksize: int = 64 << 10) -> None:
        self.filelike = filelike
        self.blksize = blksize
        if hasattr(filelike, "close"):
            self.close = filelike.close

    def __iter__(self) -> FileWrapper:
        return self

    def __next__(self) -> bytes:
        data: bytes = self.filelike.read(self.blksize)
        if data:
            return data
        raise StopIteration


class FileRange(NamedTuple):
    """Part of an open regular file."""

    fd: int
    offset: int
    length: int


def file_range(wrapper: FileWrapper) -> FileRange | None:
    """From where on the file of a wrapper is to be sent, or None where it has to be read: only files of exactly known
    types are what their descriptor says (a GzipFile has one too)."""
    file = wrapper.filelike
    tempfile = sys.modules.get("tempfile")
    if tempfile is not None and type(file) is tempfile._TemporaryFileWrapper:
        file = file.file
    raw = file.raw if type(file) in (io.BufferedReader, io.BufferedRandom) else file
    if type(raw) is not io.FileIO or raw.closed or not raw.readable():
        return None
    try:
        if type(file) is io.BufferedRandom:
            file.flush()
        status = os.fstat(raw.fileno())
        if not stat.S_ISREG(status.st_mode):
            return None
        offset = file.tell()
    except (OSError, ValueError):
        return None
    if status.st_size <= offset:
        return None  # reading shows whether it is so: the files of /proc say that they are empty
    return FileRange(raw.fileno(), offset, status.st_size - offset)
