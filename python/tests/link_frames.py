"""Frames of the link for the tests, and what a worker has answered by them."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

END, ABORT, DONE, INTERIM, LENGTH, FD = 0x01, 0x02, 0x04, 0x08, 0x10, 0x80
TEXT = WEBSOCKET = 0x20
TAKES_TRAILERS = 0x40
READY, FAILED, A_HEAD, A_DATA, A_FILE, A_ABORT, A_DONE, A_WINDOW, A_CLOSE, A_TRAILERS = range(16, 26)
MAX_CONTENT = 64 << 10
GIVE_BACK = 32 << 10  # what was taken is given back when it is so much


def short(text: str | bytes) -> bytes:
    octets = text.encode("latin-1") if isinstance(text, str) else text
    return struct.pack("<H", len(octets)) + octets


def frame(kind: int, flags: int = 0, slot: int = 0, gen: int = 0, payload: bytes = b"") -> bytes:
    return struct.pack("<IBBHI", len(payload), kind, flags, slot, gen) + payload


@dataclass
class Answer:
    slot: int
    gen: int
    said: int = 0  # octets on standard output before the request
    status: int = 0
    reason: str = ""
    fields: list[tuple[str, str]] = field(default_factory=list)
    length: int | None = None
    body: bytes = b""
    pieces: list[bytes] = field(default_factory=list)
    frames: list[tuple[int, int]] = field(default_factory=list)
    file_octets: int = 0
    ended: bool = False
    aborted: str | None = None
    done: bool = False
    microseconds: int | None = None
    credit: int = 256 << 10
    given_back: int = 0
    interim: list[tuple[int, list[tuple[str, str]]]] = field(default_factory=list)
    trailers: list[tuple[str, str]] | None = None
    # Of a WebSocket.
    websocket: bool = False
    accepted: bool = False
    messages: list[str | bytes] = field(default_factory=list)
    partial: bytes = b""
    closed: tuple[int, str] | None = None
    sent_octets: int = 0

    def get(self, name: str) -> str | None:
        values = [v for n, v in self.fields if n.lower() == name.lower()]
        return values[0] if len(values) == 1 else None if not values else ",".join(values)


def parse_fields(payload: bytes) -> tuple[list[tuple[str, str]], bytes]:
    """Fields, and what follows them."""
    (count,) = struct.unpack_from("<H", payload)
    at = 2

    def text() -> str:
        nonlocal at
        (n,) = struct.unpack_from("<H", payload, at)
        at += 2 + n
        assert at <= len(payload)
        return payload[at - n : at].decode("latin-1")

    fields = []
    for _ in range(count):
        name = text()
        fields.append((name, text()))
    return fields, payload[at:]
