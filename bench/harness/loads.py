"""The loads: wrk for closed loops, bench/load for open loops and idle connections."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

BENCH = Path(__file__).resolve().parent.parent


class LoadError(Exception):
    """A load failed, or an answer was not right: the measurement is void."""


@dataclass(frozen=True)
class Outcome:
    """What a load saw, and the CPU that the generator itself took."""

    figures: dict[str, Any]
    generator_cpu: float


def run(argv: list[str], timeout: float) -> tuple[str, float]:
    """Run a generator; return what it printed and the CPU it took."""
    before = os.times()
    done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False)
    after = os.times()
    if done.returncode != 0:
        raise LoadError(f"{Path(argv[0]).name} ended with {done.returncode}: {done.stderr.strip()[-200:]}")
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return done.stdout, used


def wrk_argv(
    port: int, connections: int, seconds: int, extra: tuple[str, ...], tls: bool = False, path: str = "/"
) -> list[str]:
    """Return the command of a closed loop."""
    script = str(BENCH / "wrk" / "report.lua")
    argv = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "--latency", "-s", script]
    scheme = "https" if tls else "http"
    return [*argv, f"{scheme}://127.0.0.1:{port}{path}", "--", *extra]


def wrk(
    port: int, connections: int, seconds: int, extra: tuple[str, ...], tls: bool = False, path: str = "/"
) -> Outcome:
    """Run wrk and return its figures, whatever they are; check_wrk judges them."""
    out, used = run(wrk_argv(port, connections, seconds, extra, tls, path), seconds + 60)
    return Outcome(parse_wrk(out), used)


def parse_wrk(out: str) -> dict[str, Any]:
    """Return what report.lua printed."""
    for line in out.splitlines():
        if line.startswith("JSON "):
            return json.loads(line[5:])
    raise LoadError(f"wrk printed no figures: {out[-200:]}")


def check_wrk(figures: dict[str, Any], answer_size: float) -> None:
    """Raise LoadError unless every answer was there, 2xx or 3xx, and as large as the one that was compared."""
    wrong = {k: figures[k] for k in ("connect", "read", "write", "status", "timeout") if figures[k]}
    if wrong:
        raise LoadError("wrk saw errors: " + ", ".join(f"{k} {v}" for k, v in wrong.items()))
    if figures["requests"] == 0:
        raise LoadError("no request was answered")
    size = figures["bytes"] / figures["requests"]
    if abs(size - answer_size) > 0.02 * answer_size + 1:
        raise LoadError(f"answers had {size:.0f} octets on average, the one that was compared {answer_size:.0f}")


def open_loop(load: Path, flags: dict[str, str], seconds: float) -> Outcome:
    """Run an open loop; raise LoadError at the first wrong answer, or where the generator itself was late."""
    argv = [str(load), "open", *(f"-{k}={v}" for k, v in flags.items())]
    out, used = run(argv, seconds + 90)
    figures = json.loads(out)
    if figures["errors"]:
        raise LoadError(f"{figures['errors']} requests failed; {figures['first_error']}")
    return Outcome(figures, used)


def stream(load: Path, kind: str, flags: dict[str, str], seconds: float) -> Outcome:
    """Run WebSockets or event streams; raise LoadError where one failed, or where there was no message."""
    out, used = run([str(load), kind, *(f"-{k}={v}" for k, v in flags.items())], seconds + 90)
    figures = json.loads(out)
    if figures["errors"] or not figures["messages"]:
        raise LoadError(f"{figures['errors']} connections failed; {figures.get('first_error', 'no message came')}")
    return Outcome(figures, used)


class IdleCrowd:
    """The idle connections of bench/load, held while the with statement lasts."""

    def __init__(self, load: Path, flags: dict[str, str]) -> None:
        """Start opening them."""
        argv = [str(load), "idle", *(f"-{k}={v}" for k, v in flags.items())]
        self._popen = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self) -> IdleCrowd:
        return self

    def __exit__(self, *_: object) -> None:
        self._popen.kill()
        self._popen.communicate()

    def _line(self, wanted: int, doing: str) -> dict[str, Any]:
        stdout: BinaryIO = self._popen.stdout  # type: ignore[assignment]
        line = stdout.readline()
        if not line:
            raise LoadError(f"the idle connections ended while {doing}")
        figures = json.loads(line)
        if figures["open"] != wanted:
            raise LoadError(f"{figures['open']} of {wanted} connections after {doing}: {figures['first_error']}")
        return figures

    def opened(self, wanted: int) -> dict[str, Any]:
        """Wait until all have been opened and served."""
        return self._line(wanted, "opening")

    def ask_again(self, wanted: int) -> dict[str, Any]:
        """Have each serve once more."""
        stdin: BinaryIO = self._popen.stdin  # type: ignore[assignment]
        stdin.write(b"\n")
        stdin.flush()
        return self._line(wanted, "asking again")
