"""The scope of a request, made anew for each."""

from __future__ import annotations

from typing import Any

from .. import frames, tls
from ..frames import Frame, Request

SPEC_VERSION = "2.5"
_HTTP_VERSIONS = {10: "1.0", 11: "1.1", 20: "2", 30: "3"}
_KEPT_TLS = 1000


class Scopes:
    """Makes scopes from requests and from the state that lifespan left."""

    def __init__(self, state: dict[str, Any]) -> None:
        self.state = state
        self._tls: dict[str, dict[str, Any]] = {}

    def http(self, frame: Frame, request: Request) -> dict[str, Any]:
        """The scope of an HTTP request."""
        scope = self._common("http", request)
        scope["scheme"] = "https" if request.secure else "http"
        scope["method"] = request.method
        extensions: dict[str, Any] = {"http.response.pathsend": {}, "http.response.zerocopysend": {}}
        if request.version >= 11:  # HTTP/1.0 has no interim answers
            extensions["http.response.early_hint"] = {}
        if frame.flags & frames.TAKES_TRAILERS:
            extensions["http.response.trailers"] = {}
        scope["extensions"] = self._with_tls(extensions, request)
        return scope

    def websocket(self, request: Request) -> dict[str, Any]:
        """The scope of a WebSocket."""
        scope = self._common("websocket", request)
        scope["scheme"] = "wss" if request.secure else "ws"
        protocols = ",".join(value for name, value in request.fields if name == "sec-websocket-protocol")
        scope["subprotocols"] = [p for p in (p.strip() for p in protocols.split(",")) if p]
        scope["extensions"] = self._with_tls({"websocket.http.response": {}}, request)
        return scope

    def _common(self, kind: str, request: Request) -> dict[str, Any]:
        root_path = _decoded(request.script_name)
        local = request.server_port == 0
        return {
            "type": kind,
            "asgi": {"version": "3.0", "spec_version": SPEC_VERSION},
            "http_version": _HTTP_VERSIONS[request.version],
            "path": root_path + _decoded(request.path),
            "raw_path": request.raw_path.encode("latin-1"),
            "query_string": request.query.encode("latin-1"),
            "root_path": root_path,
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in request.fields],
            "client": (request.client_address, request.client_port) if request.client_address else None,
            "server": (request.server_name, None if local else request.server_port),
            "state": self.state.copy(),
        }

    def _with_tls(self, extensions: dict[str, Any], request: Request) -> dict[str, Any]:
        if request.tls:
            extensions["tls"] = self.kept_tls(request.tls).copy()
        return extensions

    def kept_tls(self, text: str) -> dict[str, Any]:
        """The requests of a connection share their text, and many connections do: what was made of it is kept."""
        kept = self._tls.get(text)
        if kept is None:
            if len(self._tls) >= _KEPT_TLS:
                self._tls.clear()
            kept = self._tls[text] = tls.extension(text)
        return kept


def _decoded(path: str) -> str:
    """A path as ASGI wants it; `raw_path` has what is not UTF-8."""
    return path if path.isascii() else path.encode("latin-1").decode("utf-8", "replace")
