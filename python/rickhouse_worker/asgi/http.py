"""One HTTP request: `receive` and `send`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..fields import kind_of, shown
from .content import Content
from .link import Call
from .response import Response

_SENT = ("response.start", "response.body", "response.pathsend", "response.zerocopysend", "response.early_hint")
TYPES = frozenset(f"http.{kind}" for kind in (*_SENT, "response.trailers"))


class HTTP:
    """What an application has of a request while it answers."""

    def __init__(self, call: Call, content: Content, response: Response) -> None:
        self._call = call
        self._content: Content | None = content  # None when all of it was taken
        self._response = response

    async def receive(self) -> dict[str, Any]:
        """ASGI: the next piece of content, then the end of the client's interest."""
        if self._content is not None and not self._over():
            piece = await self._content.take()
            if piece is not None and not piece[1]:
                self._content = None
            if piece is not None:
                return {"type": "http.request", "body": piece[0], "more_body": piece[1]}
            self._content = None
            return {"type": "http.disconnect"}
        while not self._over() and not self._call.cut:
            await self._call.change()
        return {"type": "http.disconnect"}

    def _over(self) -> bool:
        return self._response.complete or self._call.gone()

    async def send(self, message: Mapping[str, Any]) -> None:
        """ASGI."""
        kind = type_of(message)
        if kind not in TYPES:
            raise ValueError(f"{shown(kind)} is not a message that an HTTP request takes")
        await self._response.send(kind, message)

    def returned(self) -> None:
        """The application has returned."""
        self._response.returned()

    def failed(self, why: str) -> None:
        """The application has raised."""
        self._response.cut(why)


def type_of(message: Any) -> str:
    """The type of a message."""
    if not isinstance(message, Mapping):
        raise TypeError(f"a message must be a dict, not {kind_of(message)}")
    kind = message.get("type")
    if not isinstance(kind, str):
        raise TypeError(f"a message must have a type: {shown(message)}")
    return kind
