#!/usr/bin/env python3
"""Run the WSGI suite with both twins under every CPython from 3.10 to 3.13 that this machine has.

usage: run.py [--only 3.12]... [--jobs N] [--server rickhouse|gunicorn|waitress] [-- PYTEST ARGUMENTS]

Each interpreter gets a virtual environment below build/wsgi, made again when requirements.txt changes. WSGI_PYTHONS may
list interpreters, separated as PATH is. Interpreters that are not there are named at the end. Needs nothing but the
standard library, and bin/rickhouse to be built.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

SUITE = Path(__file__).resolve().parent
ROOT = SUITE.parents[1]
VERSIONS = ("3.10", "3.11", "3.12", "3.13")
ASK = """
import sys
gil = not hasattr(sys, "_is_gil_enabled") or sys._is_gil_enabled()
print(sys.implementation.name, "%d.%d" % sys.version_info[:2], gil)
"""


@dataclass
class Outcome:
    """How the suite ended under one interpreter."""

    version: str
    status: int
    closing: str
    seconds: float


def candidates(version: str) -> Iterator[str]:
    """Yield where an interpreter of that version may be."""
    listed = os.environ.get("WSGI_PYTHONS")
    if listed:
        yield from listed.split(os.pathsep)
        return
    yield sys.executable
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        yield os.path.join(folder, f"python{version}")
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from (str(path) for path in sorted(pyenv.glob(f"versions/{version}.*/bin/python"), reverse=True))


def find(version: str) -> str | None:
    """Return an interpreter of that version, with a GIL, that runs."""
    for path in candidates(version):
        if not os.access(path, os.X_OK):
            continue
        done = subprocess.run([path, "-c", ASK], capture_output=True, text=True, check=False)
        if done.returncode == 0 and done.stdout.split() == ["cpython", version, "True"]:
            return path
    return None


def environment(version: str, python: str, requirements: list[Path], suite: str = "wsgi") -> Path:
    """Return the interpreter of a virtual environment with the requirements of a suite, made if it is not there."""
    what = os.path.realpath(python).encode() + b"".join(path.read_bytes() for path in requirements)
    digest = hashlib.sha256(what).hexdigest()[:12]
    folder = ROOT / "build" / suite / f"{version}-{digest}"
    made = folder / "bin" / "python"
    if not (folder / "complete").exists():
        for old in folder.parent.glob(f"{version}-*"):
            shutil.rmtree(old)
        print(f"{version}: making {folder.relative_to(ROOT)}", flush=True)
        run = subprocess.run([python, "-m", "venv", folder], capture_output=True, text=True, check=False)
        if run.returncode == 0:
            install = [made, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--prefer-binary"]
            for path in requirements:
                install += ["-r", path]
            run = subprocess.run(install, capture_output=True, text=True, check=False)
        if run.returncode != 0:
            raise RuntimeError(f"making the virtual environment failed:\n{run.stdout}{run.stderr}")
        (folder / "complete").touch()
    return made


def run(version: str, python: str, requirements: list[Path], arguments: list[str]) -> Outcome:
    """Run pytest under one interpreter and print what it says, in one piece."""
    begun = time.monotonic()
    try:
        made = environment(version, python, requirements)
    except RuntimeError as error:
        print(f"\n===== CPython {version}\n{error}", flush=True)
        return Outcome(version, 1, str(error).splitlines()[0], time.monotonic() - begun)
    command = [str(made), "-m", "pytest", "-c", str(SUITE / "pytest.ini"), "--rootdir", str(SUITE), *arguments]
    variables = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        command,
        cwd=SUITE,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    print(f"\n===== CPython {version} ({python})\n{done.stdout}", end="", flush=True)
    closing = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else "no output"
    return Outcome(version, done.returncode, closing, time.monotonic() - begun)


def main() -> int:
    """Run the suite; return 0 if it passed wherever it ran."""
    parser = argparse.ArgumentParser(description="Run the WSGI suite under every CPython that is here.")
    parser.add_argument("--only", action="append", choices=VERSIONS, help="this version only; may be repeated")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="interpreters at a time")
    parser.add_argument(
        "--server", choices=("rickhouse", "gunicorn", "waitress"), default="rickhouse", help="peers fail some tests"
    )
    parser.add_argument("arguments", nargs="*", help="for pytest, after --")
    options = parser.parse_args()
    requirements = [SUITE / "requirements.txt"]
    arguments = [*options.arguments, f"--server={options.server}"]
    if options.server != "rickhouse":
        requirements.append(SUITE / "requirements-peers.txt")
        arguments.append("--twin=python")
    elif not (ROOT / "bin" / "rickhouse").exists():
        print("bin/rickhouse is not there: run make build first", file=sys.stderr)
        return 1
    wanted = options.only or VERSIONS
    found = {version: python for version in wanted if (python := find(version))}
    with ThreadPoolExecutor(max(1, options.jobs)) as pool:
        outcomes = list(pool.map(lambda item: run(*item, requirements, arguments), found.items()))
    print("\n===== WSGI suite")
    for outcome in outcomes:
        print(f"CPython {outcome.version}: {outcome.closing} (exit {outcome.status}, {outcome.seconds:.0f} s in all)")
    for version in wanted:
        if version not in found:
            print(f"CPython {version}: skipped, there is no such interpreter here")
    if not outcomes:
        print("none of the interpreters is here", file=sys.stderr)
    return 0 if outcomes and not any(outcome.status for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
