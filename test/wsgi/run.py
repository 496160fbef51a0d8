#!/usr/bin/env python3
"""Run the WSGI suite with both twins under every CPython from 3.10 to 3.13 that this machine has.

usage: run.py [--only 3.12]... [--jobs N] [--server gunicorn] [-- PYTEST ARGUMENTS]

Needs nothing but the standard library, and bin/rickhouse to be built.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

SUITE = Path(__file__).resolve().parent
ROOT = SUITE.parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from interpreters import VERSIONS, Suite, everywhere  # noqa: E402


def main() -> int:
    """Run the suite; return 0 if it passed wherever it ran."""
    parser = argparse.ArgumentParser(description="Run the WSGI suite under every CPython that is here.")
    parser.add_argument("--only", action="append", choices=VERSIONS, help="this version only; may be repeated")
    parser.add_argument("--jobs", type=int, default=0, help="interpreters at a time (2)")
    parser.add_argument(
        "--server", choices=("rickhouse", "gunicorn", "waitress"), default="rickhouse", help="peers fail some tests"
    )
    parser.add_argument("arguments", nargs="*", help="for pytest, after --")
    options = parser.parse_args()
    requirements = [SUITE / "requirements.txt"]
    arguments = ["-c", str(SUITE / "pytest.ini"), "--rootdir", str(SUITE), *options.arguments]
    arguments.append(f"--server={options.server}")
    if options.server != "rickhouse":
        requirements.append(SUITE / "requirements-peers.txt")
        arguments.append("--twin=python")
    elif not (ROOT / "bin" / "rickhouse").exists():
        print("bin/rickhouse is not there: run make build first", file=sys.stderr)
        return 1
    suite = Suite("WSGI suite", "wsgi", SUITE, tuple(requirements), tuple(arguments))
    return everywhere(suite, options.only, options.jobs)


if __name__ == "__main__":
    sys.exit(main())
