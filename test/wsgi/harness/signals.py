"""A line between a test and an application in another process: each side says words and waits for those of the other.

The test makes a Signal and puts its port into the request; the application connects with `Line(port)`. Every wait is
bounded, so that a test which fails does not leave a worker hanging.
"""

from __future__ import annotations

import select
import socket

from harness import PATIENCE


class Line:
    """The application's side."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self._file = self._socket.makefile("rb")

    def say(self, word: str) -> None:
        try:
            self._socket.sendall(word.encode() + b"\n")
        except OSError:
            pass  # the test has ended

    def wait(self) -> str:
        """Wait for a word; raises TimeoutError, or EOFError when the test has ended."""
        line = self._file.readline()
        if not line:
            raise EOFError("the test is gone")
        return line.decode().strip()

    def close(self) -> None:
        self._file.close()
        self._socket.close()


class Signal:
    """The test's side. Use it as a context manager."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(PATIENCE)
        self.port: int = self._listener.getsockname()[1]
        self._peer: socket.socket | None = None
        self._file = None

    def __enter__(self) -> Signal:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
        if self._peer is not None:
            self._peer.close()
        self._listener.close()

    def _connected(self) -> socket.socket:
        if self._peer is None:
            self._peer, _ = self._listener.accept()
            self._peer.settimeout(PATIENCE)
            self._file = self._peer.makefile("rb", buffering=0)
        return self._peer

    def say(self, word: str = "go") -> None:
        self._connected().sendall(word.encode() + b"\n")

    def wait(self) -> str:
        """Return the application's next word; "" when it has closed its side."""
        self._connected()
        assert self._file is not None
        return self._file.readline().decode().strip()

    def pending(self) -> bool:
        """Report whether the application has said a word that nobody has taken yet."""
        ready, _, _ = select.select([self._connected()], [], [], 0)
        return bool(ready) and bool(self.wait())

    def words_of_all(self) -> list[str]:
        """Return the first word of every application that has connected by now, for those that end after it."""
        words = []
        self._listener.settimeout(0)
        while True:
            try:
                peer, _ = self._listener.accept()
            except BlockingIOError:
                return words
            with peer, peer.makefile("rb") as file:
                peer.settimeout(PATIENCE)
                words.append(file.readline().decode().strip())
