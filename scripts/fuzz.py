#!/usr/bin/env python3
"""Run every fuzz target of the repository for a while: fuzz.py 30s. Targets share the processors."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def targets() -> list[tuple[str, str]]:
    """Return each target as its package's folder and its name."""
    found = []
    for path in sorted(ROOT.glob("internal/**/*_test.go")):
        names = re.findall(r"^func (Fuzz\w+)\(\w+ \*testing\.F\)", path.read_text(encoding="utf-8"), re.MULTILINE)
        found += [("./" + path.parent.relative_to(ROOT).as_posix(), name) for name in names]
    return found


def ended_in_time(said: str) -> bool:
    """Tell whether a failure is only Go's own end of the time, which it may report as one (go.dev/issue/75804)."""
    found = re.search(r"Failing input written|panic:|hung or terminated|DATA RACE", said)
    late = re.search(r"^--- FAIL: \S+ \(.*\)\n    context deadline exceeded\nFAIL$", said, re.MULTILINE)
    return late is not None and found is None


def fuzz(folder: str, name: str, duration: str) -> tuple[str, int, str, float]:
    """Run one target; return its name, its exit status, what it said and how long it took."""
    begun = time.monotonic()
    go = os.environ.get("GO", "go")
    command = [go, "test", folder, "-run=^$", f"-fuzz=^{name}$", f"-fuzztime={duration}"]
    command += ["-parallel=1", "-fuzzminimizetime=20x"]
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    status = 0 if done.returncode and ended_in_time(said) else done.returncode
    return f"{folder} {name}", status, said, time.monotonic() - begun


def main() -> int:
    """Fuzz; return 0 if nothing was found."""
    duration = sys.argv[1] if len(sys.argv) > 1 else "30s"
    found = targets()
    if not found:
        print("there are no fuzz targets", file=sys.stderr)
        return 1
    bad = 0
    with ThreadPoolExecutor((os.cpu_count() or 1) + 1) as pool:  # they build and write now and then
        for title, status, said, seconds in pool.map(lambda target: fuzz(*target, duration), found):
            bad += status != 0
            closing = said.strip().splitlines()[-1] if said.strip() else ""
            print(f"{'FAIL' if status else 'ok'}  {title}  {seconds:.0f} s  {closing}", flush=True)
            if status:
                print(said, flush=True)
    print(f"{len(found)} fuzz targets ran for {duration} each, {bad} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
