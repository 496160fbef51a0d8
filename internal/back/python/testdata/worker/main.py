"""A worker that does as it is told: the target says how it starts, the path of a request how it answers.

It speaks raw frames, so that it can lie.
"""

from __future__ import annotations

import os
import queue
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable

import asgi
from link import (
    ABORTED,
    ANSWER,
    CANCEL,
    CLOSE,
    DONE,
    END,
    FAILED,
    FD,
    FILE,
    FINISHED,
    GIVE,
    INTERIM,
    LENGTH,
    READY,
    REQUEST,
    STOP,
    TRAILERS,
    Request,
    Worker,
    forever,
)


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


def abort_after_content(w: Worker, r: Request) -> None:
    w.body(r)
    abort(w, r)


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


def flood_dead(w: Worker, r: Request) -> None:
    """Die, with a child left that writes frames without end."""
    w.head(r)
    if os.fork() == 0:
        while True:
            w.send(ANSWER, 0, r.slot, r.gen, b"")
    os._exit(9)


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


def files_past_window(w: Worker, r: Request) -> None:
    w.head(r)
    with open(__file__, "rb") as f:
        for _ in range(65):
            w.send(FILE, FD, r.slot, r.gen, struct.pack("<QQ", 0, 5), f.fileno())


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
    "interims": lambda w, r: [w.head(r, INTERIM, status=103) for _ in range(33)],
    "files": lambda w, r: files_past_window(w, r),
    "trailers": frame(TRAILERS, 0, b"\0\0"),
    "close": frame(CLOSE, 0, b"\xe8\x03"),
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
    "abort-after-content": abort_after_content,
    "abort-late": abort_late, "cancel": cancel, "close-link": close_link, "flood": flood, "hold": hold, "lie": lie,
    "flood-dead": flood_dead, **asgi.HANDLERS,
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
    w.ready(recall=not how.endswith("no-recall"), interface="asgi" if how.startswith("asgi") else "wsgi")
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
        if how in ("threads", "asgi"):
            r.mail = queue.Queue()
            running[slot, gen] = r
            threading.Thread(target=run, args=(w, r), daemon=True).start()
        else:
            run(w, r)


if __name__ == "__main__":
    main()
