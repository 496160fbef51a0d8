"""Every server of the benchmark, its command and why it has these settings.

In a command, {python} and {bin} are the interpreter and the folder of programs of the benchmark's virtual
environment, {rickhouse} our binary, {peers} this folder, {run} a scratch folder, {app} module:attribute, {port} and
{workers} numbers, {flask} the folder of the Flask example. The working directory is bench/apps.
"""

from __future__ import annotations

from dataclasses import dataclass, field

FILES = ("static", "static1m", "static-close")
ENCODINGS = ("gzip", "br", "zstd")
CLOSED = ("hello", "10kb", "echo", "flask", "close")
MIXED = ("mixed4", "mixed2")
ASGI = ("asgi-hello", "asgi-echo", "fastapi", "await", "ws", "sse")

# The upstream of the row `proxy`: not measured, as it is below the process that was started.
UPSTREAM = "rm -f {run}/upstream.sock; nginx -e stderr -c {run}/nginx-upstream.conf & exec "


@dataclass(frozen=True)
class Peer:
    """One server with its settings."""

    name: str
    interface: str  # "wsgi", "asgi" or "static"
    argv: tuple[str, ...]
    rows: tuple[str, ...]
    why: str
    package: str = ""  # on PyPI; a server with none comes from elsewhere
    version: tuple[str, ...] = ()  # a command that prints it, where there is no package
    row_args: dict[str, tuple[str, ...]] = field(default_factory=dict)  # further arguments in one row
    row_argv: dict[str, tuple[str, ...]] = field(default_factory=dict)  # the whole command of one row

    def command(self, row: str, values: dict[str, str]) -> list[str]:
        """Return the command for a row."""
        return [part.format(**values) for part in (*self.row_argv.get(row, self.argv), *self.row_args.get(row, ()))]


PEERS = (
    Peer(
        "rickhouse",
        "wsgi",
        ("{rickhouse}", "serve", "{app}", "-b", "127.0.0.1:{port}", "-w", "{workers}", "--python", "{python}"),
        (*CLOSED, *FILES, *ENCODINGS, "routes", "proxy", "stack", "tls", "handshake", "h2", "idle", *MIXED, *ASGI),
        "What a user gets, with every protection, and `-w`. The access log is off because the output is no terminal.",
        version=("{rickhouse}", "version"),
        row_args=dict.fromkeys(("tls", "handshake"), ("--tls", "{cert},{key}")),
        row_argv={
            **dict.fromkeys(FILES, ("{rickhouse}", "serve", "-c", "{run}/rickhouse-files.toml")),
            **dict.fromkeys(ENCODINGS, ("{rickhouse}", "serve", "-c", "{run}/rickhouse-compress.toml")),
            "routes": ("{rickhouse}", "serve", "-c", "{run}/rickhouse-1000-routes.toml"),
            "proxy": ("sh", "-c", UPSTREAM + "{rickhouse} serve -c {run}/rickhouse-proxy.toml"),
            "stack": ("{rickhouse}", "serve", "-c", "{run}/rickhouse-stack.toml"),
        },
    ),
    Peer(
        "rickhouse-10-routes",
        "wsgi",
        ("{rickhouse}", "serve", "-c", "{run}/rickhouse-10-routes.toml"),
        ("routes",),
        "As rickhouse in this row, with 10 routes in place of 1,000.",
        version=("{rickhouse}", "version"),
    ),
    Peer(
        "bjoern",
        "wsgi",
        ("{python}", "{peers}/serve_bjoern.py", "{app}", "{port}"),
        (*CLOSED, "idle"),
        "It has no settings but the address. One process: no server of its own for several workers.",
        package="bjoern",
    ),
    Peer(
        "fastwsgi",
        "wsgi",
        ("{bin}/fastwsgi", "--host", "127.0.0.1", "-p", "{port}", "-l", "0", "{app}"),
        (*CLOSED, "idle"),
        "Logging off; keep-alive is its default. One process.",
        package="fastwsgi",
    ),
    Peer(
        "granian",
        "wsgi",
        (
            *("{bin}/granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", "{port}"),
            *("--workers", "{workers}", "--blocking-threads", "1", "--http", "1", "--no-ws", "{app}"),
        ),
        (*CLOSED, "h2", "idle", *MIXED),
        "One blocking thread, as its documentation advises for WSGI: without that flag it took twice the CPU. "
        "HTTP/1 alone (HTTP/2 alone in the row of it), no WebSockets, the runtime mode that it chooses itself (`st` "
        "was slower). 16,384 connections for the idle row, as its default holds 1,024.",
        package="granian",
        row_args={"h2": ("--http", "2"), "idle": ("--backlog", "16384", "--backpressure", "16384")},
    ),
    Peer(
        "uwsgi",
        "wsgi",
        (
            *("{bin}/pyuwsgi", "--http11-socket", "127.0.0.1:{port}", "--processes", "{workers}", "--threads", "64"),
            *("--listen", "1000", "--disable-logging", "--module", "{app}"),
        ),
        ("hello", "10kb", "echo", "flask"),
        "Keep-alive without the router process; a connection takes a thread, hence as many as the most connections. "
        "The router (`--http --http-keepalive`) took three times the CPU.",
        package="pyuwsgi",
    ),
    Peer(
        "uwsgi-close",
        "wsgi",
        (
            *("{bin}/pyuwsgi", "--http-socket", "127.0.0.1:{port}", "--processes", "{workers}", "--master"),
            *("--listen", "1000", "--disable-logging", "--add-header", "Connection: close", "--module", "{app}"),
        ),
        ("close", *MIXED),
        "Without keep-alive, one request at a time a process: its usual place behind a proxy. It closes without saying "
        "so, hence the header.",
        package="pyuwsgi",
    ),
    Peer(
        "gunicorn",
        "wsgi",
        ("{bin}/gunicorn", "-b", "127.0.0.1:{port}", "-w", "{workers}", "--log-level", "warning", "{app}"),
        (*CLOSED, *MIXED),
        "Its default, sync workers, which close each connection.",
        package="gunicorn",
    ),
    Peer(
        "gunicorn-gthread",
        "wsgi",
        (
            *("{bin}/gunicorn", "-b", "127.0.0.1:{port}", "-w", "{workers}", "-k", "gthread", "--log-level", "warning"),
            *("--keep-alive", "75", "--worker-connections", "12000", "{app}"),
        ),
        (*CLOSED, "idle", *MIXED),
        "Keep-alive. Four threads a worker cost the least CPU (against 1 and 2); one in the mixed rows, where the "
        "number of requests that run at once is what is compared.",
        package="gunicorn",
        row_args=dict.fromkeys((*CLOSED, "idle"), ("--threads", "4")) | dict.fromkeys(MIXED, ("--threads", "1")),
    ),
    Peer(
        "waitress",
        "wsgi",
        ("{python}", "{peers}/serve_waitress.py", "{app}", "{port}"),
        CLOSED,
        "Four threads (its default), poll instead of select, no warning for each queued request. Not in the idle row: "
        "its loop looks at every connection each time, and 10,000 took two and a half minutes to open.",
        package="waitress",
    ),
    Peer(
        "uvicorn",
        "asgi",
        (
            *("{bin}/uvicorn", "--host", "127.0.0.1", "--port", "{port}", "--no-access-log", "--log-level", "warning"),
            *("--loop", "uvloop", "--http", "httptools", "--lifespan", "off", "{app}"),
        ),
        ("hello", "10kb", "echo", "close", "idle", *ASGI),
        "Its fastest parts. In the rows of WSGI it runs an ASGI application that does the same.",
        package="uvicorn",
        row_args={"idle": ("--timeout-keep-alive", "75")},
    ),
    Peer(
        "granian-asgi",
        "asgi",
        (
            *("{bin}/granian", "--interface", "asginl", "--host", "127.0.0.1", "--port", "{port}"),
            *("--workers", "{workers}", "--loop", "uvloop", "--http", "1", "{app}"),
        ),
        ASGI,
        "HTTP/1 alone, uvloop, no lifespan.",
        package="granian",
    ),
    Peer(
        "hypercorn",
        "asgi",
        (
            *("{bin}/hypercorn", "-b", "127.0.0.1:{port}", "-w", "{workers}", "-k", "uvloop"),
            *("--log-level", "warning", "{app}"),
        ),
        ASGI,
        "uvloop.",
        package="hypercorn",
    ),
    Peer(
        "gunicorn-asgi",
        "asgi",
        (
            "{bin}/gunicorn",
            "-b",
            "127.0.0.1:{port}",
            "-w",
            "{workers}",
            "-k",
            "asgi",
            "--log-level",
            "warning",
            "{app}",
        ),
        ASGI,
        "Its own ASGI worker, which takes uvloop where it is there.",
        package="gunicorn",
    ),
    Peer(
        "nginx",
        "static",
        ("nginx", "-e", "stderr", "-c", "{run}/nginx.conf"),
        ("hello", "10kb", "close", *FILES, "gzip", "idle"),
        "A file of the same size, kept open, no log, one worker process: what the front of a server costs.",
        version=("nginx", "-v"),
        row_argv=dict.fromkeys((*FILES, "gzip"), ("nginx", "-e", "stderr", "-c", "{run}/nginx-files.conf")),
    ),
    Peer(
        "nginx-br",
        "static",
        ("nginx", "-e", "stderr", "-c", "{run}/nginx-br.conf"),
        ("br",),
        "nginx with Debian's module for brotli.",
        version=("nginx", "-v"),
    ),
    Peer(
        "caddy",
        "static",
        ("env", "GOMAXPROCS=1", "caddy", "run", "--config", "{run}/Caddyfile", "--adapter", "caddyfile"),
        ("gzip", "zstd"),
        "One processor, as the others have, no log, no administration.",
        version=("caddy", "version"),
    ),
    Peer(
        "nginx-tls",
        "wsgi",
        (
            *("sh", "-c"),
            "{rickhouse} serve {app} -b unix:{run}/app.sock -w {workers} --python {python} & "
            "exec nginx -e stderr -c {run}/nginx-tls.conf",
        ),
        ("tls", "handshake"),
        "TLS in front of the same application behind our server on a Unix socket, with connections to it kept open. "
        "One process that is its own master, so that the front's CPU is nginx's alone.",
        version=("nginx", "-v"),
    ),
    Peer(
        "nginx-proxy",
        "static",
        ("sh", "-c", UPSTREAM + "nginx -e stderr -c {run}/nginx-proxy.conf"),
        ("proxy",),
        "One process, no log, connections to the upstream kept open.",
        version=("nginx", "-v"),
    ),
    Peer(
        "haproxy",
        "static",
        ("sh", "-c", UPSTREAM + "haproxy -db -f {run}/haproxy.cfg"),
        ("proxy",),
        "One thread, no log, connections to the upstream kept open and shared (`http-reuse always`).",
        version=("haproxy", "-v"),
    ),
    Peer(
        "nginx+uwsgi",
        "stack",
        (
            *("sh", "-c"),
            "{bin}/pyuwsgi --socket {run}/uwsgi.sock --master --processes {workers} --disable-logging "
            "--chdir {flask} --module {app} & exec nginx -e stderr -c {run}/nginx-stack-uwsgi.conf",
        ),
        ("stack",),
        "nginx answers static files and passes the rest on by the uwsgi protocol. All processes of both count.",
        version=("nginx", "-v"),
    ),
    Peer(
        "nginx+gunicorn",
        "stack",
        (
            *("sh", "-c"),
            "{bin}/gunicorn -b unix:{run}/gunicorn.sock -w {workers} --log-level warning --chdir {flask} {app} & "
            "exec nginx -e stderr -c {run}/nginx-stack-gunicorn.conf",
        ),
        ("stack",),
        "nginx answers static files and passes the rest on to sync workers. All processes of both count.",
        version=("nginx", "-v"),
    ),
)
