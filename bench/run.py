"""Compare rickhouse with other servers: see bench/README.md."""

from __future__ import annotations

import argparse
import datetime
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import h2, install, loads, machine, prepare, report, rows
from harness.install import BENCH
from harness.server import Server, ServerError, free_port
from peers.table import PEERS, Peer

ROOT = BENCH.parent
DISTURBED = 0.15  # cores that others use during a measurement


def options(argv: list[str]) -> argparse.Namespace:
    """Read the command line."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--rounds", type=int, default=5, help="how often everything is measured (5)")
    p.add_argument(
        "--seconds", type=int, default=5, help="length of a measurement (5); mixed loads last four times as long"
    )
    p.add_argument("--only", default="", help="rows, by comma: " + ", ".join(r.name for r in rows.ROWS))
    p.add_argument("--servers", default="", help="servers, by comma: " + ", ".join(s.name for s in PEERS))
    p.add_argument("--connections", default="", help="numbers of connections, by comma, of those that a row has")
    p.add_argument(
        "--patience", type=int, default=3, help="how often a measurement that others disturb is made again (3)"
    )
    p.add_argument("--rickhouse", type=Path, default=ROOT / "bin" / "rickhouse", help="our binary (bin/rickhouse)")
    p.add_argument("--out", type=Path, help="folder of results.md and results.json (bench; build/bench for a part)")
    p.add_argument(
        "--report", type=Path, metavar="JSON", help="measure nothing, write results.md beside this file anew"
    )
    o = p.parse_args(argv)
    if o.rounds < 1 or o.seconds < 1:
        p.error("rounds and seconds are at least 1")
    o.only = _names(p, o.only, [r.name for r in rows.ROWS])
    o.servers = _names(p, o.servers, [s.name for s in PEERS])
    o.connections = [int(c) for c in o.connections.split(",") if c]
    part = (o.only, o.servers, o.connections, o.rounds, o.seconds) != ([], [], [], 5, 5)
    o.out = o.out or (ROOT / "build" / "bench" if part else BENCH)
    return o


def _names(p: argparse.ArgumentParser, text: str, known: list[str]) -> list[str]:
    names = [n for n in text.split(",") if n]
    for name in names:
        if name not in known:
            p.error(f"nothing is called {name!r}: " + ", ".join(known))
    return names


class Bench:
    """One run."""

    def __init__(self, o: argparse.Namespace) -> None:
        """Install what is missing."""
        self.o = o
        self.build = ROOT / "build" / "bench"
        self.build.mkdir(parents=True, exist_ok=True)
        o.out.mkdir(parents=True, exist_ok=True)
        self.rows = [r for r in rows.ROWS if not o.only or r.name in o.only]
        peers = [p for p in PEERS if not o.servers or p.name in o.servers]
        self.environment, reasons = install.prepare(self.build)
        self.load = install.build_load(self.build / "load")
        self.versions = self.environment.installed()
        self.skipped: dict[str, str] = {}
        self.peers = [p for p in peers if self._usable(p, reasons)]
        self.data: dict[str, Any] = {
            "machine": machine.describe(),
            "python": sys.version.split()[0],
            "begun": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
            "command": shlex.join(["python3", "bench/run.py", *sys.argv[1:]]),
            "rounds": o.rounds,
            "seconds": o.seconds,
            "skipped": self.skipped,
            "servers": {p.name: self._describe(p) for p in self.peers},
            "samples": [],
        }

    def _usable(self, peer: Peer, reasons: dict[str, str]) -> bool:
        why = reasons.get(peer.package or peer.name, "")
        if peer.name == "rickhouse" and not self.o.rickhouse.exists():
            why = f"{self.o.rickhouse} is not there: make build"
        if why:
            self.skipped[peer.name] = why
        return not why

    def _values(self, app: str, port: int, workers: int, run: Path) -> dict[str, str]:
        return {
            "python": str(self.environment.python),
            "bin": str(self.environment.bin),
            "rickhouse": str(self.o.rickhouse.resolve()),
            "peers": str(BENCH / "peers"),
            "run": str(run),
            "app": app,
            "port": str(port),
            "workers": str(workers),
            "cert": str(run / "cert.pem"),
            "key": str(run / "key.pem"),
            "flask": str(ROOT / "examples" / "flask"),
        }

    def _describe(self, peer: Peer) -> dict[str, str]:
        """Return the version, and the command with its paths as the repository has them."""
        if peer.package:
            version = self.versions.get(peer.package, "unknown")
        else:
            argv = [v.format(**self._values("", 0, 1, self.build)) for v in peer.version]
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            lines = (done.stdout + done.stderr).strip().splitlines()
            version = lines[0] if lines else "unknown"
        row = next((r for r in rows.ROWS if r.name in peer.rows), rows.ROWS[0])
        argv = peer.command(row.name, self._values(row.apps.get(peer.interface, ""), 8000, row.workers, self.build))
        return {"version": version, "command": shlex.join(argv).replace(f"{ROOT}/", "")}

    def run(self) -> None:
        """Measure everything, and write the results down after each server."""
        print(f"about {self._minutes():.0f} minutes; results go to {self.o.out}/results.md", flush=True)
        for number in range(1, self.o.rounds + 1):
            for row in self.rows:
                for peer in self._turn(number, row):
                    self._serve(number, row, peer)
                    self.write()

    def _turn(self, number: int, row: rows.Row) -> list[Peer]:
        """Return the servers of a row, beginning with another one in each round."""
        there = [p for p in self.peers if row.name in p.rows]
        start = (number - 1) % len(there) if there else 0
        return there[start:] + there[:start]

    def _minutes(self) -> float:
        seconds = 0.0
        for row in self.rows:
            each = 20 if row.kind == "idle" else row.seconds(self.o.seconds) * max(1, len(self._connections(row))) + 3
            seconds += each * sum(1 for p in self.peers if row.name in p.rows)
        return seconds * self.o.rounds / 60

    def _connections(self, row: rows.Row) -> list[int]:
        return [
            c for c in row.connections if not self.o.connections or c in self.o.connections or len(row.connections) == 1
        ]

    def _serve(self, number: int, row: rows.Row, peer: Peer) -> None:
        run = self.build / "run"
        run.mkdir(exist_ok=True)
        port = free_port()
        app = row.apps[peer.interface]
        values = self._values(app, port, row.workers, run)
        prepare.write(row, run, values)
        argv = peer.command(row.name, values)
        try:
            with Server(argv, BENCH / "apps", port, run / f"{peer.name}.log", row.tls) as server:
                if row.kind == "h2":
                    server.wait_for(lambda: h2.ask(port))
                else:
                    server.wait_ready(row.request(port))
                self._load(number, row, peer, server)
        except ServerError as e:
            self._sample(number, row, peer, 0, {"void": str(e)})

    def _load(self, number: int, row: rows.Row, peer: Peer, server: Server) -> None:
        if row.kind == "open":
            length = row.seconds(self.o.seconds)
            self._measure(number, row, peer, 0, lambda: rows.measure_open(row, server, self.load, length, number))
            return
        if row.kind == "h2":
            for c in row.connections:
                self._measure(number, row, peer, c, lambda c=c: rows.measure_h2(row, server, c, self.o.seconds))
            return
        if row.kind in ("ws", "sse"):
            for c in row.connections:
                self._measure(
                    number,
                    row,
                    peer,
                    c,
                    lambda c=c: rows.measure_stream(row, server, self.load, c, self.o.seconds),
                )
            return
        loads.wrk(server.port, 32, 1, row.load(), row.tls, row.path)
        if row.kind == "idle":
            self._measure(number, row, peer, 0, lambda: rows.measure_idle(row, server, self.load))
            return
        for c in self._connections(row):
            self._measure(number, row, peer, c, lambda c=c: rows.measure_closed(row, server, c, self.o.seconds))

    def _measure(
        self, number: int, row: rows.Row, peer: Peer, connections: int, measure: Callable[[], dict[str, Any]]
    ) -> None:
        try:
            sample = least_disturbed(measure, self.o.patience)
        except (loads.LoadError, ServerError, OSError, subprocess.TimeoutExpired) as e:
            sample = {"void": str(e)}
        self._sample(number, row, peer, connections, sample)

    def _sample(self, number: int, row: rows.Row, peer: Peer, connections: int, sample: dict[str, Any]) -> None:
        key = {"round": number, "row": row.name, "server": peer.name, "connections": connections}
        self.data["samples"].append(key | sample)
        shown = (
            "rps",
            "cpu_us",
            "cpu_front_us",
            "p50_us",
            "p99_us",
            "growth_b",
            "pss_total_kib",
            "others_cores",
            "void",
        )
        text = "  ".join(f"{k} {sample[k]:.6g}" if k != "void" else f"VOID {sample[k]}" for k in shown if k in sample)
        print(f"{time.strftime('%H:%M:%S')} round {number} {row.name} {peer.name} c={connections}: {text}", flush=True)

    def write(self) -> None:
        """Write both files."""
        (self.o.out / "results.json").write_text(json.dumps(self.data, indent=1) + "\n")
        (self.o.out / "results.md").write_text(report.markdown(self.data))


def least_disturbed(measure: Callable[[], dict[str, Any]], patience: int) -> dict[str, Any]:
    """Measure, and again up to patience times as long as others use more than DISTURBED cores; keep the quietest.

    The choice looks at what others did alone, never at the figures. A failure is not made good: it is raised.
    """
    best = measure()
    for _ in range(patience):
        if best.get("others_cores", 0) <= DISTURBED:
            break
        machine.wait_until_quiet(DISTURBED, 10)
        again = measure()
        if again["others_cores"] < best["others_cores"]:
            best = again
    return best


def main(argv: list[str]) -> int:
    """Run, or write a report anew."""
    o = options(argv)
    if o.report:
        data = json.loads(o.report.read_text())
        o.report.with_name("results.md").write_text(report.markdown(data))
        return 0
    try:
        bench = Bench(o)
    except (install.InstallError, subprocess.CalledProcessError) as e:
        print(f"bench: {e}", file=sys.stderr)
        return 1
    for name, why in bench.skipped.items():
        print(f"not run: {name}: {why}", flush=True)
    bench.run()
    print(f"written: {o.out}/results.md")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
