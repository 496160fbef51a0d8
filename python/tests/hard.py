#!/usr/bin/env python3
"""Run the tests of the C extension under conditions that show mistakes: python tests/hard.py [MODE...] [-- PYTEST...]

Modes: malloc (PYTHONMALLOC=debug and the development mode), asan (AddressSanitizer and UndefinedBehaviorSanitizer) and
tsan (ThreadSanitizer). Use the Python of an environment with pytest; a compiler with the sanitizers is needed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODES = {
    "malloc": ("", {"PYTHONMALLOC": "debug", "PYTHONDEVMODE": "1"}),
    "asan": (
        "address,undefined",
        {
            "PYTHONMALLOC": "malloc",
            "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0:exitcode=99:allocator_may_return_null=1",
            "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:exitcode=99",
        },
    ),
    "tsan": (
        "thread",
        {"TSAN_OPTIONS": "exitcode=99:report_signal_unsafe=0:die_after_fork=0:ignore_noninstrumented_modules=1"},
    ),
}
LIBRARIES = {"address,undefined": ["libasan.so", "libubsan.so"], "thread": ["libtsan.so"]}
# A crash on purpose, memory without end and children that live on are no business of a sanitizer; the rest of what is
# left out tests what happens before the extension is there.
LEAVE_OUT = (
    "not test_a_crash_shows_where and not test_survived and not test_nothing_is_written and not where_there_is_none"
)

# ThreadSanitizer has a thread of its own, which is never idle.
LEAVE_OUT_OF = {"tsan": " and not test_idle_is_idle and not while_idle"}


def library(name: str) -> str:
    """The path of a library of the compiler."""
    done = subprocess.run(["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True)
    return os.path.realpath(done.stdout.strip())


def stage(mode: str, sanitize: str) -> Path:
    """A root with the extension built for a mode, the rest by symbolic links."""
    root = ROOT / "ext" / "build" / f"root-{mode}"
    (root / "dist").mkdir(parents=True, exist_ok=True)
    for name in ("main.py", "rickhouse_worker"):
        if not (root / name).is_symlink():
            (root / name).symlink_to(ROOT / name)
    command = [sys.executable, str(ROOT / "build.py"), "--output", str(root / "dist"), "--python", sys.executable]
    command += ["--sanitize", sanitize] if sanitize else []
    subprocess.run(command, check=True)
    assert (root / "dist" / f"_rickhouse{sysconfig.get_config_var('EXT_SUFFIX')}").exists()
    return root


def run(mode: str, pytest: list[str]) -> int:
    """Run the tests in a mode."""
    sanitize, variables = MODES[mode]
    environ = os.environ | variables | {"RICKHOUSE_TEST_ROOT": str(stage(mode, sanitize))}
    if sanitize:
        environ["RICKHOUSE_TEST_PRELOAD"] = " ".join(library(n) for n in LIBRARIES[sanitize])
    chosen = f"extension and {LEAVE_OUT}{LEAVE_OUT_OF.get(mode, '')}"
    command = [sys.executable, "-m", "pytest", "-q", "-k", chosen, *(pytest or ["tests"])]
    print(f"\n===== {mode}", flush=True)
    return subprocess.run(command, cwd=ROOT, env=environ, check=False).returncode


def main() -> int:
    """Run the modes that were named, or all but tsan."""
    arguments = sys.argv[1:]
    pytest: list[str] = []
    if "--" in arguments:
        at = arguments.index("--")
        arguments, pytest = arguments[:at], arguments[at + 1 :]
    outcomes = [run(mode, pytest) for mode in arguments or ["malloc", "asan"]]
    return max(outcomes)


if __name__ == "__main__":
    sys.exit(main())
