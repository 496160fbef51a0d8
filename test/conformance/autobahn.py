#!/usr/bin/env python3
"""Run the Autobahn suite of WebSocket cases against the real binary: see README.md.

usage: autobahn.py [--rooms] [CASES]...

CASES are patterns such as 6.* or 12.1.*; without any, all 517 run, in about ten minutes. With --rooms the server is the
echo of test/websocket, without an application. The suite needs CPython 2.7, of pyenv or named by PYTHON27. Its reports
stay in build/conformance/autobahn/report.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from server import BUILD, ROOT, serving

FOLDER = BUILD / "autobahn"
SUITE = "autobahntestsuite==25.10.1"
# The last virtualenv that makes environments of Python 2.7.
VIRTUALENV = "virtualenv==20.15.1"
ALL = 517
GOOD = {"OK", "NON-STRICT", "INFORMATIONAL"}


def python27() -> str:
    """Return an interpreter of CPython 2.7."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for name in (os.environ.get("PYTHON27"), *pyenv.glob("versions/2.7.*/bin/python2.7"), shutil.which("python2.7")):
        if name and os.access(name, os.X_OK):
            return str(name)
    sys.exit("the Autobahn suite needs CPython 2.7: install it with pyenv, or name it in PYTHON27")


def environment() -> Path:
    """Return the folder of programs of an environment that has the suite, made if it is not there."""
    made, done = FOLDER / "venv", FOLDER / "venv" / SUITE
    if not done.exists():
        shutil.rmtree(made, ignore_errors=True)
        python, tool = python27(), FOLDER / "virtualenv"
        print(f"making {made.relative_to(ROOT)}", flush=True)
        quiet = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run([python, "-m", "pip", "install", "--target", tool, VIRTUALENV], **quiet)
        subprocess.run([python, "-m", "virtualenv", made], env={**os.environ, "PYTHONPATH": str(tool)}, **quiet)
        subprocess.run([made / "bin" / "pip", "install", SUITE], **quiet)
        done.touch()
    return made / "bin"


@contextmanager
def echo(rooms: bool) -> Iterator[str]:
    """Serve an application that echoes, or the echo of test/websocket, and yield the URL."""
    if not rooms:
        with serving("websocket:app") as port:
            yield f"ws://127.0.0.1:{port}"
        return
    binary = BUILD / "echo"
    subprocess.run([os.environ.get("GO", "go"), "build", "-o", binary, "./test/websocket"], cwd=ROOT, check=True)
    with subprocess.Popen([binary], stdout=subprocess.PIPE, text=True) as server:
        try:
            yield server.stdout.readline().strip()
            if server.poll() is not None:
                sys.exit("the server ended before the suite did")
        finally:
            server.terminate()


def run(url: str, cases: list[str]) -> dict[str, dict[str, str]]:
    """Let the suite loose on a server and return what became of each case."""
    report = FOLDER / "report"
    shutil.rmtree(report, ignore_errors=True)
    spec = {"outdir": str(report), "servers": [{"agent": "rickhouse", "url": url}], "cases": cases}
    (FOLDER / "spec.json").write_text(json.dumps(spec | {"exclude-cases": [], "exclude-agent-cases": {}}))
    wstest = environment() / "wstest"
    with (FOLDER / "log").open("w") as log:
        subprocess.run([wstest, "-m", "fuzzingclient", "-s", FOLDER / "spec.json"], stdout=log, stderr=log, check=True)
    return json.loads((report / "index.json").read_text())["rickhouse"]


def main() -> int:
    """Run the cases and say how they ended."""
    parser = argparse.ArgumentParser(usage="autobahn.py [--rooms] [CASES]...")
    parser.add_argument("--rooms", action="store_true")
    parser.add_argument("cases", nargs="*")
    asked = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    environment()
    with echo(asked.rooms) as url:
        results = run(url, asked.cases or ["*"])
    ends = Counter()
    bad = 0
    for case, result in sorted(results.items()):
        end = {result["behavior"], result["behaviorClose"]}
        ends[" and ".join(sorted(end))] += 1
        if end != {"OK"}:
            print(f"{case}: {result['behavior']}, at its end {result['behaviorClose']}")
        bad += not end <= GOOD
    print(f"Autobahn: {len(results)} cases: " + ", ".join(f"{n} {end}" for end, n in ends.most_common()))
    if not asked.cases and len(results) != ALL:
        print(f"there should be {ALL} cases")
        return 1
    return 1 if bad or not results else 0


if __name__ == "__main__":
    sys.exit(main())
