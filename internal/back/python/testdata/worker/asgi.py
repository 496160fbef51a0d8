"""What a worker does that serves ASGI: many requests at once, and WebSockets."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable

from link import (
    ABORTED,
    ANSWER,
    CANCEL,
    CLOSE,
    CLOSED,
    CUT,
    DATA,
    DONE,
    END,
    FD,
    FILE,
    FINISHED,
    GIVE,
    HEAD,
    LENGTH,
    TAKES_TRAILERS,
    TEXT,
    TRAILERS,
    WINDOW,
    Request,
    Worker,
    forever,
)


def cancelled(w: Worker, r: Request) -> None:
    """Wait until it took too long, or for ever if the path ends so."""
    while True:
        kind, flags, _ = w.about(r)
        if kind == CANCEL:
            w.note(f"cancel {flags} {r.path}")
        if kind == CANCEL and flags & CUT and not r.path.endswith("/stays"):
            break
    w.send(ABORTED, DONE, r.slot, r.gen, b"cancelled")


def half(w: Worker, r: Request) -> None:
    """Answer once the client has stopped sending."""
    while w.about(r)[:2] != (CANCEL, END):
        pass
    w.reply(r, "cancelled" if w.ledger[2 * r.slot + 1] == r.gen + 1 else "half")


def how_sent(w: Worker, r: Request) -> None:
    """Say how the content came, and how much."""
    streamed = r.streamed
    content = w.body(r)
    w.reply(r, f"streamed {len(content)}" if streamed else f"whole {len(content)}")


def trailers(w: Worker, r: Request) -> None:
    w.head(r, 0, b"taken" if r.flags & TAKES_TRAILERS else b"not taken")
    w.send(TRAILERS, 0, r.slot, r.gen, struct.pack("<HH", 1, 4) + b"grpc" + struct.pack("<H", 2) + b"ok")
    w.send(ANSWER, END | DONE, r.slot, r.gen)


def files(w: Worker, r: Request) -> None:
    """Answer in files, more than may wait, and each in its turn."""
    with open(__file__, "rb") as f:
        w.head(r)
        for i in range(500):
            while r.window < 4096:
                r.window += struct.unpack("<I", w.about(r)[2])[0]
            r.window -= 4096
            w.send(FILE, FD, r.slot, r.gen, struct.pack("<QQ", 3, 5), f.fileno())
            w.note(f"file {i}")
    w.send(ANSWER, END | DONE, r.slot, r.gen)


def background(w: Worker, r: Request) -> None:
    """Answer, and go on behind it."""
    w.head(r, END | LENGTH, b"ok")
    w.gate(r.path.rpartition("/")[2])
    w.send(FINISHED, 0, r.slot, r.gen, struct.pack("<I", 7))


def closed(w: Worker, r: Request) -> None:
    """Wait for the end of a WebSocket."""
    while True:
        kind, _, payload = w.about(r)
        if kind == CLOSED:
            w.note(f"closed {struct.unpack_from('<H', payload)[0]} {payload[2:].decode()}")
            return


def ws(w: Worker, r: Request) -> None:
    """A WebSocket that does as its path says."""
    how = r.path.split("/")[2]
    if how == "refused":
        w.head(r, END | DONE | LENGTH, b"go away", 403)
        return
    if how == "hang":
        cancelled(w, r)
        return
    fields = [("x-one", "two")]
    if how == "protocol":
        fields.append(("sec-websocket-protocol", r.path.split("/")[3]))
    w.send(HEAD, 0, r.slot, r.gen, struct.pack("<HQQHH", 101, time.monotonic_ns(), 0, 0, len(fields)) + b"".join(
        struct.pack("<H", len(n)) + n.encode() + struct.pack("<H", len(v)) + v.encode() for n, v in fields
    ))  # fmt: skip
    WEBSOCKETS[how](w, r)


def ws_echo(w: Worker, r: Request) -> None:
    """Echo messages; "bye" closes, "die" ends the worker, "raise" aborts, "return" returns."""
    message, text = b"", 0
    while True:
        kind, flags, payload = w.about(r)
        if kind == CLOSED:
            w.note(f"closed {struct.unpack_from('<H', payload)[0]} {payload[2:].decode()}")
            w.send(FINISHED, 0, r.slot, r.gen, struct.pack("<I", 7))
            return
        if kind == WINDOW:
            r.window += struct.unpack("<I", payload)[0]
        if kind != DATA:
            continue
        message, text = message + payload, flags & TEXT
        w.send(GIVE, 0, r.slot, r.gen, struct.pack("<I", len(payload) + 16))
        if not flags & END:
            continue
        if message == b"die":
            os._exit(9)
        if message == b"bye":
            w.send(CLOSE, 0, r.slot, r.gen, struct.pack("<H", 4001) + b"ciao")
            closed(w, r)
            w.send(FINISHED, 0, r.slot, r.gen, struct.pack("<I", 7))
            return
        if message == b"raise":
            w.send(ABORTED, DONE, r.slot, r.gen, b"ValueError")
            return
        if message == b"return":
            w.send(FINISHED, 0, r.slot, r.gen, struct.pack("<I", 7))
            return
        pieces = [message[at : at + 60000] for at in range(0, len(message), 60000)] or [b""]
        for i, piece in enumerate(pieces):
            while r.window < len(piece) + 1:
                kind, _, payload = w.about(r)
                if kind == WINDOW:
                    r.window += struct.unpack("<I", payload)[0]
            r.window -= len(piece) + 16
            w.send(ANSWER, text | (END if i == len(pieces) - 1 else 0), r.slot, r.gen, piece)
        message = b""


def ws_flood(w: Worker, r: Request) -> None:
    """Send empty messages as far as the window goes, and one beyond."""
    for _ in range((256 << 10) // 16):
        w.send(ANSWER, END, r.slot, r.gen)
    w.note("flooded")
    if r.path.endswith("/lie"):
        w.send(ANSWER, END, r.slot, r.gen)
    forever()


def a_file(w: Worker, r: Request) -> None:
    with open(__file__, "rb") as f:
        w.send(FILE, FD, r.slot, r.gen, bytes(16), f.fileno())


WEBSOCKETS: dict[str, Callable[[Worker, Request], None]] = {
    "echo": ws_echo, "protocol": ws_echo, "flood": ws_flood, "deaf": lambda w, r: forever(),
    "two-heads": lambda w, r: w.head(r), "file": a_file,
    "trailers": lambda w, r: w.send(TRAILERS, 0, r.slot, r.gen, b"\0\0"),
    "credit": lambda w, r: w.send(GIVE, 0, r.slot, r.gen, struct.pack("<I", 1)),
    "close": lambda w, r: [w.send(CLOSE, 0, r.slot, r.gen, b"\xe8\x03") for _ in range(2)],
}  # fmt: skip

HANDLERS: dict[str, Callable[[Worker, Request], None]] = {
    "cancelled": cancelled, "half": half, "how-sent": how_sent, "trailers": trailers, "files": files,
    "background": background, "ws": ws,
}  # fmt: skip
