"""What an application gives to `start_response`, checked and packed.

The C extension checks the same by itself and comes here for the words when it found something wrong.
"""

from __future__ import annotations

import re
from typing import Any

from .frames import pack_fields

_STATUS = re.compile(r"[1-9][0-9]{2} [\t\x20-\x7e\x80-\xff]*", re.ASCII)
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", re.ASCII)
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_DIGITS = re.compile(r"[0-9]{1,18}", re.ASCII)

# RFC 9110 §7.6.1: these concern one connection, which is the server's.
_HOP_BY_HOP = frozenset(
    ("connection", "keep-alive", "proxy-connection", "te", "trailer", "trailers", "transfer-encoding", "upgrade")
)
_MAX_FIELD = 0xFFFF
_MAX_HEAD = 512 << 10


def check_status(status: Any) -> tuple[int, bytes]:
    """The number and the reason phrase of a status such as "200 OK"."""
    if type(status) is not str:
        raise TypeError(f"the status must be a str, not {_kind(status)}")
    if not _STATUS.fullmatch(status) or len(status) > 1024:
        raise ValueError(f"the status must be like '200 OK', not {_shown(status)}")
    if status[0] == "1":
        raise ValueError(f"the status {_shown(status)} is interim: it cannot be an answer")
    return int(status[:3]), status[4:].encode("latin-1")


def pack_headers(headers: Any) -> tuple[bytes, int]:
    """The fields as they go into HEAD, without Content-Length, and the Content-Length, -1 if there is none."""
    if type(headers) is not list:
        raise TypeError(f"the headers must be a list of (name, value) tuples, not {_kind(headers)}")
    pairs = []
    length = -1
    for header in headers:
        name, value = _check_header(header)
        folded = name.lower()
        if folded in _HOP_BY_HOP:
            raise ValueError(f"the header {name} is the server's to set (PEP 3333: no hop-by-hop headers)")
        if folded != "content-length":
            pairs.append((name.encode("latin-1"), value.encode("latin-1")))
            continue
        if not _DIGITS.fullmatch(value):
            raise ValueError(f"the Content-Length must be digits, not {_shown(value)}")
        if length >= 0:
            raise ValueError("there is more than one Content-Length")
        length = int(value)
    packed = pack_fields(pairs) if len(pairs) <= _MAX_FIELD else b""
    if not packed or len(packed) > _MAX_HEAD:
        raise ValueError(f"the headers are too large ({len(pairs)} fields)")
    return packed, length


def _check_header(header: Any) -> tuple[str, str]:
    if type(header) is not tuple or len(header) != 2:
        raise TypeError(f"a header must be a tuple (name, value), not {_shown(header)}")
    name, value = header
    if type(name) is not str or type(value) is not str:
        raise TypeError(f"the name and the value of a header must be str: {_shown(header)}")
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"{_shown(name)} is not a header name")
    if not _VALUE.fullmatch(value):
        bad = next(c for c in value if not _VALUE.fullmatch(c))
        why = "is not latin-1" if bad > "\xff" else "is a control character"
        raise ValueError(f"the header {name} has a value with {bad!r}, which {why}: {_shown(value)}")
    if len(name) > _MAX_FIELD or len(value) > _MAX_FIELD:
        raise ValueError(f"the header {name[:64]} is longer than {_MAX_FIELD} octets")
    return name, value


def check_chunk(chunk: Any) -> None:
    """Raise the TypeError that a chunk which is not bytes deserves."""
    if isinstance(chunk, bytes):
        return
    hint = ": encode it first, as in text.encode()" if isinstance(chunk, str) else ": make it bytes, as in bytes(chunk)"
    raise TypeError(f"the application must give bytes, not {_kind(chunk)}{hint}")


def check_result(result: Any) -> None:
    """Raise the TypeError that a result which is no iterable of bytes deserves."""
    if result is None:
        raise TypeError("the application returned None: it must return an iterable of bytes")
    if isinstance(result, str):
        raise TypeError("the application returned a str: it must return an iterable of bytes, as in [text.encode()]")
    if isinstance(result, bytes):
        raise TypeError("the application returned bytes: it must return an iterable of bytes, as in [data]")
    if not hasattr(type(result), "__iter__") and not hasattr(type(result), "__getitem__"):
        raise TypeError(f"the application returned {_kind(result)}: it must return an iterable of bytes")


def _kind(value: Any) -> str:
    return type(value).__qualname__


def _shown(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 200 else text[:200] + "…"
