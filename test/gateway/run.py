#!/usr/bin/env python3
"""Run the suite of gateways with the nginx, Apache, PHP-FPM, uWSGI and gRPC that this machine has or can fetch.

usage: run.py [PYTEST ARGUMENTS]

Needs nothing but the standard library, and bin/rickhouse to be built; RICKHOUSE_BINARY names another one. What cannot
be had is named, and its tests are skipped.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from harness.debian import SERVERS, Debian, Unavailable

SUITE = Path(__file__).resolve().parent
ROOT = SUITE.parents[1]
BUILD = ROOT / "build" / "gateway"
# Peers that come from PyPI: what they need, and their binary in the virtual environment.
PACKAGES = {"uwsgi": ("requirements-uwsgi.txt", "bin/uwsgi"), "grpc": ("requirements-grpc.txt", "bin/python")}


def pip(python: Path, requirements: Path) -> subprocess.CompletedProcess[str]:
    """Install what a file names."""
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"]
    return subprocess.run([*install, "-r", requirements], capture_output=True, text=True, check=False)


def environment() -> tuple[Path, dict[str, str]]:
    """Return the interpreter of a virtual environment, made if it is not there, and why it lacks packages."""
    files = [SUITE / "requirements.txt", *(SUITE / name for name, _ in PACKAGES.values())]
    digest = hashlib.sha256(sys.version.encode() + b"".join(path.read_bytes() for path in files)).hexdigest()[:12]
    folder = BUILD / f"venv-{digest}"
    python, complete = folder / "bin" / "python", folder / "complete"
    if not complete.exists():
        for old in BUILD.glob("venv-*"):
            shutil.rmtree(old)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        done = pip(python, files[0])
        if done.returncode != 0:
            raise SystemExit(f"installing {files[0].name} failed:\n{done.stdout}{done.stderr}")
        lacking = {}
        for peer, (name, _) in PACKAGES.items():
            done = pip(python, SUITE / name)
            if done.returncode != 0:
                lacking[peer] = f"pip install -r {name}: {done.stderr.strip().splitlines()[-1]}"
        complete.write_text(json.dumps(lacking))
    return python, json.loads(complete.read_text())


def peers() -> dict[str, dict[str, str]]:
    """Return where each server is, or why it cannot be had."""
    debian, found = Debian(BUILD / "debian"), {}
    for name in SERVERS:
        try:
            binary, root = debian.locate(name)
            found[name] = {"binary": str(binary), "root": str(root)}
        except (Unavailable, OSError, subprocess.SubprocessError) as error:
            found[name] = {"missing": str(error)}
    return found


def main() -> int:
    """Run the tests; return pytest's status."""
    BUILD.mkdir(parents=True, exist_ok=True)
    python, lacking = environment()
    found = peers()
    for name, (_, binary) in PACKAGES.items():
        there = {"binary": str(python.parents[1] / binary), "root": "/"}
        found[name] = {"missing": lacking[name]} if name in lacking else there
    for name, peer in found.items():
        if "missing" in peer:
            print(f"{name} cannot be had, its tests are skipped: {peer['missing']}", flush=True)
    command = [python, "-m", "pytest", "-c", SUITE / "pytest.ini", "--rootdir", SUITE, "-rs", *sys.argv[1:]]
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "GATEWAY_PEERS": json.dumps(found)}
    return subprocess.run(command, cwd=SUITE, env=env, stdin=subprocess.DEVNULL, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
