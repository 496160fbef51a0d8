"""One HTTP request: `receive` and `send`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..fields import kind_of, shown
from .call import CallBase
from .content import Content
from .response import Response, ResponseBase

_SENT = ("response.start", "response.body", "response.pathsend", "response.zerocopysend", "response.early_hint")
TYPES = frozenset(f"http.{kind}" for kind in (*_SENT, "response.trailers"))


class HTTPBase(ResponseBase):
    """What an application has of a request while it answers, for either twin."""

    __slots__ = ()

    _content: Content | None  # None when all of it was taken

    async def receive(self) -> dict[str, Any]:
        """ASGI: the next piece of content, then the end of the client's interest."""
        if self._content is not None and not self._is_over():
            piece = await self._content.take()
            if piece is None:
                self.finish()
                return {"type": "http.disconnect"}
            if not piece[1]:
                self.finish()
            return {"type": "http.request", "body": piece[0], "more_body": piece[1]}
        while not (self._is_over() or self._call.cut or self._call.left):
            await self._call.change()
        return {"type": "http.disconnect"}

    def _is_over(self) -> bool:
        return self.complete or self._call.over()

    async def send(self, message: Mapping[str, Any]) -> None:
        """ASGI."""
        kind = type_of(message)
        if kind not in TYPES:
            raise ValueError(f"{shown(kind)} is not a message that an HTTP request takes")
        await self.answer(kind, message)

    def finish(self) -> None:
        """No more content will be taken."""
        content, self._content = self._content, None
        if content is not None:
            content.finish()


class HTTP(HTTPBase, Response):
    """What an application has of a request, in pure Python."""

    def __init__(self, call: CallBase, content: Content, method: str, path: str) -> None:
        Response.__init__(self, call, method, path)
        self._content = content


def type_of(message: Any) -> str:
    """The type of a message."""
    if not isinstance(message, Mapping):
        raise TypeError(f"a message must be a dict, not {kind_of(message)}")
    kind = message.get("type")
    if not isinstance(kind, str):
        raise TypeError(f"a message must have a type: {shown(message)}")
    return kind
