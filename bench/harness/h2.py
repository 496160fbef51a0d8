"""The load of HTTP/2: h2load, and nghttp for single requests, both of Debian's nghttp2-client."""

from __future__ import annotations

import re
import subprocess
from typing import Any

from harness import loads
from harness.server import ServerError

STREAMS = 32  # at a time on each connection


def ask(port: int) -> bytes:
    """Return the content of the answer to one request."""
    argv = ["nghttp", "--timeout=5", f"http://127.0.0.1:{port}/"]
    done = subprocess.run(argv, capture_output=True, timeout=10, check=False)
    if done.returncode != 0 or not done.stdout:
        raise ServerError(f"nghttp got no answer: {done.stderr.decode(errors='replace').strip()[-200:]}")
    return done.stdout


def check(port: int, content: bytes) -> None:
    """Have one request answered and compare the answer."""
    if (got := ask(port)) != content:
        raise ServerError(f"a single request got {got[:60]!r}")


def h2load(port: int, connections: int, seconds: int) -> loads.Outcome:
    """Run h2load with one thread and return its figures, if every request succeeded."""
    argv = ["h2load", "-t1", f"-c{connections}", f"-m{STREAMS}", f"-D{seconds}", f"http://127.0.0.1:{port}/"]
    out, used = loads.run(argv, seconds + 60)
    return loads.Outcome(parse(out), used)


def parse(out: str) -> dict[str, Any]:
    """Return what h2load printed; raise LoadError where a request failed."""
    finished = re.search(r"^finished in ([\d.]+)(us|ms|s), ([\d.]+) req/s", out, re.MULTILINE)
    counts = re.search(r"^requests: .* (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", out, re.MULTILINE)
    codes = re.search(r"^status codes: (\d+) 2xx", out, re.MULTILINE)
    mean = re.search(r"^time for request: +\S+ +\S+ +([\d.]+)(us|ms|s) ", out, re.MULTILINE)
    if not (finished and counts and codes and mean):
        raise loads.LoadError(f"h2load printed no figures: {out[-200:]}")
    succeeded, *wrong = (int(n) for n in counts.groups())
    if any(wrong) or succeeded == 0 or int(codes[1]) != succeeded:
        raise loads.LoadError(f"h2load saw errors: {counts[0]}; {codes[0]}")
    unit = {"us": 1, "ms": 1e3, "s": 1e6}
    return {
        "requests": succeeded,
        "rps": float(finished[3]),
        "mean_us": float(mean[1]) * unit[mean[2]],
    }
