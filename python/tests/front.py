"""A front for tests: it starts a worker and speaks the link with it, believing nothing.

It shares no code with the worker.
"""

from __future__ import annotations

import array
import json
import mmap
import os
import select
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from link_frames import (
    A_ABORT,
    A_CLOSE,
    A_DATA,
    A_DONE,
    A_FILE,
    A_HEAD,
    A_TRAILERS,
    A_WINDOW,
    DONE,
    END,
    FAILED,
    FD,
    INTERIM,
    LENGTH,
    MAX_CONTENT,
    READY,
    TEXT,
    WEBSOCKET,
    Answer,
    frame,
    parse_fields,
    short,
)

# What is tested, and what is loaded before it, for runs under sanitizers (hard.py).
ROOT = Path(os.environ.get("RICKHOUSE_TEST_ROOT") or Path(__file__).resolve().parent.parent)
PRELOAD = os.environ.get("RICKHOUSE_TEST_PRELOAD")
APPS = Path(__file__).resolve().parent / "apps"
PATIENCE = 60.0


class WorkerExitedError(Exception):
    pass


class Front:
    """One worker. Use it as a context manager."""

    def __init__(
        self,
        target: str = "apps:app",
        *,
        twin: str = "python",
        directory: Path = APPS.parent,
        threads: int = 1,
        workers: int = 1,
        interface: str = "auto",
        python: str = os.path.abspath(sys.executable),
        env: dict[str, str] | None = None,
        hello: bytes | None = None,
        open_window: bool = True,
        slots: int = 256,
        server: str = "rickhouse/test",
        options: tuple[str, ...] = (),
    ) -> None:
        self.open_window = open_window
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        ledger_fd = os.memfd_create("ledger", os.MFD_CLOEXEC)
        os.ftruncate(ledger_fd, slots * 8)
        self.ledger = memoryview(mmap.mmap(ledger_fd, slots * 8)).cast("I")
        self.stdout = tempfile.TemporaryFile()  # noqa: SIM115
        self.stderr = tempfile.TemporaryFile()  # noqa: SIM115
        link, ledger = 198, 199
        environ = {k: v for k, v in os.environ.items() if not k.startswith("RICKHOUSE_")}
        if PRELOAD:
            environ["LD_PRELOAD"] = PRELOAD
        environ |= {"RICKHOUSE_LINK": str(link), "RICKHOUSE_LEDGER": str(ledger)} | (env or {})

        os.dup2(theirs.fileno(), link, inheritable=True)
        os.dup2(ledger_fd, ledger, inheritable=True)
        try:
            self.process = subprocess.Popen(
                [python, *options, str(ROOT / "main.py")],
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=self.stdout,
                stderr=self.stderr,
                env=environ,
                pass_fds=(link, ledger),
                start_new_session=True,
            )
        finally:
            os.close(link)
            os.close(ledger)
            os.close(ledger_fd)
            theirs.close()
        self.settings = {
            "target": target,
            "directory": str(directory),
            "interface": interface,
            "threads": threads,
            "concurrency": slots,
            "workers": workers,
            "worker": 1,
            "name": "test",
            "slots": slots,
            "stream_input": False,
            "twin": twin,
            "server": server,
        }
        self.info: dict[str, Any] = {}
        self.failure: dict[str, Any] = {}
        self.answers: dict[int, Answer] = {}
        self._gens = [0] * slots
        self._input = b""
        self._output: list[tuple[memoryview, int]] = []
        self._writing = False
        self._fds: list[int] = []
        self._eof = False
        self._taking = False
        self.send(hello if hello is not None else frame(1, payload=json.dumps(self.settings).encode()))

    def __enter__(self) -> Front:
        return self

    def __exit__(self, kind: type | None, value: BaseException | None, tb: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._socket.close()
        for fd in self._fds:
            os.close(fd)
        if kind is not None:
            sys.stderr.write(f"--- stderr of the worker\n{self.err()}\n--- stdout\n{self.out()}\n")
        self.stdout.close()
        self.stderr.close()

    def err(self) -> str:
        return os.pread(self.stderr.fileno(), 1 << 24, 0).decode("utf-8", "backslashreplace")

    def out(self) -> str:
        return os.pread(self.stdout.fileno(), 1 << 24, 0).decode("utf-8", "backslashreplace")

    # What the front sends.

    def send(self, octets: bytes, fd: int = -1) -> None:
        """Write whole frames, taking in what the worker writes meanwhile (and answering that after them)."""
        self._output.append((memoryview(octets), fd))
        if self._writing:
            return
        self._writing = True
        deadline = time.monotonic() + PATIENCE
        try:
            while self._output:
                assert time.monotonic() < deadline, "the worker does not read"
                rest, fd = self._output[0]
                rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))] if fd >= 0 else []
                try:
                    n = self._socket.sendmsg([rest], rights, socket.MSG_DONTWAIT)
                except BlockingIOError:
                    self.step(1.0, writing=True)
                    continue
                self._output[0] = (rest[n:], -1)
                if n == len(rest):
                    del self._output[0]
        finally:
            self._writing = False

    def ready(self) -> Front:
        self.until(lambda: bool(self.info or self.failure))
        assert self.info, self.failure
        return self

    def failed(self) -> dict[str, Any]:
        self.until(lambda: bool(self.info or self.failure))
        assert self.failure, self.info
        assert self.exit_status() == 3
        return self.failure

    def exit_status(self) -> int:
        return self.process.wait(PATIENCE)

    def stop(self) -> int:
        self.send(frame(6))
        return self.exit_status()

    def hang_up(self) -> None:
        self._socket.close()

    def encode(
        self,
        method: str = "GET",
        path: str = "/",
        *,
        raw_path: str | None = None,
        query: str = "",
        fields: list[tuple[str, str]] | None = None,
        content: bytes = b"",
        version: int = 11,
        scheme: int = 0,
        server: tuple[str, int] = ("127.0.0.1", 8000),
        client: tuple[str, int] = ("127.0.0.2", 4321),
        script: str = "",
        tls: str = "",
        length: int | None = None,
    ) -> bytes:
        fields = [("host", "localhost:8000")] if fields is None else fields
        if content and not any(n == "content-length" for n, _ in fields):
            fields = [*fields, ("content-length", str(len(content)))]
        octets = struct.pack(
            "<BBHHq", version, scheme, server[1], client[1], len(content) if length is None else length
        )
        raw_path = path if raw_path is None else raw_path
        for text in (method, path, raw_path, query, script, server[0], client[0], tls):
            octets += short(text)
        octets += struct.pack("<H", len(fields))
        for name, value in fields:
            octets += short(name) + short(value)
        return octets

    def reserve(self) -> Answer:
        slot = next(i for i in range(len(self._gens)) if i not in self.answers)
        self._gens[slot] += 1
        gen = self._gens[slot]
        answer = self.answers[slot] = Answer(slot, gen, said=os.fstat(self.stdout.fileno()).st_size)
        self.ledger[2 * slot + 1] = 0
        self.ledger[2 * slot] = gen << 2 | 1
        return answer

    def build(
        self, method: str = "GET", path: str = "/", *, content: bytes = b"", flags: int = 0, **rest: Any
    ) -> tuple[Answer, bytes]:
        """A request with its content inline, as octets that are not sent yet."""
        answer = self.reserve()
        head = self.encode(method, path, content=content, **rest)
        return answer, frame(2, END | flags, answer.slot, answer.gen, head + content)

    def request(self, method: str = "GET", path: str = "/", **rest: Any) -> Answer:
        answer, octets = self.build(method, path, **rest)
        self.send(octets)
        return answer

    def request_file(self, method: str, path: str, fd: int, size: int, **rest: Any) -> Answer:
        answer = self.reserve()
        fields = [("host", "h"), ("content-length", str(size))]
        head = self.encode(method, path, length=size, fields=fields, **rest)
        self.send(frame(2, END | FD, answer.slot, answer.gen, head), fd)
        return answer

    def request_stream(self, method: str, path: str, length: int = -1, **rest: Any) -> Answer:
        answer = self.reserve()
        self.send(frame(2, 0, answer.slot, answer.gen, self.encode(method, path, length=length, **rest)))
        return answer

    def open(self, path: str = "/", **rest: Any) -> Answer:
        """A WebSocket."""
        answer = self.reserve()
        answer.websocket = True
        fields = [("host", "h"), ("upgrade", "websocket"), *rest.pop("fields", [])]
        head = self.encode("GET", path, fields=fields, **rest)
        self.send(frame(2, WEBSOCKET, answer.slot, answer.gen, head))
        return answer

    def message(self, answer: Answer, message: str | bytes, piece: int = MAX_CONTENT) -> None:
        """A message in pieces."""
        octets = message.encode() if isinstance(message, str) else message
        text = TEXT if isinstance(message, str) else 0
        for at in range(0, len(octets) or 1, piece):
            last = END if at + piece >= len(octets) else 0
            self.data(answer, octets[at : at + piece], text | last)

    def close(self, answer: Answer, code: int = 1005, reason: str = "") -> None:
        """The WebSocket has ended."""
        self.send(frame(7, 0, answer.slot, answer.gen, struct.pack("<H", code) + reason.encode()))

    def data(self, answer: Answer, content: bytes, flags: int = 0) -> None:
        answer.sent_octets += len(content) + (16 if answer.websocket else 0)
        self.send(frame(3, flags, answer.slot, answer.gen, content))

    def window(self, answer: Answer, n: int) -> None:
        answer.credit += n
        self.send(frame(4, 0, answer.slot, answer.gen, struct.pack("<I", n)))

    def cancel(self, answer: Answer, flags: int = 0) -> None:
        if flags != END:
            self.ledger[2 * answer.slot + 1] = answer.gen + 1
        self.send(frame(5, flags, answer.slot, answer.gen))

    def state(self, answer: Answer) -> int:
        word = self.ledger[2 * answer.slot]
        assert word >> 2 == answer.gen
        return word & 3

    def begun(self, answer: Answer) -> Answer:
        """Wait until the application of a request says on standard output that it has begun.

        That its slot is started says less: the worker may yet find that nobody waits, and not call the application.
        """
        self.until_seen(lambda: b"begun\n" in os.pread(self.stdout.fileno(), 1 << 16, answer.said))
        return answer

    def until_seen(self, condition: Any) -> None:
        """Wait for something that no frame tells."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, "it does not come to pass"
            self.step(0.002)

    # What the worker sends.

    def get(self, path: str = "/", method: str = "GET", **rest: Any) -> Answer:
        """A whole exchange."""
        return self.finish(self.request(method, path, **rest))

    def finish(self, answer: Answer) -> Answer:
        self.until(lambda: answer.done)
        return answer

    def until(self, condition: Any) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            left = deadline - time.monotonic()
            assert left > 0, "the worker does not answer"
            if self._eof:
                raise WorkerExitedError(f"the worker exited with {self.process.wait(PATIENCE)}\n{self.err()}")
            self.step(left)

    def step(self, patience: float, writing: bool = False) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN | (select.POLLOUT if writing else 0))
        for _, event in poll.poll(patience * 1000):
            if event & ~select.POLLOUT:
                self._receive()

    def _receive(self) -> None:
        try:
            data, ancillary, flags, _ = self._socket.recvmsg(1 << 18, socket.CMSG_SPACE(16), socket.MSG_CMSG_CLOEXEC)
        except ConnectionResetError:
            data, ancillary, flags = b"", [], 0
        assert not flags & socket.MSG_CTRUNC
        for level, kind, octets in ancillary:
            assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
            self._fds += array.array("i", octets)
        self._eof = not data
        self._input += data
        if self._taking:
            return  # what a frame is answered by waits for the socket: the frames behind it are taken after it
        self._taking = True
        try:
            self._take_frames()
        finally:
            self._taking = False

    def _take_frames(self) -> None:
        at = 0
        while len(self._input) - at >= 12:
            length, kind, flags, slot, gen = struct.unpack_from("<IBBHI", self._input, at)
            assert length <= 1 << 20
            if len(self._input) - at - 12 < length:
                break
            self._take(kind, flags, slot, gen, self._input[at + 12 : at + 12 + length])
            at += 12 + length
        self._input = self._input[at:]

    def _take(self, kind: int, flags: int, slot: int, gen: int, payload: bytes) -> None:
        if kind == READY:
            assert not self.info
            self.info = json.loads(payload)
            return
        if kind == FAILED:
            self.failure = json.loads(payload)
            return
        answer = self.answers[slot]
        assert answer.gen == gen, (answer, gen)
        assert self.state(answer) == 2, "a frame about a request that has not started"
        assert not answer.done, "a frame after DONE"
        answer.frames.append((kind, flags))
        content = self._take_content(answer, kind, flags, payload)
        if content is not None:
            assert len(content) <= MAX_CONTENT
            cost = len(content) + (16 if answer.accepted and kind == A_DATA else 0)
            assert answer.credit >= len(content), "content past the window"
            assert answer.credit > 0 or not cost, "an empty message past the window"
            answer.credit -= cost
            answer.body += content
            answer.pieces.append(content)
            if self.open_window and cost and (answer.accepted or not flags & END):
                self.window(answer, cost)  # not after the end: the worker may have left
            if answer.accepted:
                self._take_piece(answer, content, flags)
        if kind != A_WINDOW and flags & END and not answer.accepted:
            answer.ended = True
        if kind == A_DONE or flags & DONE:
            assert answer.ended or answer.aborted is not None or answer.accepted
            answer.done = True
            del self.answers[slot]

    def _take_content(self, answer: Answer, kind: int, flags: int, payload: bytes) -> bytes | None:
        over = answer.ended or answer.aborted is not None or answer.closed is not None
        assert kind in (A_DONE, A_WINDOW) or not over, "an answer after its end"
        if kind == A_HEAD:
            assert not answer.status
            return self._take_head(answer, flags, payload)
        if kind == A_TRAILERS:
            assert answer.status
            assert answer.length is None
            answer.trailers, rest = parse_fields(payload)
            assert not rest
            return None
        if kind == A_CLOSE:
            assert answer.accepted
            assert len(payload) <= 125
            answer.closed = (struct.unpack_from("<H", payload)[0], payload[2:].decode())
            return None
        assert answer.status or kind in (A_ABORT, A_WINDOW) or over
        if kind == A_DATA:
            return payload
        if kind == A_FILE:
            assert flags & FD
            if not flags & END:
                answer.credit -= 4096
                assert answer.credit >= 0, "a file past the window"
                if self.open_window:
                    self.window(answer, 4096)
            offset, length = struct.unpack("<QQ", payload)
            fd = self._fds.pop(0)
            assert os.fstat(fd).st_mode & 0o170000 == 0o100000
            while length:
                piece = os.pread(fd, min(length, 1 << 20), offset)
                assert piece, "the file is shorter than was said"
                offset, length = offset + len(piece), length - len(piece)
                answer.body += piece
                answer.file_octets += len(piece)
            os.close(fd)
        elif kind == A_ABORT:
            answer.aborted = payload.decode()
        elif kind == A_DONE:
            (answer.microseconds,) = struct.unpack("<I", payload)
        else:
            assert kind == A_WINDOW
            answer.given_back += struct.unpack("<I", payload)[0]
            assert answer.given_back <= answer.sent_octets, "more was given back than was sent"
        return None

    def _take_piece(self, answer: Answer, content: bytes, flags: int) -> None:
        """A piece of a message."""
        if not answer.frames[:-1] or answer.frames[-1][0] == A_HEAD:
            assert not content
            return
        answer.partial += content
        if flags & END:
            message, answer.partial = answer.partial, b""
            answer.messages.append(message.decode() if flags & TEXT else message)

    def _take_head(self, answer: Answer, flags: int, payload: bytes) -> bytes:
        status, started, length = struct.unpack_from("<HQQ", payload)
        assert started <= time.monotonic_ns()
        (n,) = struct.unpack_from("<H", payload, 18)
        reason = payload[20 : 20 + n].decode("latin-1")
        fields, rest = parse_fields(payload[20 + n :])
        if flags & INTERIM:
            assert 102 <= status <= 199
            assert not flags & (END | DONE)
            answer.interim.append((status, fields))
            return rest
        answer.accepted = answer.websocket and status == 101
        assert 200 <= status <= 999 or answer.accepted
        answer.status, answer.reason, answer.fields = status, reason, fields
        answer.length = length if flags & LENGTH else None
        return rest
