"""What the C extension asks Python to do: all that is rare, so that both sides do it alike."""

from __future__ import annotations

from io import BytesIO
from typing import Any, NoReturn

from .content import FileContent, StreamContent, buffered
from .environ import local_server
from .fields import check_chunk, check_result, plain_head
from .files import FileWrapper, file_range
from .link import DisconnectedError
from .report import failure, interrupted, leave, misdeed, one_line
from .tls import environ as tls_environ

__all__ = [
    "BytesIO",
    "DisconnectedError",
    "FileWrapper",
    "check_chunk",
    "check_result",
    "failure",
    "file_content",
    "file_range",
    "interrupted",
    "leave",
    "local_server",
    "misdeed",
    "one_line",
    "plain_head",
    "raise_again",
    "stream_content",
    "tls_environ",
]


def file_content(fd: int, size: int) -> tuple[FileContent, Any]:
    """The content in a descriptor, and what the application gets."""
    raw = FileContent(fd, size)
    return raw, buffered(raw)


def stream_content(receiver: Any) -> tuple[StreamContent, Any]:
    """The content that is still to come, and what the application gets."""
    raw = StreamContent(receiver)
    return raw, buffered(raw)


def raise_again(exc_info: Any) -> NoReturn:
    """Raise an exc_info."""
    try:
        raise exc_info[1].with_traceback(exc_info[2])
    finally:
        del exc_info
