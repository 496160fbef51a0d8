"""Runs a pytest suite under every CPython from 3.10 to 3.13 that this machine has.

Each interpreter gets a virtual environment below build/, made again when the suite's requirements change. WSGI_PYTHONS
may list interpreters, separated as in PATH; else they are looked for on PATH and where pyenv keeps them.

The worker's side in C is another program for each version, tested on all. That in Python is one text, tested
on the oldest and the newest that are found, or on all with RICKHOUSE_TWINS=all.
"""

from __future__ import annotations

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

ROOT = Path(__file__).resolve().parents[1]
VERSIONS = ("3.10", "3.11", "3.12", "3.13")
ASK = """
import sys
gil = not hasattr(sys, "_is_gil_enabled") or sys._is_gil_enabled()
print(sys.implementation.name, "%d.%d" % sys.version_info[:2], gil)
"""


@dataclass(frozen=True)
class Suite:
    """Tests for pytest: what they are called, their folder, and what they need."""

    title: str
    name: str  # of the folder below build/
    folder: Path
    requirements: tuple[Path, ...]
    arguments: tuple[str, ...] = ()


@dataclass
class Outcome:
    """How a suite ended under one interpreter."""

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


def environment(version: str, python: str, suite: Suite) -> Path:
    """Return the interpreter of a virtual environment with what the suite needs, made if it is not there."""
    what = os.path.realpath(python).encode() + b"".join(path.read_bytes() for path in suite.requirements)
    digest = hashlib.sha256(what).hexdigest()[:12]
    folder = ROOT / "build" / suite.name / f"{version}-{digest}"
    made = folder / "bin" / "python"
    if (folder / "complete").exists():
        return made
    for old in folder.parent.glob(f"{version}-*"):
        shutil.rmtree(old)
    print(f"{version}: making {folder.relative_to(ROOT)}", flush=True)
    run = subprocess.run([python, "-m", "venv", folder], capture_output=True, text=True, check=False)
    if run.returncode == 0:
        install = [made, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--prefer-binary"]
        for path in suite.requirements:
            install += ["-r", path]
        run = subprocess.run(install, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise RuntimeError(f"making the virtual environment failed:\n{run.stdout}{run.stderr}")
    (folder / "complete").touch()
    return made


def run(version: str, python: str, suite: Suite, arguments: tuple[str, ...]) -> Outcome:
    """Run the suite under one interpreter and print what it says, in one piece."""
    begun = time.monotonic()
    try:
        made = environment(version, python, suite)
    except RuntimeError as error:
        print(f"\n===== {suite.title} on CPython {version}\n{error}", flush=True)
        return Outcome(version, 1, str(error).splitlines()[0], time.monotonic() - begun)
    done = subprocess.run(
        [str(made), "-m", "pytest", *suite.arguments, *arguments],
        cwd=suite.folder,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    print(f"\n===== {suite.title} on CPython {version} ({python})\n{done.stdout}", end="", flush=True)
    closing = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else "no output"
    return Outcome(version, done.returncode, closing, time.monotonic() - begun)


def everywhere(suite: Suite, only: list[str] | None = None, jobs: int = 0) -> int:
    """Run the suite under each interpreter, so many at a time (0: two); return 0 if it passed wherever it ran."""
    wanted = only or VERSIONS
    found = {version: python for version in wanted if (python := find(version))}
    chosen = os.environ.get("RICKHOUSE_TWINS") == "all" or any(a.startswith("--twin") for a in suite.arguments)
    between = [] if chosen else list(found)[1:-1]
    with ThreadPoolExecutor(jobs or min(2, os.cpu_count() or 1)) as pool:
        outcomes = list(
            pool.map(lambda item: run(*item, suite, ("--twin=extension",) if item[0] in between else ()), found.items())
        )
    print(f"\n===== {suite.title}")
    for outcome in outcomes:
        twins = ", the side in C alone" if outcome.version in between else ""
        print(
            f"CPython {outcome.version}{twins}: {outcome.closing} "
            f"(exit {outcome.status}, {outcome.seconds:.0f} s in all)"
        )
    for version in wanted:
        if version not in found:
            print(f"CPython {version}: skipped, there is no such interpreter here")
    if not outcomes:
        print("none of the interpreters is here", file=sys.stderr)
    return 0 if outcomes and not any(outcome.status for outcome in outcomes) else 1
