"""Writes what the servers of a row read: configurations and files."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from harness.rows import Row

PEERS = Path(__file__).resolve().parent.parent / "peers"


def write(row: Row, run: Path, values: dict[str, str]) -> None:
    """Write it into the folder run."""
    if row.name == "routes":
        _routes(row, run, values["port"])
    elif row.name == "proxy":
        _fill(run, values, "nginx-upstream.conf", "nginx-proxy.conf", "haproxy.cfg", "rickhouse-proxy.toml")
    elif row.name == "stack":
        _fill(run, values, "nginx-stack-uwsgi.conf", "nginx-stack-gunicorn.conf", "rickhouse-stack.toml")
    elif row.path != "/":
        _files(row, run, values)
    elif "static" in row.apps:
        name = row.apps["static"] + ".txt"
        (run / name).write_bytes(row.content)
        _fill(run, values | {"file": name}, "nginx.conf")
    if row.tls:
        _certificate(run)
        _fill(run, values, "nginx-tls.conf")


def _fill(run: Path, values: dict[str, str], *names: str) -> None:
    """Fill in configurations."""
    values = values | {"user": "user root;" if os.geteuid() == 0 else ""}
    for name in names:
        text = (PEERS / name).read_text()
        for key, value in values.items():
            text = text.replace("{" + key + "}", value)
        (run / name).write_text(text)


def _files(row: Row, run: Path, values: dict[str, str]) -> None:
    """Write the folder of files, and who serves it."""
    file = run / row.path.lstrip("/")
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(row.content)
    _fill(
        run, values, "nginx-files.conf", "nginx-br.conf", "Caddyfile", "rickhouse-files.toml", "rickhouse-compress.toml"
    )


def _routes(row: Row, run: Path, port: str) -> None:
    """Write configurations of 10 and of 1,000 routes by host and by path, the last of which answers."""
    kinds = (
        'path = "/section{n}/*"',
        'host = "shop{n}.example.com"',
        'path = "/users/{{id}}/part{n}"',
        'host = "*.tenant{n}.example.com"\npath = "/api/*"',
    )
    for count in (10, 1000):
        text = f'bind = ["127.0.0.1:{port}"]\n'
        for n in range(count - 1):
            text += f"\n[[routes]]\n{kinds[n % len(kinds)].format(n=n)}\nstatus = 404\n"
        text += f'\n[[routes]]\npath = "{row.path}"\nrespond = "{row.content.decode()}"\n'
        (run / f"rickhouse-{count}-routes.toml").write_text(text)


def _certificate(run: Path) -> None:
    """Make a certificate (ECDSA P-256)."""
    kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost")
    files = ("-keyout", str(run / "key.pem"), "-out", str(run / "cert.pem"))
    subprocess.run(["openssl", "req", "-x509", *kind, *files], check=True, capture_output=True)
