"""Servers of Debian for the tests: the system's, or unpacked below build/, for which nobody has to be root."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
from pathlib import Path

# Each server, or module of one: its package, and where its binary may be.
SERVERS = {
    "nginx": ("nginx", "usr/sbin/nginx"),
    "apache": ("apache2-bin", "usr/sbin/apache2"),
    "mod_wsgi": ("libapache2-mod-wsgi-py3", "usr/lib/apache2/modules/mod_wsgi.so*"),
    "php-fpm": ("php-fpm", "usr/sbin/php-fpm[0-9]*"),
}


class Unavailable(Exception):
    """A server cannot be had; the text says why."""


def find(root: Path, pattern: str) -> Path | None:
    """Return the newest file that matches below root, if there is one."""
    found = sorted(glob.glob(str(root / pattern)))
    return Path(found[-1]) if found else None


class Debian:
    """What is unpacked in a folder."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.folder = folder
        self._options: list[str] = []

    def locate(self, name: str) -> tuple[Path, Path]:
        """Return the binary of a server and the root it belongs to, unpacked if it was not there."""
        package, pattern = SERVERS[name]
        for root in (Path("/"), self.root):
            if binary := find(root, pattern):
                return binary, root
        self._unpack(package)
        if binary := find(self.root, pattern):
            return binary, self.root
        raise Unavailable(f"the package {package} has no {pattern}")

    def _apt(self, *arguments: str) -> str:
        """Run apt-get in the folder and return what it says."""
        apt = shutil.which("apt-get")
        if apt is None or shutil.which("dpkg-deb") is None:
            raise Unavailable("this system has no apt-get")
        done = subprocess.run(
            [apt, *self._options, *arguments],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
        if done.returncode != 0:
            lines = [line for line in (done.stderr or done.stdout).strip().splitlines() if line.startswith("E:")]
            raise Unavailable(f"apt-get {arguments[0]}: {lines[0] if lines else done.stderr.strip()[-200:]}")
        return done.stdout

    def _needed(self, package: str) -> list[str]:
        """Return the package and what it needs that is not installed; fetch lists of packages if there are none."""
        command = ("install", "--simulate", "--no-install-recommends", package)
        try:
            said = self._apt(*command)
        except Unavailable:
            if self._options:
                raise
            state = self.folder / "apt"
            (state / "lists" / "partial").mkdir(parents=True, exist_ok=True)
            (state / "archives" / "partial").mkdir(parents=True, exist_ok=True)
            self._options = ["-o", f"Dir::State::lists={state}/lists", "-o", f"Dir::Cache={state}"]
            self._apt("update")
            said = self._apt(*command)
        return [line.split()[1] for line in said.splitlines() if line.startswith("Inst ")]

    def _unpack(self, package: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.root.mkdir(exist_ok=True)
        self._apt("download", *self._needed(package))
        for archive in self.folder.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", str(archive), str(self.root)], check=True)
            archive.unlink()


def libraries(root: Path) -> dict[str, str]:
    """Return the environment in which what is unpacked finds its libraries."""
    if root == Path("/"):
        return {}
    return {"LD_LIBRARY_PATH": os.pathsep.join(glob.glob(str(root / "usr/lib/*-linux-gnu")))}
