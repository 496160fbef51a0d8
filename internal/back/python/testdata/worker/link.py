"""The worker's end of the link, in raw frames (docs/link.md): it shares no code with the worker that is shipped."""

from __future__ import annotations

import array
import ctypes
import json
import mmap
import os
import queue
import socket
import struct
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NoReturn

HELLO, REQUEST, DATA, WINDOW, CANCEL, STOP, CLOSED = range(1, 8)
READY, FAILED, HEAD, ANSWER, FILE, ABORTED, FINISHED, GIVE, CLOSE, TRAILERS = range(16, 26)
END, CUT, DONE, INTERIM, LENGTH, TEXT, TAKES_TRAILERS, FD = 1, 2, 4, 8, 16, 32, 64, 128
FIELDS = [("Content-Type", "text/plain")]

Frame = tuple[int, int, int, int, bytes, int]


def forever() -> NoReturn:
    while True:
        time.sleep(60)


class Request:
    """A decoded REQUEST."""

    def __init__(self, flags: int, slot: int, gen: int, payload: bytes, fd: int) -> None:
        self.slot, self.gen, self.fd, self.flags = slot, gen, fd, flags
        at = 6
        (self.length,) = struct.unpack_from("<q", payload, at)
        at += 8
        texts = []
        for _ in range(8):
            (n,) = struct.unpack_from("<H", payload, at)
            texts.append(payload[at + 2 : at + 2 + n].decode("latin-1"))
            at += 2 + n
        self.method, self.path = texts[0], texts[1]
        (count,) = struct.unpack_from("<H", payload, at)
        at += 2
        self.fields = {}
        for _ in range(count):
            pair = []
            for _ in range(2):
                (n,) = struct.unpack_from("<H", payload, at)
                pair.append(payload[at + 2 : at + 2 + n].decode("latin-1"))
                at += 2 + n
            self.fields[pair[0]] = pair[1]
        self.content = payload[at:]
        self.streamed = not flags & END
        self.window = 256 << 10
        self.mail: queue.Queue[tuple[int, int, bytes]] | None = None


def compare_and_swap() -> Callable[[ctypes.Array[ctypes.c_uint32], int, int, int], bool]:
    """Return a swap of one word that the front cannot come between, which comes with gcc."""
    try:
        exchange = getattr(ctypes.CDLL("libatomic.so.1"), "__atomic_compare_exchange_4")
    except (OSError, AttributeError):
        sys.exit("this test needs libatomic.so.1")
    exchange.restype = ctypes.c_bool
    sequential = 5  # __ATOMIC_SEQ_CST

    def swap(words: ctypes.Array[ctypes.c_uint32], at: int, old: int, new: int) -> bool:
        word, expected = ctypes.byref(words, 4 * at), ctypes.byref(ctypes.c_uint32(old))
        return bool(exchange(word, expected, ctypes.c_uint32(new), sequential, sequential))

    return swap


class Worker:
    """The worker's end of the link."""

    def __init__(self) -> None:
        self.link = socket.socket(fileno=int(os.environ["RICKHOUSE_LINK"]))
        ledger = mmap.mmap(int(os.environ["RICKHOUSE_LEDGER"]), 0)
        self.ledger = (ctypes.c_uint32 * (len(ledger) // 4)).from_buffer(ledger)
        self.swap = compare_and_swap()
        self.buffer = b""
        self.fds: deque[int] = deque()
        self.kept: deque[Frame] = deque()
        self.lock = threading.Lock()
        kind, _, _, _, payload, _ = self.read()
        if kind != HELLO:
            sys.exit("no HELLO")
        self.settings = json.loads(payload)

    def read(self) -> Frame:
        """The next frame. The process ends with the link."""
        while True:
            if len(self.buffer) >= 12:
                length, kind, flags, slot, gen = struct.unpack_from("<IBBHI", self.buffer)
                if len(self.buffer) >= 12 + length:
                    payload = self.buffer[12 : 12 + length]
                    self.buffer = self.buffer[12 + length :]
                    return kind, flags, slot, gen, payload, self.fds.popleft() if flags & FD else -1
            data, fds, _, _ = socket.recv_fds(self.link, 1 << 20, 16)
            if not data:
                os._exit(1)
            self.fds.extend(fds)
            self.buffer += data

    def send(self, kind: int, flags: int, slot: int, gen: int, payload: bytes = b"", fd: int = -1) -> None:
        frame = struct.pack("<IBBHI", len(payload), kind, flags, slot, gen) + payload
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))] if fd >= 0 else []
        with self.lock:
            sent = self.link.sendmsg([frame], rights)
            self.link.sendall(frame[sent:])

    def ready(self, recall: bool = True, fd: int = -1, interface: str = "wsgi") -> None:
        info = {
            "python": "3", "implementation": "cpython", "twin": "python", "recall": recall,
            "pid": os.getpid(), "interface": interface, "free_threaded": False,
        }  # fmt: skip
        self.send(READY, FD if fd >= 0 else 0, 0, 0, json.dumps(info).encode(), fd)

    def failed(self) -> None:
        failure = {"phase": "import", "error": "no module named shop", "traceback": "Traceback: shop"}
        self.send(FAILED, 0, 0, 0, json.dumps(failure).encode())

    def start(self, r: Request) -> bool:
        """Note that r has started, unless it was taken back."""
        if not self.swap(self.ledger, 2 * r.slot, r.gen << 2 | 1, r.gen << 2 | 2):
            return False
        self.note(f"started {r.method} {r.path}")
        return True

    def note(self, text: str) -> None:
        """Leave a line for the test to read."""
        fd = os.open("notes", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(fd, f"{text} {os.getpid()}\n".encode())
        os.close(fd)

    def gate(self, name: str) -> None:
        """Wait until the test opens a gate."""
        while not os.path.exists(name):
            time.sleep(0.002)

    def head(self, r: Request, flags: int = 0, content: bytes = b"", status: int = 200, **more: object) -> None:
        fields = more.get("fields", FIELDS)
        payload = struct.pack("<HQQ", status, time.monotonic_ns(), more.get("length", len(content)))
        payload += struct.pack("<HH", 0, len(fields))
        for name, value in fields:
            payload += struct.pack("<H", len(name)) + name.encode() + struct.pack("<H", len(value)) + value.encode()
        self.send(HEAD, flags, r.slot, r.gen, payload + content)

    def reply(self, r: Request, text: str = "ok") -> None:
        self.head(r, END | DONE | LENGTH, f"{text} {os.getpid()}".encode())

    def about(self, r: Request) -> tuple[int, int, bytes]:
        """The next frame about r; others are kept for later."""
        if r.mail is not None:
            return r.mail.get()
        while True:
            frame = self.read()
            if frame[0] in (DATA, WINDOW, CANCEL, CLOSED) and frame[2:4] == (r.slot, r.gen):
                return frame[0], frame[1], frame[4]
            self.kept.append(frame)

    def write(self, r: Request, content: bytes) -> None:
        """Answer content within the window."""
        while content:
            while r.window <= 0:
                kind, _, payload = self.about(r)
                if kind == CANCEL:
                    return
                if kind == WINDOW:
                    r.window += struct.unpack("<I", payload)[0]
            n = min(len(content), r.window, 64 << 10)
            r.window -= n
            self.send(ANSWER, 0, r.slot, r.gen, content[:n])
            content = content[n:]

    def body(self, r: Request) -> bytes:
        """The whole content of the request."""
        if r.fd >= 0:
            content = os.pread(r.fd, os.fstat(r.fd).st_size, 0)
            os.close(r.fd)
            return content
        if not r.streamed:
            return r.content
        self.send(GIVE, 0, r.slot, r.gen, struct.pack("<I", 0))
        pieces = []
        flags = 0
        while not flags & (END | CUT):
            kind, flags, piece = self.about(r)
            if kind == CANCEL:
                return b""
            pieces.append(piece)
            if piece:
                self.send(GIVE, 0, r.slot, r.gen, struct.pack("<I", len(piece)))
        return b"".join(pieces) + (b" (cut)" if flags & CUT else b"")
