"""Servers as child processes: rickhouse, and those it stands behind or before."""

from __future__ import annotations

import http.client
import os
import pwd
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from .debian import libraries

SUITE = Path(__file__).resolve().parents[1]
BINARY = Path(os.environ.get("RICKHOUSE_BINARY", SUITE.parents[1] / "bin" / "rickhouse"))
PATIENCE = 60.0
PROTOCOLS = ("uwsgi", "fastcgi", "scgi")


def until(what: str, ready: Callable[[], object], alive: Callable[[], bool] = lambda: True) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE
    while not ready():
        if not alive() or time.monotonic() > deadline:
            raise AssertionError(f"it did not come to this: {what}")
        time.sleep(0.01)


class Server:
    """A process with a log, in a folder of its own."""

    def __init__(self, folder: Path, argv: list[object], env: dict[str, str] | None = None, fds: tuple[int, ...] = ()):
        self.folder = folder
        self._log = open(folder / "log", "ab")
        self.process = subprocess.Popen(
            [str(word) for word in argv],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env={**{k: v for k, v in os.environ.items() if k != "RICKHOUSE_BINARY"}, **(env or {})},
            pass_fds=fds,
            start_new_session=True,
        )

    @property
    def log(self) -> str:
        """What was logged so far."""
        return (self.folder / "log").read_text(errors="replace")

    def alive(self) -> bool:
        """Say whether the process runs."""
        return self.process.poll() is None

    def wait_log(self, pattern: str) -> re.Match[str]:
        """Wait for a line of the log."""
        try:
            until(f"{pattern!r} is in the log", lambda: re.search(pattern, self.log), self.alive)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log}") from None
        return re.search(pattern, self.log)

    def wait_file(self, name: str) -> None:
        """Wait for a file in the folder."""
        try:
            until(f"there is {name}", (self.folder / name).exists, self.alive)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log}") from None

    def stop(self) -> int:
        """End the process, and what it has started."""
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            status = self.process.wait()
        self._log.close()
        return status


def rickhouse(folder: Path, toml: str) -> Server:
    """Start rickhouse with a configuration; its addresses are in its log."""
    (folder / "rickhouse.toml").write_text(toml)
    server = Server(folder, [BINARY, "serve", "-c", "rickhouse.toml"], {"NOTES": str(folder)})
    server.wait_log(r"serving addresses=")
    return server


def application(folder: Path) -> str:
    """The part of a configuration that names the application."""
    return f"""access_log = "off"
control_socket = "off"
[apps.web]
wsgi = "app"
directory = "{SUITE / "fixtures"}"
python = "{sys.executable}"
workers = 2
threads = 2
"""


def addresses(server: Server) -> dict[str, tuple[str, int]]:
    """Host and port of each address of a rickhouse, by protocol."""
    text = server.wait_log(r'serving addresses="?([^"\n]+)').group(1)
    found = re.findall(r"(uwsgi|fastcgi|scgi|https?)://([0-9.]+):(\d+)", text)
    return {protocol: (host, int(port)) for protocol, host, port in found}


NGINX = """daemon off; worker_processes 1; pid {folder}/pid; error_log stderr info;
{user}events {{ }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  {servers}
}}
"""


def nginx(
    peer: dict[str, str], folder: Path, servers: Callable[[list[int], str], str], count: int
) -> tuple[Server, list[int]]:
    """Start nginx with what servers makes of so many ports and the folder of its parameters.

    The sockets are ours and inherited, so that nobody else can have the ports."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    root = Path(peer["root"])
    user = "user root;\n" if os.geteuid() == 0 else ""
    text = NGINX.format(folder=folder, user=user, servers=servers(ports, str(root / "etc" / "nginx")))
    (folder / "nginx.conf").write_text(text)
    fds = tuple(s.fileno() for s in sockets)
    env = {**libraries(root), "NGINX": ";".join(map(str, fds)) + ";"}
    server = Server(folder, [peer["binary"], "-p", folder, "-c", folder / "nginx.conf"], env, fds)
    for s in sockets:
        s.close()
    server.wait_file("pid")
    return server, ports


APACHE = """ServerRoot "{folder}"
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {folder}/pid
ErrorLog {folder}/log
LogLevel warn
KeepAliveTimeout 60
Mutex sem
{user}StartServers 1
ServerLimit 1
{modules}
{servers}
"""
MODULES = (
    "mpm_event",
    "authn_core",
    "authn_file",
    "authz_core",
    "authz_user",
    "auth_basic",
    "proxy",
    "proxy_uwsgi",
    "proxy_fcgi",
    "proxy_scgi",
)


def apache(peer: dict[str, str], folder: Path, servers: str) -> tuple[Server, int]:
    """Start Apache with virtual hosts, on a port that nobody has."""
    root = Path(peer["root"])
    modules = "\n".join(f"LoadModule {m}_module {root}/usr/lib/apache2/modules/mod_{m}.so" for m in MODULES)
    user = ""
    if os.geteuid() == 0:
        name = "www-data" if any(entry.pw_name == "www-data" for entry in pwd.getpwall()) else "nobody"
        user = f"User {name}\n"
    for _ in range(10):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        text = APACHE.format(folder=folder, port=port, user=user, modules=modules, servers=servers)
        (folder / "apache.conf").write_text(text)
        argv = [peer["binary"], "-d", folder, "-f", folder / "apache.conf", "-D", "FOREGROUND"]
        server = Server(folder, argv, libraries(root))
        try:
            server.wait_file("pid")
            return server, port
        except AssertionError:
            server.stop()
            if "could not bind" not in server.log:
                raise
    raise AssertionError("Apache finds no port")


FPM = """[global]
daemonize = no
error_log = {folder}/log
"""
FPM_POOL = """[{name}]
listen = {folder}/{name}.sock
listen.backlog = 128
pm = static
pm.max_children = 3
pm.max_requests = {requests}
catch_workers_output = yes
decorate_workers_output = no
php_admin_value[log_errors] = on
{user}
"""


def php_fpm(peer: dict[str, str], folder: Path) -> Server:
    """Start PHP-FPM; its socket is php.sock, and few.sock that of processes that answer five requests each."""
    user = "user = root\ngroup = root" if os.geteuid() == 0 else ""
    pools = "".join(
        FPM_POOL.format(folder=folder, name=name, requests=requests, user=user)
        for name, requests in (("php", 0), ("few", 5))
    )
    (folder / "fpm.conf").write_text(FPM.format(folder=folder) + pools)
    argv = [peer["binary"], "-n", "-F", "-y", folder / "fpm.conf", "-p", folder]
    if os.geteuid() == 0:
        argv.append("--allow-to-run-as-root")
    server = Server(folder, argv, libraries(Path(peer["root"])))
    server.wait_log("ready to handle connections")
    return server


def uwsgi(peer: dict[str, str], folder: Path) -> Server:
    """Start uWSGI with the application; its sockets are uwsgi.sock, fastcgi.sock and scgi.sock."""
    argv: list[object] = [
        peer["binary"],
        "--master",
        "--workers",
        "2",
        "--die-on-term",
        "--need-app",
        "--disable-logging",
        "--socket-timeout",
        str(int(PATIENCE)),
    ]
    for option, protocol in (("--uwsgi-socket", "uwsgi"), ("--fastcgi-socket", "fastcgi"), ("--scgi-socket", "scgi")):
        argv += [option, folder / f"{protocol}.sock"]
    argv += ["--wsgi-file", SUITE / "fixtures" / "app.py"]
    server = Server(folder, argv, {"NOTES": str(folder), "PYTHONHOME": "", "VIRTUAL_ENV": str(Path(sys.prefix))})
    server.wait_log(r"spawned uWSGI worker 2")
    return server


class Answer:
    """What a client got."""

    def __init__(self, response: http.client.HTTPResponse, body: bytes) -> None:
        self.status, self.reason, self.body = response.status, response.reason, body
        self.fields = [(name.lower(), value) for name, value in response.getheaders()]

    def all(self, name: str) -> list[str]:
        """Return the values of a field."""
        return [value for field, value in self.fields if field == name]


def ask(where: tuple[str, int], method: str, target: str, content: bytes | None = None, **fields: str) -> Answer:
    """Send one request and read the answer."""
    connection = http.client.HTTPConnection(*where, timeout=PATIENCE)
    try:
        names = {name.replace("_", "-"): value for name, value in fields.items()}
        connection.request(method, target, content, names)
        response = connection.getresponse()
        return Answer(response, response.read())
    finally:
        connection.close()
