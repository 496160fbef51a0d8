#!/usr/bin/env python3
"""Run the tests of the worker package (python/tests) on every CPython from 3.10 to 3.13 that this machine has.

The virtual environments are those of the WSGI suite. Arguments go to pytest.
"""

from __future__ import annotations

import sys

from interpreters import ROOT, Suite, everywhere


def main() -> int:
    """Run pytest with each interpreter; return 0 if it passed on all."""
    requirements = (ROOT / "test" / "wsgi" / "requirements.txt",)
    arguments = ("-q", "-p", "no:cacheprovider", "tests", *sys.argv[1:])
    return everywhere(Suite("python/tests", "wsgi", ROOT / "python", requirements, arguments))


if __name__ == "__main__":
    sys.exit(main())
