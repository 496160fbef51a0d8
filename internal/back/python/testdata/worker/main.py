"""A worker that does as it is told: the target says how it starts, the path of a request how it answers.

It speaks raw frames (docs/link.md) and shares no code with the worker that is shipped, so that it can lie.
"""

from __future__ import annotations

import array
import json
import mmap
import os
import queue
import socket
import struct
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NoReturn

HELLO, REQUEST, DATA, WINDOW, CANCEL, STOP = range(1, 7)
READY, FAILED, HEAD, ANSWER, FILE, ABORTED, FINISHED, GIVE = range(16, 24)
END, CUT, DONE, INTERIM, LENGTH, FD = 1, 2, 4, 8, 16, 128
FIELDS = [("Content-Type", "text/plain")]

Frame = tuple[int, int, int, int, bytes, int]


def forever() -> NoReturn:
    while True:
        time.sleep(60)


class Request:
    """A decoded REQUEST."""

    def __init__(self, flags: int, slot: int, gen: int, payload: bytes, fd: int) -> None:
        self.slot, self.gen, self.fd = slot, gen, fd
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


class Worker:
    """The worker's end of the link."""

    def __init__(self) -> None:
        self.link = socket.socket(fileno=int(os.environ["RICKHOUSE_LINK"]))
        self.ledger = memoryview(mmap.mmap(int(os.environ["RICKHOUSE_LEDGER"]), 0)).cast("I")
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

    def ready(self, recall: bool = True, fd: int = -1) -> None:
        info = {
            "python": "3", "implementation": "cpython", "twin": "python", "recall": recall,
            "pid": os.getpid(), "interface": "wsgi", "free_threaded": False,
        }  # fmt: skip
        self.send(READY, FD if fd >= 0 else 0, 0, 0, json.dumps(info).encode(), fd)

    def failed(self) -> None:
        failure = {"phase": "import", "error": "no module named shop", "traceback": "Traceback: shop"}
        self.send(FAILED, 0, 0, 0, json.dumps(failure).encode())

    def start(self, r: Request) -> bool:
        """Note that r has started, unless it was taken back."""
        if self.ledger[2 * r.slot] != r.gen << 2 | 1:
            return False
        self.ledger[2 * r.slot] = r.gen << 2 | 2
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
            if frame[0] in (DATA, WINDOW, CANCEL) and frame[2:4] == (r.slot, r.gen):
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


def once(name: str) -> bool:
    """True the first time, for all workers together."""
    try:
        os.close(os.open(name, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def echo(w: Worker, r: Request) -> None:
    content = w.body(r)
    w.head(r)
    w.write(r, content)
    w.send(ANSWER, END | DONE, r.slot, r.gen)


def big(w: Worker, r: Request) -> None:
    n = int(r.path.rpartition("/")[2])
    w.head(r, LENGTH, length=n)
    w.write(r, b"x" * n)
    w.send(ANSWER, END, r.slot, r.gen)
    w.send(FINISHED, 0, r.slot, r.gen, struct.pack("<I", 7))


def file(w: Worker, r: Request) -> None:
    n = int(r.path.rpartition("/")[2])
    with tempfile.TemporaryFile() as f:
        f.write(b"skip" + b"f" * n)
        f.flush()
        w.head(r, LENGTH, length=n)
        w.send(FILE, FD | END | DONE, r.slot, r.gen, struct.pack("<QQ", 4, n), f.fileno())


def gate(w: Worker, r: Request) -> None:
    w.gate(r.path.rpartition("/")[2])
    w.reply(r)


def head_then_gate(w: Worker, r: Request) -> None:
    w.head(r, 0, b"begun ")
    w.gate(r.path.rpartition("/")[2])
    w.send(ANSWER, END | DONE, r.slot, r.gen, b"over")


def tick(w: Worker, r: Request, pause: float = 0.01) -> None:
    """Show progress until a gate opens."""
    w.head(r, 0, f"tick {os.getpid()} ".encode())
    while not os.path.exists(r.path.rpartition("/")[2]):
        w.send(ANSWER, 0, r.slot, r.gen, b".")
        time.sleep(pause)
    w.send(ANSWER, END | DONE, r.slot, r.gen)


def hang(w: Worker, r: Request) -> None:
    forever()


def die(w: Worker, r: Request) -> None:
    os._exit(9)


def die_once(w: Worker, r: Request) -> None:
    if once("died"):
        os._exit(9)
    w.reply(r, "again")


def die_gated(w: Worker, r: Request) -> None:
    w.gate(r.path.rpartition("/")[2])
    die_once(w, r)


def die_answering(w: Worker, r: Request) -> None:
    w.head(r, 0, b"part")
    os._exit(9)


def answer_and_die(w: Worker, r: Request) -> None:
    w.reply(r)
    os._exit(9)


def die_after_content(w: Worker, r: Request) -> None:
    w.about(r)
    os._exit(9)


def abort(w: Worker, r: Request) -> None:
    w.send(ABORTED, DONE, r.slot, r.gen, b"the application raised ValueError")


def abort_late(w: Worker, r: Request) -> None:
    w.head(r, 0, b"part")
    w.send(ABORTED, 0, r.slot, r.gen, b"the application raised late")
    w.send(FINISHED, 0, r.slot, r.gen, struct.pack("<I", 7))


def cancel(w: Worker, r: Request) -> None:
    """Wait until nobody waits."""
    while w.about(r)[0] != CANCEL or w.ledger[2 * r.slot + 1] != r.gen + 1:
        pass
    w.note("canceled")
    w.send(ABORTED, DONE, r.slot, r.gen, b"nobody waits")


def close_link(w: Worker, r: Request) -> None:
    w.link.close()
    forever()


def flood(w: Worker, r: Request) -> None:
    for i in range(20000):
        print("line", i, "x" * 200)
    print("no end", end="", flush=True)
    w.reply(r)


def hold(w: Worker, r: Request) -> None:
    """Die, with a child left that holds the link and the pipes for as long as the test runs."""
    here = os.getcwd()
    if once("held"):
        if os.fork() == 0:
            while os.path.isdir(here):
                time.sleep(0.02)
            os._exit(0)
        os._exit(9)
    w.reply(r)


def lie(w: Worker, r: Request) -> None:
    LIES[r.path.rpartition("/")[2]](w, r)
    forever()


def garbage(w: Worker, r: Request) -> None:
    w.link.sendall(b"\xff" * 64)


def pipe(w: Worker, r: Request) -> None:
    end, _ = os.pipe()
    w.head(r)
    w.send(FILE, FD | END, r.slot, r.gen, struct.pack("<QQ", 0, 5), end)


def with_file(kind: int) -> Callable[[Worker, Request], None]:
    def send(w: Worker, r: Request) -> None:
        with open(__file__, "rb") as f:
            w.send(kind, FD, r.slot, r.gen, b"{}", f.fileno())

    return send


def past_window(w: Worker, r: Request) -> None:
    w.head(r)
    for _ in range(5):
        w.send(ANSWER, 0, r.slot, r.gen, b"x" * (64 << 10))


def twice(w: Worker, r: Request) -> None:
    w.head(r)
    w.head(r)


def frame(
    kind: int, flags: int = 0, payload: bytes = b"", slot: int = 0, gen: int = 0
) -> Callable[[Worker, Request], None]:
    return lambda w, r: w.send(kind, flags, r.slot + slot, r.gen + gen, payload)


def told(status: int, flags: int, content: bytes = b"", **more: object) -> Callable[[Worker, Request], None]:
    return lambda w, r: w.head(r, flags, content, status, **more)


LIES: dict[str, Callable[[Worker, Request], None]] = {
    "garbage": garbage,
    "generation": frame(ABORTED, DONE, b"", gen=1),
    "slot": frame(ABORTED, DONE, b"", slot=1),
    "beyond": frame(ABORTED, DONE, b"", slot=60000),
    "type": frame(99),
    "request": frame(REQUEST),
    "done": frame(FINISHED, 0, b"\0\0\0\0"),
    "counter": frame(FINISHED, 0, b"\0"),
    "data": frame(ANSWER, 0, b"x"),
    "window": frame(GIVE, 0, b"\0\0\0\0"),
    "no-file": frame(FILE, END, struct.pack("<QQ", 0, 0)),
    "no-descriptor": frame(FILE, FD | END, struct.pack("<QQ", 0, 0)),
    "failed": lambda w, r: w.failed(),
    "ready": lambda w, r: w.ready(),
    "past-window": past_window,
    "two-heads": twice,
    "pipe": pipe,
    "field": told(200, END, fields=[("a b", "c")]),
    "value": told(200, END, fields=[("a", "b\r\nc: d")]),
    "interim-end": told(103, INTERIM | END | DONE),
    "interim-content": told(103, INTERIM, b"content"),
    "descriptor-ready": with_file(READY),
    "descriptor-failed": with_file(FAILED),
    "descriptor-data": with_file(ANSWER),
    "descriptor-slot": lambda w, r: with_file(FILE)(w, Request(0, 200, 1, bytes(64), -1)),
}


def too_much_credit(w: Worker, r: Request) -> None:
    """Give back what never came, or was never read."""
    if r.path.endswith("/unread"):
        for _ in range(1000):
            w.send(GIVE, 0, r.slot, r.gen, struct.pack("<I", 64 << 10))
    w.send(GIVE, 0, r.slot, r.gen, struct.pack("<I", (64 << 10) + 1))
    forever()


HANDLERS: dict[str, Callable[[Worker, Request], None]] = {
    "ok": lambda w, r: w.reply(r), "echo": echo, "big": big, "file": file, "gate": gate, "tick": tick,
    "spew": lambda w, r: tick(w, r, 0.0001), "hang": hang, "die": die,
    "die-once": die_once, "die-answering": die_answering, "die-gated": die_gated,
    "answer-and-die": answer_and_die, "abort": abort,
    "abort-late": abort_late, "cancel": cancel, "close-link": close_link, "flood": flood, "hold": hold, "lie": lie,
    "head": head_then_gate, "credit": too_much_credit, "die-unstarted": lambda w, r: w.reply(r, "again"),
    "die-unstarted-echo": echo, "die-after-content": die_after_content,
    "interim": lambda w, r: (w.head(r, INTERIM, status=103), w.reply(r)), "upgrade": lambda w, r: w.head(r, status=101),
}  # fmt: skip


def begin(w: Worker, how: str) -> None:
    """Start as the target says."""
    match how:
        case "failed":
            w.failed()
            sys.exit(3)
        case "failed-stays":
            w.failed()
            forever()
        case "exits":
            sys.exit(4)
        case "never-ready":
            w.note("waiting")
            forever()
        case "ready-once" if not once("ready"):
            sys.exit(4)
        case "gated" | "gated-failing":
            w.note("waiting")
            w.gate(f"start-{w.settings['worker']}")
            if how == "gated-failing":
                sys.exit(4)
    w.ready(recall=not how.endswith("no-recall"))
    match how:
        case "mute" | "mute-no-recall" if once("mute"):
            forever()
        case "dies-idle":
            sys.exit(5)
        case "closes-link":
            w.link.close()
            forever()


def run(w: Worker, r: Request) -> None:
    how = r.path.split("/")[1]
    if how.startswith("die-unstarted") and once("died"):
        w.note("unstarted")
        os._exit(9)
    if w.start(r):
        HANDLERS[how](w, r)
    elif r.fd >= 0:
        os.close(r.fd)


def main() -> None:
    w = Worker()
    how = w.settings["target"]
    begin(w, how)
    running: dict[tuple[int, int], Request] = {}
    while True:
        kind, flags, slot, gen, payload, fd = w.kept.popleft() if w.kept else w.read()
        if kind == STOP:
            w.note("stop")
            if how != "ignores-stop":
                sys.exit(0)
        if kind != REQUEST:
            if r := running.get((slot, gen)):
                r.mail.put((kind, flags, payload))
            continue
        r = Request(flags, slot, gen, payload, fd)
        if how == "threads":
            r.mail = queue.Queue()
            running[slot, gen] = r
            threading.Thread(target=run, args=(w, r), daemon=True).start()
        else:
            run(w, r)


if __name__ == "__main__":
    main()
