#!/usr/bin/env python3
"""Run the ASGI suite with both twins under every CPython from 3.10 to 3.13 that this machine has.

usage: run.py [--only 3.12]... [-- PYTEST ARGUMENTS]

Interpreters are found, and virtual environments made (below build/asgi), as for the WSGI suite. Needs nothing but the
standard library, and bin/rickhouse to be built.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

SUITE = Path(__file__).resolve().parent
sys.path.insert(0, str(SUITE.parent / "wsgi"))

import run as wsgi  # noqa: E402


def main() -> int:
    """Run the suite; return 0 if it passed wherever it ran."""
    parser = argparse.ArgumentParser(description="Run the ASGI suite under every CPython that is here.")
    parser.add_argument("--only", action="append", choices=wsgi.VERSIONS, help="this version only; may be repeated")
    parser.add_argument("arguments", nargs="*", help="for pytest, after --")
    options = parser.parse_args()
    outcomes = []
    for version in options.only or wsgi.VERSIONS:
        python = wsgi.find(version)
        if python is None:
            outcomes.append((version, 0, "skipped, there is no such interpreter here"))
            continue
        made = wsgi.environment(version, python, [SUITE / "requirements.txt"], "asgi")
        print(f"\n===== ASGI suite on CPython {version}", flush=True)
        command = [str(made), "-m", "pytest", "-c", str(SUITE / "pytest.ini"), "--rootdir", str(SUITE)]
        variables = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [*command, *options.arguments], cwd=SUITE, env=variables, stdin=subprocess.DEVNULL, check=False
        )
        outcomes.append((version, done.returncode, f"exit {done.returncode}"))
    print("\n===== ASGI suite")
    for version, _, text in outcomes:
        print(f"CPython {version}: {text}")
    return 1 if any(status for _, status, _ in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
