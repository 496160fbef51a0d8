"""A server under test as a child process."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness import PATIENCE
from harness.client import Answer, Connection

SUITE = Path(__file__).resolve().parents[1]
ROOT = SUITE.parents[1]
BINARY = ROOT / "bin" / "rickhouse"
STOP_TIMEOUT = 1.5 * PATIENCE
_URL = re.compile(r"http://127\.0\.0\.1:([1-9][0-9]*)")
_TOKEN = "WSGI_SUITE_TOKEN"
# Limits of clients and of the queue, where a test is not about them: a busy machine is slow for everybody.
_PATIENT = {
    f"RICKHOUSE_{name}": f"{PATIENCE:.0f}s"
    for name in ("HEADER_TIMEOUT", "MIN_RATE_GRACE", "QUEUE_DEADLINE", "SHUTDOWN_TIMEOUT")
}


@dataclass(frozen=True)
class Spec:
    """What is to be served, and how. Equal specs may share one server."""

    target: str
    twin: str
    directory: str = str(SUITE)
    workers: int = 1
    threads: int = 1
    settings: tuple[tuple[str, str], ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    arguments: tuple[str, ...] = ()
    config: str = ""


def eventually(condition: Callable[[], object], seconds: float = PATIENCE) -> object:
    """Poll until the condition holds; return what it gave, at last whatever it is."""
    deadline, pause = time.monotonic() + seconds, 0.0005
    while not (value := condition()):
        if time.monotonic() > deadline:
            return value
        time.sleep(pause)
        pause = min(pause * 1.5, 0.02)
    return value


def rickhouse(spec: Spec, python: str, folder: Path) -> tuple[list[str], dict[str, str]]:
    """Return the command line and the environment that serve spec."""
    command = [str(BINARY), "serve", spec.target, "-b", "127.0.0.1:0", "-w", str(spec.workers)]
    command += ["--threads", str(spec.threads), "--python", python, "--dir", spec.directory]
    if spec.config:
        file = folder / "rickhouse.toml"
        file.write_text(spec.config, encoding="utf-8")
        command += ["-c", str(file)]
    command += spec.arguments
    return command, {"RICKHOUSE_TWIN": spec.twin, **_PATIENT, **dict(spec.settings)}


def gunicorn(spec: Spec, python: str, folder: Path) -> tuple[list[str], dict[str, str]]:
    """Serve spec with a peer, to see which tests it fails; settings of Rickhouse mean nothing to it."""
    command = [python, "-m", "gunicorn", spec.target, "-b", "127.0.0.1:0", "-w", str(spec.workers)]
    command += [
        "--threads",
        str(spec.threads),
        "--chdir",
        spec.directory,
        "--worker-tmp-dir",
        str(folder),
        "--no-control-socket",
    ]
    return command, {}


def waitress(spec: Spec, python: str, folder: Path) -> tuple[list[str], dict[str, str]]:
    """Serve spec with another peer, likewise."""
    command = [python, "-m", "waitress", "--listen=127.0.0.1:0", f"--threads={spec.threads}", spec.target]
    return command, {"PYTHONPATH": spec.directory}


KINDS = {"rickhouse": rickhouse, "gunicorn": gunicorn, "waitress": waitress}


@dataclass
class Server:
    """A running server. Make it with start."""

    spec: Spec
    process: subprocess.Popen[bytes]
    folder: Path
    token: str
    kind: str
    address: tuple[str, int] = ("127.0.0.1", 0)
    asked: bool = False
    stopped: bool = False

    @property
    def url(self) -> str:
        return f"http://{self.address[0]}:{self.address[1]}"

    @property
    def host(self) -> bytes:
        return f"Host: {self.address[0]}:{self.address[1]}\r\n".encode()

    def log(self, since: int = 0) -> str:
        """Return what the server has printed, from an offset of log_size on."""
        with open(self.folder / "log", "rb") as file:
            file.seek(since)
            return file.read().decode("utf-8", "replace")

    def log_size(self) -> int:
        return (self.folder / "log").stat().st_size

    def wait_log(self, pattern: str, since: int = 0, seconds: float = PATIENCE) -> re.Match[str]:
        """Wait until the log matches; fails with the log otherwise."""
        match = eventually(lambda: re.search(pattern, self.log(since)), seconds)
        assert isinstance(match, re.Match), f"{pattern!r} does not appear in the log:\n{self.log(since)}"
        return match

    def connect(self, timeout: float = PATIENCE) -> Connection:
        return Connection(self.address, timeout)

    def request(
        self,
        path: str | bytes,
        method: str = "GET",
        fields: Mapping[str, str | bytes] | list[tuple[str, str | bytes]] | None = None,
        body: bytes | None = None,
        version: str = "1.1",
    ) -> Answer:
        """Send one request on a connection of its own and return the answer, whole."""
        with self.connect() as connection:
            connection.send(self.encode(path, method, fields, body, version, close=True))
            answer = connection.read_answer(method)
            assert connection.closed(), f"more after the answer: {connection.buffer[:200]!r}"
            return answer

    def encode(
        self,
        path: str | bytes,
        method: str = "GET",
        fields: Mapping[str, str | bytes] | list[tuple[str, str | bytes]] | None = None,
        body: bytes | None = None,
        version: str = "1.1",
        close: bool = False,
    ) -> bytes:
        """Return the octets of one request. Content-Length is added where there is a body."""
        lines = [b"%s %s HTTP/%s\r\n" % (method.encode(), _octets(path), version.encode()), self.host]
        pairs = list(fields.items()) if isinstance(fields, Mapping) else list(fields or [])
        for name, value in pairs:
            lines.append(b"%s: %s\r\n" % (name.encode("latin-1"), _octets(value)))
        if body is not None:
            lines.append(b"Content-Length: %d\r\n" % len(body))
        if close and version == "1.1":
            lines.append(b"Connection: close\r\n")
        return b"".join(lines) + b"\r\n" + (body or b"")

    def family(self) -> list[int]:
        """Return the processes of this server that live, the front and its workers."""
        wanted, found = f"{_TOKEN}={self.token}".encode(), []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                alive = (entry / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
                if alive and wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def terminate(self) -> None:
        """Ask the server to stop, once, without waiting."""
        if not self.stopped and not self.asked:
            self.asked = True
            self.process.send_signal(signal.SIGTERM)

    def stop(self) -> int:
        """Send SIGTERM and return the exit status. Processes left over are killed and are an error."""
        if self.stopped:
            return self.process.returncode
        self.terminate()
        self.stopped = True
        try:
            self.process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(
                f"{self.spec.target} did not stop within {STOP_TIMEOUT} s:\n{self.log()[-4000:]}"
            ) from None
        left = [] if eventually(lambda: not self.family()) else self.family()
        self.kill()
        assert not left, f"{self.spec.target} left processes behind: {left}\n{self.log()[-4000:]}"
        return self.process.returncode

    def kill(self) -> None:
        """End whatever is left of this server."""
        for pid in {*self.family(), *([] if self.process.poll() is not None else [self.process.pid])}:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def _octets(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1")


def launch(spec: Spec, python: str = sys.executable, kind: str = "rickhouse") -> Server:
    """Start a server without waiting for it, for those that are to fail."""
    folder = Path(tempfile.mkdtemp(prefix="wsgi-suite-"))
    token = uuid.uuid4().hex
    command, settings = KINDS[kind](spec, python, folder)
    inherited = {
        key: value for key, value in os.environ.items() if not key.startswith(("RICKHOUSE_", "PYTEST_", "PYTHON"))
    }
    inherited.pop("VIRTUAL_ENV", None)
    environment = {**inherited, **settings, **dict(spec.environment), _TOKEN: token}
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    return Server(spec, process, folder, token, kind)


def start(spec: Spec, python: str = sys.executable, kind: str = "rickhouse") -> Server:
    """Start a server and wait until it says where it listens."""
    server = launch(spec, python, kind)
    match = eventually(lambda: _URL.search(server.log()) or server.process.poll() is not None, PATIENCE)
    if not isinstance(match, re.Match):
        server.kill()
        raise AssertionError(f"{spec.target} did not start (exit {server.process.returncode}):\n{server.log()}")
    server.address = ("127.0.0.1", int(match[1]))
    return server
