"""The environ of a request (PEP 3333)."""

from __future__ import annotations

import sys
from typing import Any

from . import tls
from .files import FileWrapper
from .frames import PROTOCOLS, Request

_COOKIE = "HTTP_COOKIE"


class Environ:
    """Makes environs from what is the same for every request and what is not."""

    def __init__(self, server: str, threads: int, workers: int) -> None:
        self.constants: dict[str, Any] = {
            "SERVER_SOFTWARE": server,
            "wsgi.version": (1, 0),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": threads > 1,
            "wsgi.multiprocess": workers > 1,
            "wsgi.run_once": False,
            "wsgi.input_terminated": True,
            "wsgi.file_wrapper": FileWrapper,
        }
        self._keys: dict[str, str] = {}
        self._tls = ("", {"": ""})  # the last text, and what was made of it

    def make(self, request: Request, content: Any) -> dict[str, Any]:
        """A new dict; content becomes `wsgi.input`."""
        environ = self.constants.copy()
        uri = f"{request.raw_path}?{request.query}" if request.query else request.raw_path
        environ["REQUEST_METHOD"] = request.method
        environ["SCRIPT_NAME"] = request.script_name
        environ["PATH_INFO"] = request.path
        environ["QUERY_STRING"] = request.query
        environ["RAW_URI"] = uri
        environ["REQUEST_URI"] = uri
        environ["SERVER_PROTOCOL"] = PROTOCOLS[request.version]
        environ["REMOTE_ADDR"] = request.client_address
        environ["REMOTE_PORT"] = str(request.client_port)
        environ["wsgi.url_scheme"] = "https" if request.secure else "http"
        environ["wsgi.input"] = content
        for name, value in request.fields:
            key = self._key(name)
            if key not in environ:
                environ[key] = value
            elif key.startswith("HTTP_"):
                environ[key] += ("; " if key == _COOKIE else ",") + value
        if request.server_port:
            environ["SERVER_NAME"] = request.server_name
            environ["SERVER_PORT"] = str(request.server_port)
        else:
            environ["SERVER_NAME"], environ["SERVER_PORT"] = local_server(request.secure, environ.get("HTTP_HOST", ""))
        if request.tls:
            last = self._tls
            if last[0] != request.tls:
                last = self._tls = (request.tls, tls.environ(request.tls))
            environ.update(last[1])
        return environ

    def _key(self, name: str) -> str:
        key = self._keys.get(name)
        if key is None:
            key = name.upper().replace("-", "_")
            if name.startswith(":"):  # no field of the client's
                key = key[1:]
            elif name not in ("content-type", "content-length"):
                key = "HTTP_" + key
            if len(self._keys) < 1000:
                self._keys[name] = key
        return key


def local_server(secure: bool, host: str) -> tuple[str, str]:
    """SERVER_NAME and SERVER_PORT on a Unix socket, where neither may be empty: what the client addressed."""
    name, colon, port = host.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or name.endswith(":"):
        name, port = host, ""
    return name or "localhost", port or ("443" if secure else "80")
