#!/usr/bin/env python3
"""Compile the C extension for every CPython 3.10 to 3.13 of this machine, into python/dist.

Interpreters are looked for on PATH, among those of pyenv, and in RICKHOUSE_BUILD_PYTHONS (paths, separated as in PATH).
What is up to date is left alone. Where there is no compiler, or no Python headers, that is said in one line: the
pure-Python side serves then.
"""

from __future__ import annotations

import argparse
import glob
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
EXT = HERE / "ext"
VERSIONS = ("3.10", "3.11", "3.12", "3.13")
FLAGS = [
    "-std=c11", "-O2", "-g0", "-fPIC", "-shared", "-pthread", "-fvisibility=hidden", "-fno-strict-aliasing",
    "-Wall", "-Wextra", "-Werror=implicit-function-declaration", f"-ffile-prefix-map={HERE.parent}=.",
]  # fmt: skip
LINUX = ["-fno-plt", "-Wl,-z,relro,-z,now,--build-id=none"]
DARWIN = ["-undefined", "dynamic_lookup"]
STRICT = ["-Werror", "-Wshadow", "-Wstrict-prototypes", "-Wpointer-arith", "-Wno-unused-parameter"]
SANITIZE = ["-O1", "-g", "-fno-omit-frame-pointer", "-fno-sanitize-recover=undefined"]

QUERY = """
import json, sys, sysconfig
print(json.dumps({
    "implementation": sys.implementation.name, "version": "%d.%d" % sys.version_info[:2],
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "suffix": sysconfig.get_config_var("EXT_SUFFIX"), "include": sysconfig.get_path("include"),
    "platinclude": sysconfig.get_path("platinclude"),
}))
"""


class Python(NamedTuple):
    """An interpreter to build for."""

    path: str
    version: str
    suffix: str
    include: list[str]


def candidates() -> list[str]:
    """The interpreters there may be, the preferred ones first."""
    paths = [p for p in os.environ.get("RICKHOUSE_BUILD_PYTHONS", "").split(os.pathsep) if p]
    paths += sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/*/bin/python")), reverse=True)
    for name in ("python3", *(f"python{v}" for v in VERSIONS)):
        for folder in os.environ.get("PATH", "").split(os.pathsep):
            path = os.path.join(folder, name)
            if os.access(path, os.X_OK):
                paths.append(path)
    return list(dict.fromkeys([*paths, sys.executable]))


def find(paths: list[str]) -> tuple[list[Python], list[str]]:
    """One interpreter for each ABI, and what to say about those that cannot be built for."""
    found: dict[str, Python] = {}
    bare: dict[str, str] = {}
    seen: set[str] = set()
    for path in paths:
        real = os.path.realpath(path)
        if real in seen:
            continue
        seen.add(real)
        try:
            done = subprocess.run([path, "-I", "-c", QUERY], capture_output=True, text=True, timeout=60, check=True)
            about = json.loads(done.stdout)
        except (OSError, ValueError, subprocess.SubprocessError):
            continue
        if about["implementation"] != "cpython" or about["version"] not in VERSIONS or about["free_threaded"]:
            continue
        suffix, include = about["suffix"], list(dict.fromkeys([about["include"], about["platinclude"]]))
        if suffix in found:
            continue
        if os.path.exists(os.path.join(include[0], "Python.h")):
            found[suffix] = Python(path, about["version"], suffix, include)
        else:
            bare[suffix] = f"CPython {about['version']} ({path}) has no headers: install its development package"
    return sorted(found.values(), key=lambda p: p.suffix), [bare[s] for s in sorted(bare) if s not in found]


def compiler() -> list[str] | None:
    """The command of the C compiler."""
    named = shlex.split(os.environ.get("CC", ""))
    for command in [named, ["cc"], ["gcc"], ["clang"]]:
        if command and shutil.which(command[0]):
            return command
    return None


def digest(command: list[str]) -> str:
    """What a built file depends on."""
    done = subprocess.run([command[0], "--version"], capture_output=True, text=True, check=False)
    sum_ = hashlib.sha256(f"{command}\n{done.stdout}".encode())
    for source in sorted(EXT.glob("*.[ch]")):
        sum_.update(f"{source.name}\n".encode() + source.read_bytes())
    return sum_.hexdigest()


def command_for(python: Python, cc: list[str], arguments: argparse.Namespace) -> list[str]:
    """The compiler command, without its output."""
    flags = [*FLAGS, *(DARWIN if sys.platform == "darwin" else LINUX), *(STRICT if arguments.strict else [])]
    if arguments.sanitize:
        flags += [*SANITIZE, f"-fsanitize={arguments.sanitize}"]
    sources = sorted(str(p) for p in EXT.glob("*.c"))
    return [*cc, *flags, *(f"-I{i}" for i in python.include), *shlex.split(os.environ.get("CFLAGS", "")), *sources]


def build(python: Python, cc: list[str], arguments: argparse.Namespace) -> bool:
    """Build for one interpreter unless that is up to date; False if it failed."""
    target = arguments.output / f"_rickhouse{python.suffix}"
    command = command_for(python, cc, arguments)
    stamp = EXT / "build" / f"{hashlib.sha256(str(target).encode()).hexdigest()[:16]}{python.suffix}.stamp"
    want = digest(command)
    if target.exists() and stamp.exists() and stamp.read_text() == want:
        return True
    fresh = target.with_name(target.name + ".new")
    done = subprocess.run([*command, "-o", str(fresh)], capture_output=True, text=True, check=False)
    if done.returncode:
        target.unlink(missing_ok=True)
        fresh.unlink(missing_ok=True)
        say(f"the C extension for CPython {python.version} ({python.path}) does not compile:\n{done.stderr}")
        return False
    if done.stderr:
        say(done.stderr.rstrip())
    os.replace(fresh, target)
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(want)
    say(f"built {target.name}")
    return True


def say(text: str) -> None:
    """Print a line of this script."""
    print(f"python/build.py: {text}", flush=True)


def main() -> int:
    """Build; 0 unless --strict and something failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--strict", action="store_true", help="warnings and failures are errors")
    parser.add_argument("--sanitize", metavar="LIST", help="build with sanitizers, as in address,undefined")
    parser.add_argument("--output", type=Path, help="the folder to build into (python/dist)")
    parser.add_argument("--python", action="append", metavar="PATH", help="build for these interpreters only")
    arguments = parser.parse_args()
    if arguments.output is None:
        special = arguments.sanitize or ("strict" if arguments.strict else "")
        arguments.output = EXT / "build" / special.replace(",", "-") if special else HERE / "dist"
    arguments.output = arguments.output.resolve()
    arguments.output.mkdir(parents=True, exist_ok=True)
    pythons, missing = find(arguments.python or candidates())
    for text in missing:
        say(f"{text}; the pure-Python side serves there")
    names = {f"_rickhouse{p.suffix}" for p in pythons}
    for stale in arguments.output.glob("_rickhouse.*"):
        if not arguments.python and stale.name not in names:
            stale.unlink()
    cc = compiler()
    if cc is None:
        say("there is no C compiler: the pure-Python side serves (install gcc and build again for more speed)")
        return int(arguments.strict)
    if not pythons:
        say(f"there is no CPython {VERSIONS[0]} to {VERSIONS[-1]} with headers here: the pure-Python side serves")
        return int(arguments.strict)
    built = [build(python, cc, arguments) for python in pythons]
    return int(arguments.strict and not all(built))


if __name__ == "__main__":
    sys.exit(main())
