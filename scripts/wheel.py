#!/usr/bin/env python3
"""Make a wheel that holds the rickhouse command: wheel.py BINARY FOLDER.

It is the binary and four lines of metadata (PEP 427); equal binaries give equal wheels. pip puts the command into the
bin folder of the environment.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import re
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
METADATA = """\
Metadata-Version: 2.1
Name: rickhouse
Version: {version}
Summary: Serves Python web applications: one binary for a web server, an application server and a supervisor
License: Apache-2.0
Requires-Python: >=3.10
Description-Content-Type: text/markdown

{readme}"""
WHEEL = """\
Wheel-Version: 1.0
Generator: rickhouse
Root-Is-Purelib: false
Tag: py3-none-{platform}
"""


def describe(binary: Path) -> tuple[str, str]:
    """Return the version of the binary and the platform tag it runs on."""
    said = subprocess.run([binary, "version"], capture_output=True, text=True, check=True).stdout
    version = re.search(r"^rickhouse (\d\S*)", said)
    system = re.search(r"\b(linux)/(\w+)$", said, re.MULTILINE)
    if not version or not system or system[2] not in MACHINES:
        raise SystemExit(f"wheel.py: cannot tell a version and a platform there are wheels for from: {said}")
    return version[1], f"{system[1]}_{MACHINES[system[2]]}"


def write(binary: Path, folder: Path) -> Path:
    """Write the wheel and return where it is."""
    version, platform = describe(binary)
    info = f"rickhouse-{version}.dist-info"
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    members = {
        f"rickhouse-{version}.data/scripts/rickhouse": (binary.read_bytes(), 0o755),
        f"{info}/METADATA": (METADATA.format(version=version, readme=readme).encode(), 0o644),
        f"{info}/WHEEL": (WHEEL.format(platform=platform).encode(), 0o644),
        f"{info}/licenses/LICENSE": ((ROOT / "LICENSE").read_bytes(), 0o644),
    }
    record = ""
    for name, (data, _) in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(data)}\n"
    members[f"{info}/RECORD"] = (f"{record}{info}/RECORD,,\n".encode(), 0o644)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"rickhouse-{version}-py3-none-{platform}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, (data, mode) in members.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (0o100000 | mode) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            wheel.writestr(entry, data)
    return path


def main() -> int:
    """Make the wheel that the command line asks for."""
    parser = argparse.ArgumentParser(description="Make a wheel that holds the rickhouse command.")
    parser.add_argument("binary", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    print(write(options.binary.resolve(), options.folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
