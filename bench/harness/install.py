"""Installs what the benchmark needs: programs from the system's packages, servers into a virtual environment."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).resolve().parent.parent
BROTLI = "/usr/lib/nginx/modules/ngx_http_brotli_filter_module.so"
REQUIREMENTS = BENCH / "peers" / "requirements.txt"


class InstallError(Exception):
    """Something that every row needs is not there."""


def system_package(package: str, present: bool) -> str:
    """Have a Debian package installed; return why it is not, or nothing."""
    if present:
        return ""
    if os.geteuid() != 0:
        return f"{package} is not installed; install it with: apt-get install {package}"
    if shutil.which("apt-get") is None:
        return f"{package} is not installed, and there is no apt-get"
    argv = ["apt-get", "install", "-y", "--no-install-recommends", package]
    done = subprocess.run(
        argv, capture_output=True, text=True, check=False, env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    )
    if done.returncode != 0:
        return f"apt-get install {package}: {last_line(done.stderr)}"
    return ""


def last_line(text: str) -> str:
    """Return the last line that is not blank."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip()[:200] if lines else "no message"


def pins(requirements: str) -> dict[str, str]:
    """Return version by package name, in lower case, of lines "name==version"."""
    found = re.findall(r"^([A-Za-z0-9_.-]+)==(\S+)$", requirements, re.MULTILINE)
    return {name.lower(): version for name, version in found}


class Environment:
    """The virtual environment of the peers."""

    def __init__(self, folder: Path) -> None:
        """Use folder, which is made where it is not there."""
        self.folder = folder
        self.bin = folder / "bin"
        self.python = self.bin / "python"

    def create(self) -> None:
        """Make it with the interpreter that runs this."""
        if self.python.exists():
            return
        subprocess.run([sys.executable, "-m", "venv", str(self.folder)], check=True)

    def installed(self) -> dict[str, str]:
        """Return version by package name in lower case."""
        done = subprocess.run(
            [str(self.python), "-m", "pip", "freeze", "--all"], capture_output=True, text=True, check=True
        )
        return pins(done.stdout)

    def install(self) -> dict[str, str]:
        """Install every pinned package, one by one; return the reasons of those that failed."""
        there, failed = self.installed(), {}
        for name, version in pins(REQUIREMENTS.read_text()).items():
            if there.get(name) == version:
                continue
            argv = [str(self.python), "-m", "pip", "install", "--quiet", "--no-deps", f"{name}=={version}"]
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                failed[name] = f"pip install {name}=={version}: {last_line(done.stderr)}"
        return failed


def has_header(name: str) -> bool:
    """Say whether a C header is where compilers look."""
    return any((Path(root) / name).exists() for root in ("/usr/include", "/usr/local/include"))


def build_load(out: Path) -> Path:
    """Compile bench/load."""
    if shutil.which("go") is None:
        raise InstallError("go is not on PATH: the open-loop load cannot be built")
    subprocess.run(["go", "build", "-o", str(out), "./bench/load"], cwd=BENCH.parent, check=True)
    return out


def prepare(build: Path) -> tuple[Environment, dict[str, str]]:
    """Install everything; return the environment and, by server or package, why one cannot run."""
    reasons = {}
    if why := system_package("wrk", shutil.which("wrk") is not None):
        raise InstallError(why)
    if why := system_package("nghttp2-client", shutil.which("h2load") is not None):
        raise InstallError(why)
    if why := system_package("nginx", shutil.which("nginx") is not None):
        reasons |= dict.fromkeys(("nginx", "nginx-tls", "nginx-proxy", "nginx+uwsgi", "nginx+gunicorn"), why)
    if why := system_package("libnginx-mod-http-brotli-filter", Path(BROTLI).exists()):
        reasons["nginx-br"] = why
    if why := system_package("caddy", shutil.which("caddy") is not None):
        reasons["caddy"] = why
    if why := system_package("haproxy", shutil.which("haproxy") is not None):
        reasons["haproxy"] = why
    libev = system_package("libev-dev", has_header("ev.h"))
    environment = Environment(build / "venv")
    environment.create()
    reasons |= environment.install()
    if libev and "bjoern" in reasons:
        reasons["bjoern"] = libev
    return environment, reasons
