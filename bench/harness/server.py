"""A server under load: started, asked until it answers rightly, watched, and stopped."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from harness import process


class ServerError(Exception):
    """A server did not start, or did not answer rightly."""


def free_port() -> int:
    """Return a TCP port that nobody uses at this moment."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def _many_descriptors() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _connect(port: int, timeout: float, tls: bool) -> socket.socket:
    plain = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    if not tls:
        return plain
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(plain)


class Answer(NamedTuple):
    """An answer; size is that of all its octets."""

    status: int
    encoding: str
    content: bytes
    size: int


def exchange(port: int, request: bytes, timeout: float = 5, tls: bool = False) -> Answer:
    """Send request on a connection of its own. The answer must have a Content-Length, or be chunked."""
    with _connect(port, timeout, tls) as s:
        s.sendall(request)
        data = b""
        while b"\r\n\r\n" not in data:
            more = s.recv(65536)
            if not more:
                raise ServerError(f"the answer ended in its head: {data[:80]!r}")
            data += more
        head, _, _ = data.partition(b"\r\n\r\n")
        content, total = None, 0
        while content is None:
            content, total = _content(head, data)
            if content is not None:
                break
            more = s.recv(65536)
            if not more:
                raise ServerError("the answer ended in its content")
            data += more
    if len(data) != total:
        raise ServerError(f"{len(data) - total} octets follow the answer")
    return Answer(int(head.split(b" ", 2)[1]), field(head, b"content-encoding").decode(), content, total)


def _content(head: bytes, data: bytes) -> tuple[bytes | None, int]:
    """Return the content of an answer, or None if it is not whole, and how long the answer is."""
    at = len(head) + 4
    if field(head, b"transfer-encoding") != b"chunked":
        total = at + content_length(head)
        return (data[at:total] if len(data) >= total else None), total
    content = b""
    while (end := data.find(b"\r\n", at)) >= 0:
        size = int(data[at:end], 16)
        at = end + 2 + size + 2
        if len(data) < at:
            break
        if size == 0:
            return content, at
        content += data[end + 2 : at - 2]
    return None, 0


def field(head: bytes, name: bytes) -> bytes:
    """Return the value of a field of a response head, or nothing."""
    for line in head.split(b"\r\n")[1:]:
        found, _, value = line.partition(b":")
        if found.strip().lower() == name:
            return value.strip()
    return b""


def content_length(head: bytes) -> int:
    """Return the Content-Length of a response head."""
    value = field(head, b"content-length")
    if not value:
        raise ServerError("the answer has no Content-Length")
    return int(value)


class Server:
    """One server process with everything below it, in a session of its own. Use it in a with statement."""

    def __init__(self, argv: list[str], directory: Path, port: int, log: Path, tls: bool = False) -> None:
        """Start it; its output goes to log."""
        self.port = port
        self.tls = tls
        self.log = log
        with log.open("wb") as out:
            # PYTHONPATH has the applications found by servers whose console script does not look in its directory.
            self._popen = subprocess.Popen(
                argv,
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_many_descriptors,
                env=os.environ | {"PYTHONPATH": str(directory), "PYTHONDONTWRITEBYTECODE": "1"},
            )

    def __enter__(self) -> Server:
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def wait_ready(self, request: bytes) -> None:
        """Wait until it answers anything at all."""
        self.wait_for(lambda: exchange(self.port, request, tls=self.tls))

    def wait_for(self, ask: Callable[[], object], seconds: float = 20) -> None:
        """Wait until ask raises no error."""
        deadline = time.monotonic() + seconds
        while True:
            if self._popen.poll() is not None:
                raise ServerError(f"it ended with {self._popen.returncode}: {self.tail()}")
            try:
                ask()
                return
            except (OSError, ServerError, ValueError, subprocess.TimeoutExpired) as e:
                if time.monotonic() > deadline:
                    raise ServerError(f"it does not answer after {seconds:.0f} s: {e}; {self.tail()}") from e
                time.sleep(0.05)

    def check(self, request: bytes, content: bytes, whole: bool = True) -> int:
        """Have one request answered, compare the answer (or how it begins), and return its size in octets."""
        got = self._ask(request)
        if got.status != 200 or (got.content if whole else got.content[: len(content)]) != content:
            raise ServerError(f"a single request got {got.status} with {got.content[:60]!r}")
        return got.size

    def check_encoded(self, request: bytes, encoding: str, longest: int) -> int:
        """Have one request answered, see that its content is encoded and short, and return the answer's size."""
        got = self._ask(request)
        if (got.status, got.encoding) != (200, encoding) or not 0 < len(got.content) < longest:
            raise ServerError(f"a single request got {got.status}, {got.encoding!r}, {len(got.content)} octets")
        return got.size

    def _ask(self, request: bytes) -> Answer:
        try:
            return exchange(self.port, request, tls=self.tls)
        except (OSError, ValueError) as e:
            raise ServerError(f"a single request failed: {e}") from e

    def tail(self) -> str:
        """Return the last line of its output."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1][:200] if lines else "it printed nothing"

    def members(self) -> list[process.Stat]:
        """Return its processes, the front first."""
        return process.tree(self._popen.pid, process.read_all())

    def cpu(self) -> process.Cpu:
        """Return the CPU time that it has taken."""
        return process.cpu(self.members())

    def memory(self) -> process.Memory:
        """Return the memory that it has."""
        return process.memory(self.members())

    def stop(self) -> None:
        """End it and everything below it, gently and then not."""
        members = self.members()
        if self._popen.poll() is None:
            self._popen.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(10)
        deadline = time.monotonic() + 10
        while (left := process.still_there(members)) and time.monotonic() < deadline:
            for stat in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(stat.pid, signal.SIGKILL)
            time.sleep(0.01)
        self._popen.wait()


class PeakWatch:
    """Reads the memory of a server every 200 ms until it is left, and keeps the largest of each part."""

    def __init__(self, server: Server) -> None:
        """Watch nothing yet."""
        self.peak = process.Memory(0, 0, 0)
        self._server = server
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        members = self._server.members()
        while members:
            self.peak = process.peak(self.peak, process.memory(members))
            if self._end.wait(0.2):
                return

    def __enter__(self) -> PeakWatch:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None) -> None:
        self._end.set()
        self._thread.join()
