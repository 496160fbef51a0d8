"""The C extension's side of ASGI: its types do what is plain, the bases beside them what is not, on the same
attributes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable
from typing import Any

import _rickhouse  # type: ignore[import-not-found]

from .. import frames
from ..frames import Frame
from .call import CallBase
from .content import content_of
from .http import HTTPBase
from .link import LinkBase
from .response import Response
from .serve import EAGER, Server, raised
from .websocket import WebSocketBase


class Call(_rickhouse.Call, CallBase):  # type: ignore[misc]
    """A request, and the coroutine of its task."""

    __slots__ = ()


class HTTP(_rickhouse.HTTP, HTTPBase):  # type: ignore[misc]
    """What an application has of a request."""

    __slots__ = ()


class WebSocket(_rickhouse.WebSocket, WebSocketBase):  # type: ignore[misc]
    """What an application has of a WebSocket."""

    __slots__ = ()


class Hooks:
    """What the extension needs of Python."""

    Call = Call
    CancelledError = asyncio.CancelledError
    Frame = Frame
    HTTP = HTTP
    Task = asyncio.Task
    WebSocket = WebSocket
    content = staticmethod(content_of)
    raised = staticmethod(raised)
    receive = staticmethod(HTTPBase.receive)
    send = staticmethod(HTTPBase.send)
    websocket_receive = staticmethod(WebSocketBase.receive)
    websocket_send = staticmethod(WebSocketBase.send)

    def __init__(self, server: Server) -> None:
        self.app = server.app
        self.state = server.scopes.state
        self.tls = server.scopes.kept_tls
        self._scopes = server.scopes

    def websocket(self, call: CallBase, frame: Frame) -> tuple[str, Response, dict[str, Any]]:
        """What a WebSocket is made of: its path, the answer if it is refused, and its scope."""
        request = frames.parse_request(frame)
        return request.path, Response(call, "GET", request.path), self._scopes.websocket(request)

    @staticmethod
    async def awaited(awaitable: Awaitable[None]) -> None:
        """Make a coroutine of what an application returned."""
        await awaitable


class Link(_rickhouse.LoopLink, LinkBase):  # type: ignore[misc]
    """The worker's end."""

    __slots__ = ("_fd",)

    def __new__(cls, link: Any, server: Server, fd: int) -> Link:
        """fd is the descriptor of the link, which stays its own."""
        self: Link = super().__new__(cls, link, Hooks(server))
        self._fd = fd
        return self

    def fileno(self) -> int:
        return self._fd

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Read the link from now on."""
        self.prepare(loop, EAGER and loop.get_task_factory() is None)
        super().attach(loop)

    def check_process(self, error: BaseException | None = None) -> None:
        """End a child that the application forked and that comes back into the server."""
        self._check_process(error or SystemExit(os.EX_OK))
