"""What is to be reached: medians over rounds, of a figure of ours or of its ratio to a peer's in the same round."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from harness import figures

OURS = "rickhouse"


@dataclass(frozen=True)
class Target:
    """One limit on a figure of ours, or on its ratio to a peer's."""

    text: str
    row: str
    connections: int  # 0 where the row has none
    figure: str
    at_most: bool
    limit: float
    peer: str = ""  # empty: the figure itself is limited
    peer_figure: str = ""  # empty: the same figure


@dataclass(frozen=True)
class Verdict:
    """A target and what was measured; value is None where it could not be, void counts rounds of ours with an error."""

    target: Target
    value: float | None
    spread: tuple[float, float] | None
    rounds: int
    void: int = 0

    @property
    def word(self) -> str:
        """Say reached, missed or not measured. A single wrong answer of ours is a miss."""
        if self.void:
            return f"missed: {self.void} void"
        if self.value is None:
            return "not measured"
        ok = self.value <= self.target.limit if self.target.at_most else self.value >= self.target.limit
        return "reached" if ok else "missed"


KIB = 1024
MIB = 1024 * KIB

TARGETS = (
    Target("CPU a request, hello", "hello", 32, "cpu_us", True, 1.25, "bjoern"),
    Target("CPU a request, hello", "hello", 32, "cpu_us", True, 0.45, "granian"),
    Target("CPU a request, hello", "hello", 32, "cpu_us", True, 0.1, "gunicorn"),
    Target("CPU a request, hello", "hello", 32, "cpu_us", True, 0.1, "gunicorn-gthread"),
    Target("requests/s, hello", "hello", 32, "rps", False, 0.9, "bjoern"),
    Target("requests/s, hello", "hello", 32, "rps", False, 2, "granian"),
    Target("CPU a request, echo of 10 KB", "echo", 32, "cpu_us", True, 1.5, "bjoern"),
    Target("CPU a request, Flask", "flask", 32, "cpu_us", True, 1.05, "bjoern"),
    Target("requests/s, HTTP/2", "h2", 4, "rps", False, 1, "granian"),
    Target("front's CPU a request, TLS", "tls", 32, "cpu_front_us", True, 1.3, "nginx-tls"),
    Target("front's CPU, a connection per request", "close", 32, "cpu_front_us", True, 1.25, "nginx", "cpu_us"),
    Target("CPU a request, static file of 4 KiB", "static", 32, "cpu_us", True, 0.8, "nginx"),
    Target("requests/s, static file of 1 MiB", "static1m", 32, "rps", False, 1, "nginx"),
    Target("CPU, a connection per static file", "static-close", 32, "cpu_us", True, 1.25, "nginx"),
    Target("CPU a request, a page compressed with gzip", "gzip", 8, "cpu_us", True, 1, "nginx"),
    Target("CPU a request, a page compressed with gzip", "gzip", 8, "cpu_us", True, 1, "caddy"),
    Target("CPU a request, a page compressed with br", "br", 8, "cpu_us", True, 1, "nginx-br"),
    Target("CPU a request, a page compressed with zstd", "zstd", 8, "cpu_us", True, 1, "caddy"),
    Target("CPU a request, 1,000 routes beside 10", "routes", 32, "cpu_us", True, 1.1, "rickhouse-10-routes"),
    Target("front's CPU a request, reverse proxy", "proxy", 32, "cpu_front_us", True, 1.1, "nginx-proxy"),
    Target("front's CPU a request, reverse proxy", "proxy", 32, "cpu_front_us", True, 1.1, "haproxy"),
    Target("CPU a request, the Flask example whole", "stack", 32, "cpu_us", True, 1, "nginx+uwsgi"),
    Target("CPU a request, the Flask example whole", "stack", 32, "cpu_us", True, 1, "nginx+gunicorn"),
    Target("PSS, the Flask example whole", "stack", 32, "pss_total_kib", True, 1, "nginx+uwsgi"),
    Target("p99 of the fast, 4 workers", "mixed4", 0, "p99_us", True, 1, "gunicorn"),
    Target("p99 of the fast, 4 workers", "mixed4", 0, "p99_us", True, 1, "gunicorn-gthread"),
    Target("p99 of the fast, 4 workers", "mixed4", 0, "p99_us", True, 1, "granian"),
    Target("p99 of the fast, 1 worker + 1 spare", "mixed2", 0, "p99_us", True, 1, "gunicorn"),
    Target("p99 of the fast, 1 worker + 1 spare", "mixed2", 0, "p99_us", True, 1, "gunicorn-gthread"),
    Target("p99 of the fast, 1 worker + 1 spare", "mixed2", 0, "p99_us", True, 1, "granian"),
    Target("CPU a request, ASGI hello", "asgi-hello", 32, "cpu_us", True, 0.8, "granian-asgi"),
    Target("CPU a request, ASGI hello", "asgi-hello", 32, "cpu_us", True, 0.6, "uvicorn"),
    Target("CPU a request, ASGI echo of 10 KB", "asgi-echo", 32, "cpu_us", True, 0.8, "granian-asgi"),
    Target("messages/s, WebSocket echo", "ws", 32, "rps", False, 1.2, "granian-asgi"),
    Target("octets an idle connection", "idle", 0, "growth_b", True, 2 * KIB),
    Target("peak PSS of the front, hello, MiB", "hello", 32, "peak_front_kib", True, 25 * KIB),
    Target("peak PSS of the worker, hello, MiB", "hello", 32, "peak_largest_worker_kib", True, 25 * KIB),
)


def by_round(
    samples: Iterable[dict[str, Any]], server: str, row: str, connections: int, figure: str
) -> dict[int, float]:
    """Return a figure of each round in which it was measured and not void."""
    found = {}
    for s in samples:
        key = (s["server"], s["row"], s["connections"])
        if key == (server, row, connections) and not s.get("void") and figure in s:
            found[s["round"]] = s[figure]
    return found


def count_void(samples: Iterable[dict[str, Any]], server: str, row: str, connections: int) -> int:
    """Return how many rounds of a measurement are void."""
    key = (server, row, connections)
    return sum(1 for s in samples if s.get("void") and (s["server"], s["row"], s["connections"]) == key)


def judge(target: Target, samples: list[dict[str, Any]]) -> Verdict:
    """Compare; a round in which the peer has no valid figure is left out."""
    void = count_void(samples, OURS, target.row, target.connections)
    ours = by_round(samples, OURS, target.row, target.connections, target.figure)
    values = list(ours.values())
    if target.peer:
        figure = target.peer_figure or target.figure
        theirs = by_round(samples, target.peer, target.row, target.connections, figure)
        values = figures.ratios(ours, theirs)
    return Verdict(target, figures.median(values), figures.spread(values), len(values), void)
