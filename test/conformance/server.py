"""The real binary on a free port, for as long as a suite lasts."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build" / "conformance"
BINARY = Path(os.environ.get("RICKHOUSE_BINARY", ROOT / "bin" / "rickhouse"))
PATIENCE = 60.0


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def answers(port: int) -> bool:
    """Say whether somebody accepts on a port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@contextlib.contextmanager
def serving(app: str, *flags: str) -> Iterator[int]:
    """Serve an application of the folder apps; yield the port. It must end as it was told to."""
    port = free_port()
    BUILD.mkdir(parents=True, exist_ok=True)
    log = BUILD / "server.log"
    argv = [str(BINARY), "serve", app, "--dir", str(HERE / "apps"), "-b", f"127.0.0.1:{port}", "-w", "1", *flags]
    env = os.environ | {"XDG_DATA_HOME": str(BUILD / "data")}  # of the authority that --tls internal makes
    with log.open("w") as out:
        server = subprocess.Popen(argv, stdout=out, stderr=subprocess.STDOUT, env=env)
        try:
            deadline = time.monotonic() + PATIENCE
            while not answers(port):
                if server.poll() is not None or time.monotonic() > deadline:
                    sys.exit(f"the server does not answer:\n{log.read_text()}")
                time.sleep(0.05)
            yield port
            server.terminate()
            if server.wait(PATIENCE) != 0:
                sys.exit(f"the server ended with {server.returncode}:\n{log.read_text()}")
        finally:
            server.kill()
            server.wait()
