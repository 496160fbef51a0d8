"""What an application gives as headers, checked and packed.

The C extension checks the same by itself and comes here for the words when it found something wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..fields import HOP_BY_HOP, MAX_FIELD, MAX_HEAD, kind_of, shown
from ..frames import pack_fields

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_DIGITS = re.compile(rb"[0-9]{1,18}")
_HOP_BY_HOP = frozenset(name.encode() for name in HOP_BY_HOP)


def check_status(status: Any) -> int:
    """The status of a `…response.start` message."""
    if not isinstance(status, int) or isinstance(status, bool):
        raise TypeError(f"the status must be an int, not {shown(status)}")
    if not 200 <= status <= 999:
        why = "is interim: it cannot be an answer" if 100 <= status < 200 else "is not from 200 to 999"
        raise ValueError(f"the status {int(status)} {why}")
    return int(status)


def pack_headers(headers: Any, known: tuple[tuple[bytes, bytes], ...] = ()) -> tuple[bytes, int]:
    """The fields as they go into a frame, and the Content-Length, -1 if there is none. What concerns the connection is
    the server's to say and left out; known is added."""
    pairs = list(known)
    length = -1
    for header in pairs_of(headers):
        name, value = _check_header(header)
        folded = name.lower()
        if folded in _HOP_BY_HOP:
            continue
        if folded != b"content-length":
            pairs.append((name, value))
            continue
        if not _DIGITS.fullmatch(value):
            raise ValueError(f"the Content-Length must be digits, not {shown(value)}")
        if length >= 0 and length != int(value):
            raise ValueError("there is more than one Content-Length")
        length = int(value)
    packed = pack_fields(pairs) if len(pairs) <= MAX_FIELD else b""
    if not packed or len(packed) > MAX_HEAD:
        raise ValueError(f"the headers are too large ({len(pairs)} fields)")
    return packed, length


def pairs_of(headers: Any) -> Any:
    """Headers as an iterable, which may be one that can be gone through once only."""
    if isinstance(headers, Mapping) or not hasattr(type(headers), "__iter__"):
        raise TypeError(f"the headers must be an iterable of [name, value] pairs, not {kind_of(headers)}")
    return headers


def _check_header(header: Any) -> tuple[bytes, bytes]:
    try:
        name, value = header
    except (TypeError, ValueError):
        raise TypeError(f"a header must be a pair [name, value], not {shown(header)}") from None
    name, value = _octets(name, header), _octets(value, header)
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"{shown(name)} is not a header name")
    if not _VALUE.fullmatch(value):
        raise ValueError(f"the header {name.decode()} has a value with a control character: {shown(value)}")
    if len(name) > MAX_FIELD or len(value) > MAX_FIELD:
        raise ValueError(f"the header {name[:64].decode()} is longer than {MAX_FIELD} octets")
    return name, value


def _octets(value: Any, header: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    raise TypeError(f"the name and the value of a header must be bytes: {shown(header)}")


def check_body(body: Any) -> bytes:
    """Content as bytes."""
    if isinstance(body, bytes):
        return body
    if isinstance(body, (bytearray, memoryview)):
        return bytes(body)
    hint = ": encode it first, as in text.encode()" if isinstance(body, str) else ""
    raise TypeError(f"the body must be bytes, not {kind_of(body)}{hint}")
