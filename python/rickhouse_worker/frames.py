"""Frames of the link as octets, and what they say. No sockets here."""

from __future__ import annotations

import os
import struct
from typing import NamedTuple

HELLO, REQUEST, DATA, WINDOW, CANCEL, STOP, CLOSED = range(1, 8)
READY, FAILED, ANSWER_HEAD, ANSWER_DATA, ANSWER_FILE, ANSWER_ABORT, ANSWER_DONE, ANSWER_WINDOW = range(16, 24)
ANSWER_CLOSE, TRAILERS = 24, 25

END, ABORT, DONE, INTERIM, LENGTH, FD = 0x01, 0x02, 0x04, 0x08, 0x10, 0x80
TEXT = WEBSOCKET = 0x20
TAKES_TRAILERS = 0x40

HEADER = struct.Struct("<IBBHI")
MAX_PAYLOAD = 1 << 20
MAX_CONTENT = 64 << 10  # octets of content in one frame
ANSWER_CREDIT = 256 << 10  # the first window of an answer
CONTENT_CREDIT = 64 << 10  # the first window of streamed request content
GIVE_BACK = CONTENT_CREDIT // 2  # so much is given back at a time
MAX_REASON = 1024  # octets of why an answer cannot be completed
PIECE_COST = 16  # what a piece of a message costs besides its octets
FILE_COST = 4 << 10  # what a file costs that does not end its answer

_FIXED = struct.Struct("<BBHHq")
_HEAD = struct.Struct("<HQQ")
_U16 = struct.Struct("<H")
_U32 = struct.Struct("<I")
_RANGE = struct.Struct("<QQ")
_TEXTS = 8


class MalformedError(Exception):
    """A frame cannot be what the front meant: there is no going on."""


class Frame(NamedTuple):
    """One frame; fd is -1 or a descriptor that whoever takes the frame owns."""

    type: int
    flags: int
    slot: int
    gen: int
    payload: bytes
    fd: int

    def drop(self) -> None:
        """Nobody takes the frame: close its descriptor."""
        if self.fd >= 0:
            os.close(self.fd)


class Request(NamedTuple):
    """The payload of a REQUEST frame; texts are latin-1, as WSGI wants them."""

    version: int
    secure: bool
    server_port: int
    client_port: int
    content_length: int
    method: str
    path: str
    raw_path: str
    query: str
    script_name: str
    server_name: str
    client_address: str
    tls: str
    fields: list[tuple[str, str]]
    content: bytes


def pack(kind: int, flags: int, slot: int, gen: int, payload: bytes = b"") -> bytes:
    """A whole frame."""
    return HEADER.pack(len(payload), kind, flags, slot, gen) + payload


def pack_head(status: int, started: int, length: int, reason: bytes, fields: bytes) -> bytes:
    """The payload of HEAD without content; fields as `pack_fields` made them."""
    return _HEAD.pack(status, started, length) + _U16.pack(len(reason)) + reason + fields


def pack_fields(pairs: list[tuple[bytes, bytes]]) -> bytes:
    """The fields of HEAD."""
    parts = [_U16.pack(len(pairs))]
    for name, value in pairs:
        parts += (_U16.pack(len(name)), name, _U16.pack(len(value)), value)
    return b"".join(parts)


def pack_u32(value: int) -> bytes:
    """The payload of DONE and WINDOW."""
    return _U32.pack(min(value, 0xFFFFFFFF))


def pack_range(offset: int, length: int) -> bytes:
    """The payload of FILE."""
    return _RANGE.pack(offset, length)


def pack_close(code: int, reason: bytes) -> bytes:
    """The payload of CLOSE."""
    return _U16.pack(code) + reason


def pack_reason(why: str) -> bytes:
    """The payload of ABORT."""
    return cut_text(why.encode("utf-8", "replace"), MAX_REASON)


def cut_text(text: bytes, most: int) -> bytes:
    """At most so many octets of UTF-8, and no half of a character."""
    return text if len(text) <= most else text[:most].decode("utf-8", "ignore").encode()


def parse_header(buffer: bytes | bytearray | memoryview, offset: int = 0) -> tuple[int, int, int, int, int]:
    """Length, type, flags, slot and generation."""
    header: tuple[int, int, int, int, int] = HEADER.unpack_from(buffer, offset)
    if header[0] > MAX_PAYLOAD:
        raise MalformedError(f"a payload of {header[0]} octets")
    return header


def parse_u32(payload: bytes) -> int:
    """The payload of WINDOW."""
    if len(payload) != 4:
        raise MalformedError(f"a counter of {len(payload)} octets")
    value: int = _U32.unpack(payload)[0]
    return value


def parse_closed(payload: bytes) -> tuple[int, str]:
    """The code and the reason of CLOSED."""
    if len(payload) < 2:
        raise MalformedError(f"a CLOSED of {len(payload)} octets")
    return _U16.unpack_from(payload)[0], payload[2:].decode("utf-8", "replace")


def parse_request(frame: Frame) -> Request:
    """What a REQUEST frame says."""
    payload = frame.payload
    try:
        version, scheme, server_port, client_port, content_length = _FIXED.unpack_from(payload)
        at = _FIXED.size
        texts = []
        for _ in range(_TEXTS):
            text, at = _short(payload, at)
            texts.append(text)
        (count,) = _U16.unpack_from(payload, at)
        at += 2
        fields = []
        for _ in range(count):
            name, at = _short(payload, at)
            value, at = _short(payload, at)
            fields.append((name, value))
    except struct.error:
        raise MalformedError(f"a REQUEST of {len(payload)} octets is cut") from None
    content = payload[at:]
    if content and (frame.fd >= 0 or not frame.flags & END):
        raise MalformedError(f"a REQUEST with {len(content)} octets too many")
    if scheme > 1 or version not in PROTOCOLS:
        raise MalformedError(f"a REQUEST of version {version} and scheme {scheme}")
    numbers = (version, scheme == 1, server_port, client_port, content_length)
    return Request._make((*numbers, *texts, fields, content))


PROTOCOLS = {10: "HTTP/1.0", 11: "HTTP/1.1", 20: "HTTP/2.0", 30: "HTTP/3.0"}


def _short(payload: bytes, at: int) -> tuple[str, int]:
    (n,) = _U16.unpack_from(payload, at)
    at += 2
    text = payload[at : at + n]
    if len(text) != n:
        raise struct.error
    return text.decode("latin-1"), at + n
