"""One request on the link of an event loop."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import frames
from ..frames import Frame
from ..link import DisconnectedError
from .waiters import Waiters

if TYPE_CHECKING:
    from .link import Link

# A smaller piece takes up the next one: a client may send octet by octet, and each piece is an object.
_SMALL = 4 << 10


class CallBase:
    """A request from its REQUEST frame to its DONE, for either twin."""

    __slots__ = ()

    link: Any
    slot: int
    gen: int
    flags: int  # of the REQUEST
    credit: int  # octets that may be sent
    owed: int  # octets that were taken and not given back
    pieces: deque[bytes] | None  # of content, not taken yet
    complete: bool  # no more content will come
    cut: bool  # the rest of the content will not come
    left: bool  # the client has stopped sending and may be gone: the answer is still taken
    closed: tuple[int, str] | None  # the WebSocket ended: code and reason
    finished: bool  # DONE was sent: nothing may follow it
    task: asyncio.Task[None] | None
    changed: Waiters | None

    async def change(self) -> None:
        """Wait until the front has sent something about this request, or `wake` was called."""
        if self.changed is None:
            self.changed = Waiters(self.link.loop)
        await self.changed.wait()

    def wake(self) -> None:
        """Let who waits for a change look again."""
        if self.changed is not None:
            self.changed.wake()

    def take(self, frame: Frame) -> None:
        """A frame about this request came."""
        if frame.type == frames.DATA:
            self._data(frame)
        elif frame.type == frames.CLOSED:
            self.closed = frames.parse_closed(frame.payload)
        elif frame.type == frames.CANCEL:
            self.left = True
            if frame.flags & frames.ABORT and self.task is not None:
                # Not before its first step: a task that is cancelled then never runs.
                self.link.loop.call_soon(self.task.cancel)
        self.wake()

    def _data(self, frame: Frame) -> None:
        pieces = self.pieces
        if pieces is None:
            return  # the content was complete
        if pieces and len(pieces[-1]) < _SMALL:
            pieces[-1] += frame.payload
        elif frame.payload:
            pieces.append(frame.payload)
        self.complete = self.complete or bool(frame.flags & frames.END)
        self.cut = self.cut or bool(frame.flags & frames.ABORT)

    def give_back(self, octets: int) -> None:
        """Allow the front to send so much more. It is told when that is much."""
        self.owed += octets
        if self.owed >= frames.GIVE_BACK:
            owed, self.owed = self.owed, 0
            self.send_frame(frames.ANSWER_WINDOW, 0, frames.pack_u32(owed))

    async def take_credit(
        self, most: int, least: int = 1, besides: int = 0, check: Callable[[], None] | None = None
    ) -> int:
        """How much content may be sent now: most, or what is left of the window, if that is least (or all). What is
        sent costs so much besides; the window may be overdrawn by that. check raises if nothing may be sent any more,
        as check_waited_for does."""
        check = check or self.check_waited_for
        while True:
            check()
            n = min(most, self.credit)
            if self.credit > 0 and n >= min(least, most):
                if not self.link.full():
                    self.credit -= n + besides
                    return n
                await self.link.room()
            else:
                await self.change()

    async def send_file(self, flags: int, payload: bytes, fd: int) -> None:
        """Write a FILE frame with its descriptor, which is closed then."""
        try:
            frame = frames.pack(frames.ANSWER_FILE, flags | frames.FD, self.slot, self.gen, payload)
            await self.link.send_file(frame, fd, self._check_unfinished)
        finally:
            os.close(fd)

    def over(self) -> bool:
        """Whether nobody waits for anything more."""
        return self.closed is not None or self.gone()

    def check_waited_for(self) -> None:
        """Raise DisconnectedError if nobody waits for anything more."""
        if self.over():
            raise DisconnectedError

    def _check_unfinished(self) -> None:
        if self.finished:
            raise DisconnectedError

    # What either twin has.

    def gone(self) -> bool:
        """Whether nobody waits for the answer any more, or all of the request is over."""
        raise NotImplementedError

    def send_frame(self, kind: int, flags: int = 0, payload: bytes = b"") -> None:
        """Write a frame."""
        raise NotImplementedError


class Call(CallBase):
    """A request in pure Python."""

    def __init__(self, link: Link, frame: Frame) -> None:
        self.link = link
        self.slot = frame.slot
        self.gen = frame.gen
        self.flags = frame.flags
        self.credit = frames.ANSWER_CREDIT
        self.owed = 0
        self.pieces = None
        self.complete = self.cut = self.left = self.finished = False
        self.closed = self.task = self.changed = None
        self.take_message: Callable[[Frame], None] | None = None  # takes the pieces of messages

    def _data(self, frame: Frame) -> None:
        if self.take_message is not None:
            self.take_message(frame)
        else:
            super()._data(frame)

    def finish(self, microseconds: int) -> None:
        """The request is over, whatever the application holds of it. Tasks that it leaves behind may wait for
        something that will not come."""
        self.send_frame(frames.ANSWER_DONE, 0, frames.pack_u32(microseconds))
        self.finished = True
        self.link.finish(self)
        self.wake()

    def gone(self) -> bool:
        return self.finished or self.link.canceled(self.slot, self.gen)

    def send_frame(self, kind: int, flags: int = 0, payload: bytes = b"") -> None:
        self.link.send(frames.pack(kind, flags, self.slot, self.gen, payload))
