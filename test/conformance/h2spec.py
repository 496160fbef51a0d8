#!/usr/bin/env python3
"""Run h2spec against the real binary, in cleartext and over TLS: see README.md."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass

from server import BUILD, serving

MODULE = "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible"
TOOL = BUILD / "h2spec"
TIMEOUT = 300
TLS = ("--tls", "internal")
# On a port that HTTP/1 shares, what begins otherwise is answered as HTTP/1.
SHARED_PORT = frozenset({"Sends invalid connection preface"})


@dataclass(frozen=True)
class Run:
    """One run of h2spec."""

    name: str
    total: int
    flags: tuple[str, ...] = ()
    server: tuple[str, ...] = ()
    expected: frozenset[str] = frozenset()


RUNS = (
    Run("h2c", 145, expected=SHARED_PORT),
    Run("h2c, strict", 146, ("--strict",), expected=SHARED_PORT),
    Run("TLS", 145, ("-t", "-k"), TLS),
    Run("TLS, strict", 146, ("-t", "-k", "--strict"), TLS),
)


def install() -> None:
    """Build h2spec at its pinned version."""
    if TOOL.exists():
        return
    BUILD.mkdir(parents=True, exist_ok=True)
    print(f"installing {MODULE}", flush=True)
    subprocess.run(["go", "install", MODULE], env=os.environ | {"GOBIN": str(BUILD)}, check=True)


def judge(run: Run, report: str) -> list[str]:
    """Return what is not as expected in a JUnit report."""
    cases = list(ElementTree.parse(report).iter("testcase"))
    failed = {c.get("classname", "") for c in cases if {"failure", "error"} & {child.tag for child in c}}
    skipped = [c.get("classname", "") for c in cases if "skipped" in {child.tag for child in c}]
    wrong = [f"failed: {name}" for name in sorted(failed - run.expected)]
    wrong += [f"passed, and was expected to fail: {name}" for name in sorted(run.expected - failed)]
    wrong += [f"skipped: {name}" for name in skipped]
    if len(cases) != run.total:
        wrong.append(f"{len(cases)} tests were run, not {run.total}")
    print(f"{run.name}: {len(cases) - len(failed) - len(skipped)} of {len(cases)} passed", flush=True)
    return wrong


def execute(run: Run) -> list[str]:
    """Run h2spec once and return what is not as expected."""
    report = BUILD / "h2spec.xml"
    report.unlink(missing_ok=True)
    with serving("hello:app", *run.server) as port:
        argv = [str(TOOL), "-h", "127.0.0.1", "-p", str(port), "-j", str(report), *run.flags]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    if not report.exists():
        return [f"no report was written: {(done.stdout + done.stderr)[-500:]}"]
    return judge(run, str(report))


def main() -> int:
    """Run everything; return 1 if something is not as expected."""
    install()
    status = 0
    for run in RUNS:
        for text in execute(run):
            print(f"  {text}", flush=True)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
