#!/usr/bin/env python3
"""Run the HTTP/3 suite in a virtual environment below build/http3, made again when requirements.txt changes.

usage: run.py [UNITTEST ARGUMENTS]

Needs nothing but the standard library, and bin/rickhouse to be built; RICKHOUSE_BINARY names another one.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

SUITE = Path(__file__).resolve().parent
ROOT = SUITE.parents[1]


def environment() -> Path:
    """Return the interpreter of the virtual environment, made if it is not there."""
    requirements = SUITE / "requirements.txt"
    digest = hashlib.sha256(sys.version.encode() + requirements.read_bytes()).hexdigest()[:12]
    folder = ROOT / "build" / "http3" / digest
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        shutil.rmtree(folder.parent, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--prefer-binary"]
        subprocess.run([*install, "-r", requirements], check=True)
        (folder / "complete").touch()
    return python


if __name__ == "__main__":
    command = [environment(), "-m", "unittest", *(sys.argv[1:] or ["discover", "-v"])]
    sys.exit(subprocess.run(command, cwd=SUITE, check=False).returncode)
