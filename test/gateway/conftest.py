"""Fixtures: each server is started once and shared."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from harness import servers
from harness.servers import PROTOCOLS, Server


def peer(name: str) -> dict[str, str]:
    """Return where a server is; skip the test if it cannot be had."""
    found = json.loads(os.environ.get("GATEWAY_PEERS", "{}")).get(name)
    if found is None:
        pytest.skip(f"nobody has looked for {name}: run test/gateway/run.py")
    if "missing" in found:
        pytest.skip(f"{name} cannot be had: {found['missing']}")
    return found


@contextmanager
def folder() -> Iterator[Path]:
    """Yield a folder whose path is short enough for Unix sockets, and which any user may read."""
    path = Path(tempfile.mkdtemp(prefix="gw-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def running(start: Callable[[Path], Server]) -> Iterator[Server]:
    """Run a server in a folder of its own."""
    with folder() as path:
        server = start(path)
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def house() -> Iterator[Server]:
    """Rickhouse with the application, on all three protocols, by TCP and by Unix sockets."""
    with folder() as path:
        bind = [f"{protocol}://127.0.0.1:0" for protocol in PROTOCOLS] + [
            f"{p}://unix:{path}/{p}.sock" for p in PROTOCOLS
        ]
        server = servers.rickhouse(path, f"bind = {json.dumps(bind)}\n" + servers.application(path))
        yield server
        assert server.stop() == 0, server.log


def _nginx_server(protocol: str, port: int, address: str, unix: str, etc: str) -> str:
    """A virtual host of nginx that hands everything on by one protocol."""
    params = f"include {etc}/{protocol}_params;"
    here = f"{params} {protocol}_pass"
    path = {"uwsgi": "uwsgi_param", "fastcgi": "fastcgi_param", "scgi": "scgi_param"}[protocol]
    # With scgi_request_buffering off nginx (1.22) tells the length of what it has read so far.
    unbuffered = "" if protocol == "scgi" else f"{protocol}_request_buffering off;"
    keep = "fastcgi_keep_conn on;" if protocol == "fastcgi" else ""
    return f"""
  upstream {protocol}_kept {{ server {address}; keepalive 2; }}
  server {{
    listen 127.0.0.1:{port};
    {keep}
    client_max_body_size 0;
    {path} HTTP_PROXY "";
    location / {{ {here} {protocol}_kept; }}
    location /unix/ {{ {here} unix:{unix}; }}
    location /app {{ {params} {path} SCRIPT_NAME /app; {path} PATH_INFO $document_uri; {protocol}_pass {address}; }}
    location /evil {{ {path} UWSGI_FILE /tmp/evil.py; {here} {address}; }}
    location /unbuffered/ {{ {protocol}_buffering off; {unbuffered} {here} {address}; }}
    location /user/ {{ {here} {address}; {path} REMOTE_USER bob; {path} AUTH_TYPE Negotiate; }}
    location /secure/ {{ {here} {address}; {path} HTTPS on; {path} REMOTE_ADDR 192.0.2.77; }}
  }}"""


@pytest.fixture(scope="session")
def nginx(house: Server) -> Iterator[dict[str, tuple[str, int]]]:
    """Debian's nginx before the house: where it listens, by the protocol that it hands on by."""
    at = servers.addresses(house)

    def make(ports: list[int], etc: str) -> str:
        return "\n".join(
            _nginx_server(protocol, port, f"127.0.0.1:{at[protocol][1]}", str(house.folder / f"{protocol}.sock"), etc)
            for protocol, port in zip(PROTOCOLS, ports, strict=True)
        )

    found = peer("nginx")
    with folder() as path:
        server, ports = servers.nginx(found, path, make, len(PROTOCOLS))
        try:
            yield {protocol: ("127.0.0.1", port) for protocol, port in zip(PROTOCOLS, ports, strict=True)}
        finally:
            server.stop()


@pytest.fixture(scope="session")
def apache(house: Server) -> Iterator[tuple[str, int]]:
    """Debian's Apache before the house: the host name picks the protocol. Below /private it asks for a password."""
    scheme = {"uwsgi": "uwsgi", "fastcgi": "fcgi", "scgi": "scgi"}
    hosts = "\n".join(
        f'<VirtualHost *>\nServerName {protocol}.test\nAllowEncodedSlashes NoDecode\nProxyPass "/" "{scheme[protocol]}://127.0.0.1:{port}/"\n</VirtualHost>'
        for protocol, (_, port) in servers.addresses(house).items()
    )
    found = peer("apache")
    with folder() as path:
        secret = base64.b64encode(hashlib.sha1(b"secret").digest()).decode()
        (path / "users").write_text(f"ann:{{SHA}}{secret}\n")
        hosts += (
            '\n<Location "/private">\nAuthType Basic\nAuthName "private"\nAuthBasicProvider file\n'
            f'AuthUserFile "{path}/users"\nRequire valid-user\n</Location>'
        )
        server, port = servers.apache(found, path, hosts)
        try:
            yield ("127.0.0.1", port)
        finally:
            server.stop()


def before(sockets: Callable[[Path], Server], toml: Callable[[Path], str]) -> Iterator[tuple[Server, tuple[str, int]]]:
    """Run rickhouse before another server: yield that, and where rickhouse listens."""
    with running(sockets) as behind, folder() as path:
        house = servers.rickhouse(path, toml(behind.folder))
        try:
            yield house, servers.addresses(house)["http"]
        finally:
            assert house.stop() == 0, house.log


@pytest.fixture(scope="session")
def uwsgi() -> Iterator[tuple[Server, tuple[str, int]]]:
    """Rickhouse before uWSGI: the first segment of the path names the protocol."""
    found = peer("uwsgi")

    def toml(behind: Path) -> str:
        routes = "".join(
            f'[[routes]]\npath = "/{p}/*"\nproxy = ["{p}://unix:{behind}/{p}.sock"]\n'
            f'[[routes]]\npath = "/gone/{p}"\nproxy = ["{p}://unix:{behind}/gone.sock"]\n'
            for p in PROTOCOLS
        )
        return f'bind = ["127.0.0.1:0"]\naccess_log = "off"\ncontrol_socket = "off"\n{routes}'

    yield from before(lambda path: servers.uwsgi(found, path), toml)


@pytest.fixture(scope="session")
def php() -> Iterator[tuple[Server, tuple[str, int]]]:
    """Rickhouse before PHP-FPM."""
    found = peer("php-fpm")

    def toml(behind: Path) -> str:
        return (
            'bind = ["127.0.0.1:0"]\naccess_log = "off"\ncontrol_socket = "off"\n'
            f'[[routes]]\nproxy = ["fastcgi://unix:{behind}/php.sock"]\nscript_root = "{servers.SUITE}/fixtures/php"\n'
        )

    yield from before(lambda path: servers.php_fpm(found, path), toml)


@pytest.fixture(scope="session")
def php_kept() -> Iterator[tuple[Server, tuple[str, int]]]:
    """Rickhouse before PHP-FPM, by connections that are kept: by /few/ to processes that answer five requests each."""
    found = peer("php-fpm")

    def toml(behind: Path) -> str:
        kept = f'script_root = "{servers.SUITE}/fixtures/php"\nfastcgi_keep_conn = true\nupstream_connections = 3\n'
        routes = "".join(
            f'[[routes]]\npath = "{path}"\nstrip = true\nproxy = ["fastcgi://unix:{behind}/{name}.sock"]\n{kept}'
            for path, name in (("/few/*", "few"), ("/*", "php"))
        )
        return f'loops = 2\nbind = ["127.0.0.1:0"]\naccess_log = "off"\ncontrol_socket = "off"\n{routes}'

    yield from before(lambda path: servers.php_fpm(found, path), toml)
