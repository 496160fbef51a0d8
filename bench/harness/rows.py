"""The rows of the benchmark: which application, which load, and what is measured."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness import figures, h2, loads, machine, process
from harness.server import PeakWatch, Server

HELLO = b"Hello, World!"
TEN_KB = b"0123456789abcdef" * 640
FOUR_KB = TEN_KB[:4096]
ONE_MB = b"0123456789abcdef" * 65_536
# A table, as pages have them: it compresses to about a sixth.
PAGE = b"".join(
    b'<tr class="row%d"><td>%d</td><td><a href="/items/%d">Item %x</a></td></tr>\n' % (n % 2, n, n * 7919 % 10007, n**3)
    for n in range(400)
)
IDLE = 10_000
ENCODINGS = ("gzip", "br", "zstd")
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Row:
    """One load."""

    name: str
    title: str
    kind: str  # "closed", "h2", "idle", "open", "ws" or "sse"
    apps: dict[str, str]  # by interface
    content: bytes  # of the right answer to request()
    connections: tuple[int, ...] = ()
    wrk: tuple[str, ...] = ()
    workers: int = 1
    open: dict[str, str] = field(default_factory=dict)  # flags of the open loop
    tls: bool = False
    path: str = "/"  # of a file of a folder, if it is not "/"
    encoding: str = ""  # that wrk asks for
    cycle: tuple[tuple[str, bytes], ...] = ()  # paths that are asked for in turn, and how the answer to each begins

    def request(self, port: int, path: str = "", encoding: str = "") -> bytes:
        """Return the request that wrk will send, but for an encoding, to compare its answer."""
        head = f"Host: 127.0.0.1:{port}\r\n"
        if "close" in self.wrk:
            head += "Connection: close\r\n"
        if encoding:
            head += f"Accept-Encoding: {encoding}\r\n"
        if "post" not in self.wrk:
            return f"GET {path or self.path} HTTP/1.1\r\n{head}\r\n".encode()
        head += f"Content-Type: application/octet-stream\r\nContent-Length: {len(TEN_KB)}\r\n"
        return f"POST / HTTP/1.1\r\n{head}\r\n".encode() + TEN_KB

    def check(self, server: Server) -> float:
        """Compare one answer of each kind, and return how large an answer is on average."""
        if self.encoding:
            server.check(self.request(server.port), self.content)
            request = self.request(server.port, encoding=self.encoding)
            return server.check_encoded(request, self.encoding, len(self.content) // 3)
        if not self.cycle:
            return server.check(self.request(server.port), self.content)
        sizes = [server.check(self.request(server.port, path), begin, whole=False) for path, begin in self.cycle]
        return sum(sizes) / len(sizes)

    def load(self) -> tuple[str, ...]:
        """Return the arguments of wrk's script."""
        if self.encoding:
            return (*self.wrk, "accept", self.encoding)
        return (*self.wrk, "cycle", ",".join(path for path, _ in self.cycle)) if self.cycle else self.wrk

    def seconds(self, seconds: int) -> int:
        """Return how long a measurement lasts: tails of open loops need four times as many samples."""
        return 4 * seconds if self.kind == "open" else seconds


def _both(name: str) -> dict[str, str]:
    return {"wsgi": f"wsgi:{name}", "asgi": f"asgi:{name}", "static": name}


_MIXED4 = {"rate": "180", "slow-share": "0.05", "fast": "1ms", "slow": "200ms", "workers": "4", "conns": "64"}
_MIXED2 = {"rate": "980", "slow-share": "0.01", "fast": "20us", "slow": "100ms", "workers": "2", "conns": "64"}
_FEW = (1, 8, 32)


_FILES = {"wsgi": "files", "static": "files"}


_STATIC = ROOT / "examples" / "flask" / "static"
_STYLE, _LABEL = (("/static/" + name, (_STATIC / name).read_bytes()) for name in ("style.css", "label.svg"))
_PAGE = ("/", b"<!doctype html>")


def _asgi(target: str) -> dict[str, str]:
    return {"wsgi": target, "asgi": target}  # ours finds the interface out by itself


ROWS = (
    Row("hello", "Hello: 13 octets", "closed", _both("hello"), HELLO, _FEW),
    Row("10kb", "Answer of 10 KB", "closed", _both("ten_kb"), TEN_KB, _FEW),
    Row("echo", "Echo of 10 KB by POST", "closed", _both("echo"), TEN_KB, _FEW, wrk=("post", str(len(TEN_KB)))),
    Row("flask", "Flask hello", "closed", {"wsgi": "flask_hello:app"}, HELLO, (*_FEW, 64)),
    Row(
        "close", "A connection per request (`Connection: close`)", "closed", _both("hello"), HELLO, _FEW, wrk=("close",)
    ),
    Row("tls", "Hello over TLS 1.3, keep-alive", "closed", _both("hello"), HELLO, _FEW, tls=True),
    Row(
        "handshake",
        "A full TLS 1.3 hand-shake per request (`Connection: close`)",
        "closed",
        _both("hello"),
        HELLO,
        (8,),
        wrk=("close",),
        tls=True,
    ),
    Row("h2", f"Hello over HTTP/2, {h2.STREAMS} at a time on each connection", "h2", _both("hello"), HELLO, (4,)),
    Row("idle", f"{IDLE:,} idle keep-alive connections", "idle", _both("hello"), HELLO),
    Row(
        "mixed4",
        "Mixed, open loop: 4 workers, 180/s, 5% sleep 200 ms among 1 ms",
        "open",
        {"wsgi": "wsgi:mixed_200ms"},
        b"/ ",
        workers=4,
        open=_MIXED4,
    ),
    Row(
        "mixed2",
        "Mixed, open loop: 2 workers (1 and a spare), 980/s, 1% sleep 100 ms among 20 µs",
        "open",
        {"wsgi": "wsgi:mixed_100ms"},
        b"/ ",
        workers=2,
        open=_MIXED2,
    ),
    Row("static", "A static file of 4 KiB", "closed", _FILES, FOUR_KB, _FEW, path="/files/small.css"),
    Row("static1m", "A static file of 1 MiB", "closed", _FILES, ONE_MB, _FEW, path="/files/large.bin"),
    Row(
        "static-close",
        "A static file of 4 KiB, a connection per request (`Connection: close`)",
        "closed",
        _FILES,
        FOUR_KB,
        _FEW,
        wrk=("close",),
        path="/files/small.css",
    ),
    *(
        Row(
            encoding,
            f"A page of {len(PAGE) / 1000:.0f} kB from a file, compressed with {encoding} for each request",
            "closed",
            _FILES,
            PAGE,
            (8,),
            path="/files/page.html",
            encoding=encoding,
        )
        for encoding in ENCODINGS
    ),
    Row(
        "routes",
        "The last of many routes: a fixed answer of 13 octets",
        "closed",
        {"wsgi": "routes"},
        HELLO,
        (32,),
        path="/last/of/all",
    ),
    Row(
        "proxy",
        "Reverse proxy to a Unix socket: 13 octets",
        "closed",
        {"wsgi": "proxy", "static": "proxy"},
        HELLO,
        _FEW,
    ),
    Row(
        "stack",
        "The Flask example with its static files: 8 of them to 2 pages",
        "closed",
        {"wsgi": "app:app", "stack": "app:app"},
        b"",
        (8, 32),
        cycle=(*(_STYLE, _LABEL) * 2, _PAGE) * 2,
    ),
    Row("asgi-hello", "ASGI hello: 13 octets", "closed", _asgi("asgi:hello"), HELLO, _FEW),
    Row(
        "asgi-echo",
        "ASGI echo of 10 KB by POST",
        "closed",
        _asgi("asgi:echo"),
        TEN_KB,
        _FEW,
        wrk=("post", str(len(TEN_KB))),
    ),
    Row("fastapi", "FastAPI: a small JSON answer", "closed", _asgi("fastapi_hello:app"), b'{"Hello":"World"}', _FEW),
    Row("await", "ASGI: 100 connections, each answer waits for 10 ms", "closed", _asgi("asgi:wait"), HELLO, (100,)),
    Row("ws", "WebSocket echo of 64 octets", "ws", _asgi("asgi:echo_socket"), HELLO, (32,)),
    Row(
        "sse",
        "Server-Sent Events: one to each of 500 clients ten times a second",
        "sse",
        _asgi("asgi:events"),
        HELLO,
        (500,),
    ),
)


class Meter:
    """Reads CPU of a server, of the whole machine and the clock around one load."""

    def __init__(self, server: Server) -> None:
        """Take the first reading."""
        self._server = server
        self._busy, self._time, self._cpu = machine.busy(), time.monotonic(), server.cpu()

    def read(self, generator_cpu: float) -> tuple[process.Cpu, dict[str, float]]:
        """Return the server's CPU since, and how much of one core others used and the host stole."""
        used, busy = self._server.cpu() - self._cpu, machine.busy()
        wall = time.monotonic() - self._time
        others = busy.used - self._busy.used - used.total - generator_cpu
        stolen = busy.stolen - self._busy.stolen
        return used, {"others_cores": max(0.0, others / wall), "stolen_cores": stolen / wall}


def _memory(m: process.Memory, prefix: str = "pss") -> dict[str, int]:
    return {f"{prefix}_{k}_kib": v for k, v in (asdict(m) | {"total": m.total}).items()}


def _cpu(used: process.Cpu, requests: int) -> dict[str, float]:
    return {
        "cpu_us": figures.per_request(used.total, requests),
        "cpu_front_us": figures.per_request(used.front, requests),
        "cpu_workers_us": figures.per_request(used.workers, requests),
    }


def measure_closed(row: Row, server: Server, connections: int, seconds: int) -> dict[str, Any]:
    """Run wrk once."""
    size = row.check(server)
    meter = Meter(server)
    with PeakWatch(server) as watch:
        outcome = loads.wrk(server.port, connections, seconds, row.load(), row.tls, row.path)
        used, around = meter.read(outcome.generator_cpu)
    loads.check_wrk(outcome.figures, size)
    row.check(server)
    f = outcome.figures
    return {
        "requests": f["requests"],
        "rps": f["requests"] / f["duration_us"] * 1e6,
        "p50_us": f["p50_us"],
        "p99_us": f["p99_us"],
        **_cpu(used, f["requests"]),
        **_memory(server.memory()),
        **_memory(watch.peak, "peak"),
        **around,
    }


def measure_h2(row: Row, server: Server, connections: int, seconds: int) -> dict[str, Any]:
    """Run h2load once, after a second of it."""
    h2.check(server.port, row.content)
    h2.h2load(server.port, connections, 1)
    meter = Meter(server)
    outcome = h2.h2load(server.port, connections, seconds)
    used, around = meter.read(outcome.generator_cpu)
    h2.check(server.port, row.content)
    return {
        **outcome.figures,
        **_cpu(used, outcome.figures["requests"]),
        **_memory(server.memory()),
        **around,
    }


def measure_open(row: Row, server: Server, load: Path, seconds: int, seed: int) -> dict[str, Any]:
    """Run an open loop once."""
    request = row.request(server.port)
    server.check(request, row.content)
    flags = row.open | {"addr": f"127.0.0.1:{server.port}", "length": f"{seconds}s", "seed": str(seed)}
    meter = Meter(server)
    outcome = loads.open_loop(load, flags, seconds)
    used, around = meter.read(outcome.generator_cpu)
    f = outcome.figures
    return {
        "requests": f["requests"],
        "fast": f["fast"],
        "slow": f["slow"],
        "ideal_p99_us": f["ideal_fast"]["p99_us"],
        "p50_us": f["fast"]["p50_us"],
        "p99_us": f["fast"]["p99_us"],
        "late_p99_us": f["late"]["p99_us"],
        "retried": f["retried"],
        **_cpu(used, f["requests"]),
        **_memory(server.memory()),
        **around,
    }


def measure_stream(row: Row, server: Server, load: Path, connections: int, seconds: int) -> dict[str, Any]:
    """Count the messages of connections that stay open."""
    server.check(row.request(server.port), row.content)
    flags = {"addr": f"127.0.0.1:{server.port}", "conns": str(connections), "length": f"{seconds}s"}
    meter = Meter(server)
    with PeakWatch(server) as watch:
        outcome = loads.stream(load, row.kind, flags, seconds)
        used, around = meter.read(outcome.generator_cpu)
    f = outcome.figures
    return {
        "requests": f["messages"],
        "rps": f["messages"] / f["seconds"],
        "p50_us": f["trip"]["p50_us"],
        "p99_us": f["trip"]["p99_us"],
        **_cpu(used, f["messages"]),
        **_memory(server.memory()),
        **_memory(watch.peak, "peak"),
        **around,
    }


def measure_idle(row: Row, server: Server, load: Path) -> dict[str, Any]:
    """Hold idle connections once; the server has been warmed up by 32 connections before."""
    time.sleep(2)
    before, kernel_before = server.memory(), machine.kernel()
    flags = {"addr": f"127.0.0.1:{server.port}", "n": str(IDLE), "header": "1024", "want": row.content.decode()}
    with loads.IdleCrowd(load, flags) as crowd:
        opened = crowd.opened(IDLE)
        time.sleep(3)
        after, kernel_after = server.memory(), machine.kernel()
        cpu_before = server.cpu()
        time.sleep(2)
        resting = server.cpu() - cpu_before
        crowd.ask_again(IDLE)
    return {
        "seconds_to_open": opened["seconds"],
        "growth_b": (after.total - before.total) * 1024 / IDLE,
        "growth_front_b": (after.front - before.front) * 1024 / IDLE,
        "kernel_slab_b": (kernel_after.slab - kernel_before.slab) * 1024 / IDLE,
        "kernel_tcp_b": (kernel_after.tcp_buffers - kernel_before.tcp_buffers) * 1024 / IDLE,
        "resting_cores": resting.total / 2,
        **_memory(before, "before"),
        **_memory(after, "after"),
    }
