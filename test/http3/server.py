"""The real binary, with a configuration of its own."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

from client import Client, client
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SUITE = Path(__file__).resolve().parent
BINARY = Path(os.environ.get("RICKHOUSE_BINARY", SUITE.parents[1] / "bin" / "rickhouse"))
PATIENCE = 60.0


def certificate(folder: Path) -> None:
    """Write a certificate of localhost for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(key.private_bytes(*form))


class Server:
    """The binary with one application, at 127.0.0.1 and what else is named, with files beside its configuration."""

    def __init__(
        self,
        target: str,
        settings: str = "",
        port: int = 0,
        bind: Iterable[str] = (),
        files: dict[str, bytes] | None = None,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.folder = Path(self._folder.name)
        certificate(self.folder)
        for name, content in (files or {}).items():
            file = self.folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        self.target = target
        self.bind = [f"127.0.0.1:{port}", *bind]
        self.configure(settings)
        self.environment = {k: v for k, v in os.environ.items() if k != "RICKHOUSE_BINARY"}
        self.environment |= {"NOTES": str(self.folder / "notes"), "RUNTIME_DIRECTORY": str(self.folder)}
        self.log = open(self.folder / "log", "w+b")
        self.process = subprocess.Popen(
            [BINARY, "serve", "-c", self.file],
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            env=self.environment,
        )
        try:
            self.port = self.port_of("127.0.0.1")
        except BaseException:
            self.close()
            raise

    @property
    def file(self) -> Path:
        return self.folder / "rickhouse.toml"

    def configure(self, settings: str, app: str = "") -> None:
        """Write the configuration: settings, where FOLDER is its folder, and the application with keys of its own."""
        settings = settings.replace("FOLDER", str(self.folder))
        kind = "asgi" if self.target.endswith("asgi") else "wsgi"
        self.file.write_text(
            f'bind = {json.dumps(self.bind)}\ntls = {{ cert = "cert.pem", key = "key.pem" }}\nhttp3 = true\n'
            f'access_log = "combined"\nheader_timeout = "60s"\nmin_rate_grace = "60s"\n{settings}\n'
            f'[apps.web]\n{kind} = "{self.target}"\ndirectory = "{SUITE}"\npython = "{sys.executable}"\n{app}\n'
        )

    def reload(self) -> None:
        """Have the configuration loaded again, and wait until it is."""
        command = [BINARY, "reload", "-c", self.file]
        done = subprocess.run(
            command,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout.decode()}\n{self.text()}"

    def port_of(self, address: str) -> int:
        """Return the port that was taken at an address."""
        pattern = re.compile(rf"https://{re.escape(address)}:([1-9][0-9]*)")
        return int(self.until(lambda: pattern.search(self.text())).group(1))

    def text(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def notes(self) -> str:
        file = self.folder / "notes"
        return file.read_text() if file.exists() else ""

    def until(self, condition: Callable[[], object]) -> object:
        """Poll until the condition holds."""
        deadline = time.monotonic() + PATIENCE
        while not (value := condition()):
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise AssertionError(f"it never came to that; the log says\n{self.text()}")
            time.sleep(0.01)
        return value

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()
        self._folder.cleanup()

    def finish(self) -> None:
        """Stop, with nothing in the log that should not be there."""
        try:
            status, text = self.stop(), self.text()
            assert status == 0, f"the server ended with {status}:\n{text}"
            assert not re.search("bug|Traceback|level=error", text), text
        finally:
            self.close()

    def run(self, body: Callable[[Client], Awaitable[None]], address: str = "127.0.0.1") -> None:
        """Run body with a connection from 127.0.0.1, or another address of this machine."""

        async def connected() -> None:
            async with client(self.port, self.folder / "cert.pem", address) as c:
                await asyncio.wait_for(body(c), PATIENCE)

        asyncio.run(connected())
