#!/usr/bin/env python3
"""Run the tests of the worker package (python/tests) on every CPython from 3.10 to 3.13 that this machine has.

The virtual environments are those of the WSGI suite, whose runner finds and makes them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "test" / "wsgi"))

import run as suite  # noqa: E402


def main() -> int:
    """Run pytest with each interpreter; return 0 if it passed on all."""
    outcomes = []
    for version in suite.VERSIONS:
        python = suite.find(version)
        if python is None:
            outcomes.append((version, 0, "skipped, there is no such interpreter here"))
            continue
        made = suite.environment(version, python, [suite.SUITE / "requirements.txt"])
        print(f"\n===== python/tests on CPython {version}", flush=True)
        variables = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        command = [str(made), "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", *sys.argv[1:]]
        done = subprocess.run(command, cwd=ROOT / "python", env=variables, stdin=subprocess.DEVNULL, check=False)
        outcomes.append((version, done.returncode, f"exit {done.returncode}"))
    print("\n===== python/tests")
    for version, _, text in outcomes:
        print(f"CPython {version}: {text}")
    return 1 if any(status for _, status, _ in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
