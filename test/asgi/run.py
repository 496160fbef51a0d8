#!/usr/bin/env python3
"""Run the ASGI suite with both twins under every CPython from 3.10 to 3.13 that this machine has.

usage: run.py [--only 3.12]... [--jobs N] [-- PYTEST ARGUMENTS]

Needs nothing but the standard library, and bin/rickhouse to be built.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

SUITE = Path(__file__).resolve().parent
sys.path.insert(0, str(SUITE.parents[1] / "scripts"))

from interpreters import VERSIONS, Suite, everywhere  # noqa: E402


def main() -> int:
    """Run the suite; return 0 if it passed wherever it ran."""
    parser = argparse.ArgumentParser(description="Run the ASGI suite under every CPython that is here.")
    parser.add_argument("--only", action="append", choices=VERSIONS, help="this version only; may be repeated")
    parser.add_argument("--jobs", type=int, default=0, help="interpreters at a time (2)")
    parser.add_argument("arguments", nargs="*", help="for pytest, after --")
    options = parser.parse_args()
    arguments = ("-c", str(SUITE / "pytest.ini"), "--rootdir", str(SUITE), *options.arguments)
    suite = Suite("ASGI suite", "asgi", SUITE, (SUITE / "requirements.txt",), arguments)
    return everywhere(suite, options.only, options.jobs)


if __name__ == "__main__":
    sys.exit(main())
