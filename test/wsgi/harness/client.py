"""A raw HTTP/1.1 client: exact octets in, a strictly parsed answer out."""

from __future__ import annotations

import re
import socket
import struct
from dataclasses import dataclass, field

from harness import PATIENCE

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9]) ([\t\x20-\x7e\x80-\xff]*)")
_FIELD_LINE = re.compile(
    rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*"
    rb"((?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?)[ \t]*"
)
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}")
_DIGITS = re.compile(r"[0-9]+")


class Malformed(AssertionError):
    """The server sent something that is not HTTP."""


class Truncated(AssertionError):
    """The server closed the connection before the answer was whole."""


@dataclass
class Answer:
    """One final answer. Field names and values are latin-1 text, in the order and spelling received."""

    version: str
    status: int
    reason: str
    fields: list[tuple[str, str]]
    framing: str = "none"
    body: bytes = b""
    chunks: list[bytes] = field(default_factory=list)
    interim: list[Answer] = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        """Return every value of a field."""
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def get(self, name: str) -> str | None:
        """Return the only value of a field, or None; more than one is an error."""
        values = self.all(name)
        if len(values) > 1:
            raise Malformed(f"{name} comes {len(values)} times: {values}")
        return values[0] if values else None


class Connection:
    """One TCP connection to the server. Every wait ends after `timeout` seconds with an error."""

    def __init__(self, address: tuple[str, int], timeout: float = PATIENCE) -> None:
        self.socket = socket.create_connection(address, timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, *parts: bytes) -> None:
        self.socket.sendall(b"".join(parts))

    def close(self) -> None:
        self.socket.close()

    def half_close(self) -> None:
        """Send FIN and go on reading."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Close with RST, as a client does that has gone away."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def _more(self) -> bool:
        data = self.socket.recv(65536)
        self.buffer += data
        return bool(data)

    def read_line(self) -> bytes:
        """Read one line that ends in CRLF; a bare CR or LF is an error."""
        while b"\r\n" not in self.buffer:
            if not self._more():
                raise Truncated(f"end of connection within a line: {self.buffer[:200]!r}")
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        if b"\r" in line or b"\n" in line:
            raise Malformed(f"bare CR or LF in {line[:200]!r}")
        return line

    def read_exactly(self, size: int) -> bytes:
        parts, missing = [], size
        while missing:
            if not self.buffer and not self._more():
                got = b"".join(parts)
                raise Truncated(f"end of connection after {len(got)} of {size} octets: {got[:200]!r}")
            part, self.buffer = self.buffer[:missing], self.buffer[missing:]
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def read_to_end(self) -> bytes:
        """Read until the server closes. A reset is an error (ConnectionResetError)."""
        parts = [self.buffer]
        self.buffer = b""
        while data := self.socket.recv(65536):
            parts.append(data)
        return b"".join(parts)

    def closed(self) -> bool:
        """Wait for the server to close (or reset) the connection; False if it sends something instead."""
        try:
            return not self.buffer and not self._more()
        except ConnectionResetError:
            return True

    def read_fields(self) -> list[tuple[str, str]]:
        fields = []
        while line := self.read_line():
            match = _FIELD_LINE.fullmatch(line)
            if not match:
                raise Malformed(f"not a field line: {line[:200]!r}")
            fields.append((match[1].decode("latin-1"), match[2].decode("latin-1")))
        return fields

    def read_head(self, method: str = "GET") -> Answer:
        """Read interim answers and one final head, and find out how its body is framed."""
        interim: list[Answer] = []
        while True:
            line = self.read_line()
            match = _STATUS_LINE.fullmatch(line)
            if not match:
                raise Malformed(f"not a status line: {line[:200]!r}")
            answer = Answer(f"1.{int(match[1])}", int(match[2]), match[3].decode("latin-1"), self.read_fields())
            if answer.status >= 200 or answer.status == 101:
                break
            _check_no_body_framing(answer)
            interim.append(answer)
        answer.interim = interim
        answer.framing = _framing(answer, method)
        return answer

    def read_chunk(self) -> bytes:
        """Read one chunk of a chunked body; b"" after the last one and its empty trailer section."""
        line = self.read_line()
        if not _CHUNK_SIZE.fullmatch(line):
            raise Malformed(f"not a chunk size: {line[:100]!r}")
        size = int(line, 16)
        if size == 0:
            trailers = self.read_fields()
            if trailers:
                raise Malformed(f"trailers nobody asked for: {trailers}")
            return b""
        data = self.read_exactly(size)
        if self.read_exactly(2) != b"\r\n":
            raise Malformed("a chunk is longer than its size says")
        return data

    def read_body(self, answer: Answer) -> bytes:
        if answer.framing == "length":
            return self.read_exactly(int(answer.get("Content-Length") or 0))
        if answer.framing == "chunked":
            while chunk := self.read_chunk():
                answer.chunks.append(chunk)
            return b"".join(answer.chunks)
        if answer.framing == "close":
            return self.read_to_end()
        return b""

    def read_answer(self, method: str = "GET") -> Answer:
        """Read one whole answer to a request of that method."""
        answer = self.read_head(method)
        answer.body = self.read_body(answer)
        return answer


def _check_no_body_framing(answer: Answer) -> None:
    for name in ("Content-Length", "Transfer-Encoding"):
        if answer.all(name):
            raise Malformed(f"{answer.status} with {name}")


def _framing(answer: Answer, method: str) -> str:
    """Return how the body is delimited: none, length, chunked or close (RFC 9112 section 6.3)."""
    length, coding = answer.get("Content-Length"), answer.get("Transfer-Encoding")
    if length is not None and coding is not None:
        raise Malformed("both Content-Length and Transfer-Encoding")
    if length is not None and not _DIGITS.fullmatch(length):
        raise Malformed(f"Content-Length: {length!r}")
    if coding is not None and (coding.lower() != "chunked" or answer.version != "1.1"):
        raise Malformed(f"Transfer-Encoding: {coding!r} in HTTP/{answer.version}")
    if answer.status < 200 or answer.status == 204:
        _check_no_body_framing(answer)
        return "none"
    if method == "HEAD" or answer.status == 304:
        return "none"
    if coding is not None:
        return "chunked"
    return "close" if length is None else "length"
