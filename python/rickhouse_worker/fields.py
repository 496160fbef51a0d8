"""What an application gives to `start_response`, and what it answers: checked, made plain, and packed.

Strict where a client could be misled, lenient where every other server is: subclasses of str, any iterable of pairs, a
status without a reason and hop-by-hop fields, which are left out. The C extension packs by itself what is plain already
and comes here for the rest, and for the words where something is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from .frames import pack_fields
from .report import left_out

_STATUS = re.compile(r"[1-9][0-9]{2}(?: [\t\x20-\x7e\x80-\xff]*)?", re.ASCII)
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", re.ASCII)
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_DIGITS = re.compile(r"[0-9]{1,18}", re.ASCII)

# RFC 9110 §7.6.1: these concern one connection, which is the server's.
HOP_BY_HOP = frozenset(
    ("connection", "keep-alive", "proxy-connection", "te", "trailer", "trailers", "transfer-encoding", "upgrade")
)
MAX_FIELD = 0xFFFF
MAX_HEAD = 512 << 10

Pair = tuple[str, str]


def plain_head(method: str, path: str, status: Any, headers: Any) -> tuple[str, list[Pair]]:
    """Status and headers made plain; what is left out is told to the log."""
    return plain_status(status), plain_headers(headers, partial(left_out, method, path))


def plain_status(status: Any) -> str:
    """The status as three digits, a space and the reason phrase, which may be empty. RFC 9110 §15 gives no meaning to
    600 to 999, but lets them pass."""
    if not isinstance(status, str):
        raise TypeError(f"the status must be a str, not {kind_of(status)}")
    status = str.__str__(status)
    if not _STATUS.fullmatch(status) or len(status) > 1024:
        raise ValueError(f"the status must be like '200 OK', not {shown(status)}")
    if status[0] == "1":
        raise ValueError(f"the status {shown(status)} is interim: it cannot be an answer")
    return status if len(status) > 3 else status + " "


def plain_headers(headers: Any, leave_out: Callable[[str], object]) -> list[Pair]:
    """The headers as tuples of str with at most one Content-Length, of digits, and no hop-by-hop fields: the name of
    each of those goes to leave_out."""
    plain = []
    length = None
    size = 2
    for header in _iterate(headers):
        name, value = _check_header(header)
        folded = name.lower()
        if folded in HOP_BY_HOP:
            leave_out(name)
            continue
        if folded != "content-length":
            size += 4 + len(name) + len(value)
        else:
            value = _check_length(value)
            if length is not None:
                if value != length:
                    raise ValueError(f"there are two Content-Lengths, {length} and {value}")
                continue  # the same once more says nothing new (RFC 9110 §8.6)
            length = value
        plain.append((name, value))
    fields = len(plain) - (length is not None)
    if size > MAX_HEAD or fields > MAX_FIELD:
        raise ValueError(f"the headers are too large ({fields} fields)")
    return plain


def pack_status(status: str) -> tuple[int, bytes]:
    """The number and the reason phrase of a plain status."""
    return int(status[:3]), status[4:].encode("latin-1")


def pack_headers(headers: list[Pair]) -> tuple[bytes, int]:
    """Plain headers as they go into HEAD, without Content-Length, and the Content-Length, -1 if there is none."""
    pairs = []
    length = -1
    for name, value in headers:
        if name.lower() == "content-length":
            length = int(value)
        else:
            pairs.append((name.encode("latin-1"), value.encode("latin-1")))
    return pack_fields(pairs), length


def _iterate(headers: Any) -> Any:
    if not isinstance(headers, (str, bytes)):
        try:
            return iter(headers)
        except TypeError:
            pass
    raise TypeError(f"the headers must be a list of (name, value) tuples, not {kind_of(headers)}")


def _check_header(header: Any) -> Pair:
    if not isinstance(header, (tuple, list)) or len(header) != 2:
        raise TypeError(f"a header must be a tuple (name, value), not {shown(header)}")
    name, value = header
    if not isinstance(name, str) or not isinstance(value, str):
        raise TypeError(f"the name and the value of a header must be str: {shown(header)}")
    # What is checked must be what is sent: a subclass may have its own idea of its octets.
    name, value = str.__str__(name), str.__str__(value)
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"{shown(name)} is not a header name")
    if not _VALUE.fullmatch(value):
        bad = next(c for c in value if not _VALUE.fullmatch(c))
        why = "is not latin-1" if bad > "\xff" else "is a control character"
        raise ValueError(f"the header {name} has a value with {bad!r}, which {why}: {shown(value)}")
    if len(name) > MAX_FIELD or len(value) > MAX_FIELD:
        raise ValueError(f"the header {name[:64]} is longer than {MAX_FIELD} octets")
    return name, value


def _check_length(value: str) -> str:
    digits = value.strip(" \t")
    if not _DIGITS.fullmatch(digits):
        raise ValueError(f"the Content-Length must be digits, not {shown(value)}")
    return str(int(digits))


def check_chunk(chunk: Any) -> None:
    """Raise the TypeError that a chunk which is not bytes deserves."""
    if isinstance(chunk, bytes):
        return
    hint = ": encode it first, as in text.encode()" if isinstance(chunk, str) else ": make it bytes, as in bytes(chunk)"
    raise TypeError(f"the application must give bytes, not {kind_of(chunk)}{hint}")


def check_result(result: Any) -> None:
    """Raise the TypeError that a result which is no iterable of bytes deserves."""
    if result is None:
        raise TypeError("the application returned None: it must return an iterable of bytes")
    if isinstance(result, str):
        raise TypeError("the application returned a str: it must return an iterable of bytes, as in [text.encode()]")
    if isinstance(result, bytes):
        raise TypeError("the application returned bytes: it must return an iterable of bytes, as in [data]")
    if not hasattr(type(result), "__iter__") and not hasattr(type(result), "__getitem__"):
        raise TypeError(f"the application returned {kind_of(result)}: it must return an iterable of bytes")


def kind_of(value: Any) -> str:
    """The type of a value, as messages name it."""
    return type(value).__qualname__


def shown(value: Any) -> str:
    """A value, as messages show it."""
    text = ascii(value)
    return text if len(text) <= 200 else text[:200] + "…"
