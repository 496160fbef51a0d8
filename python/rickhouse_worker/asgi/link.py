"""The link on an event loop. All of it belongs to the thread of the loop, but for `stop`.

The bases hold what both twins do alike; beside them stands what the C extension does by itself (fast.py).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

from .. import frames, report
from ..frames import Frame
from ..ledger import Ledger
from ..wire import Wire
from .call import Call
from .waiters import Waiters

_FULL = 64 << 10  # so much unwritten output makes senders wait


class LinkBase:
    """The worker's end, for either twin."""

    __slots__ = ()

    loop: asyncio.AbstractEventLoop | None  # None until it is attached
    stopping: bool
    blocked: bool  # the socket was full: a writer waits for it
    waited: bool  # somebody waits for room
    changed: Waiters  # calls come to an end, or the worker is to stop
    emptied: Waiters  # there is room for output

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Read the link from now on."""
        self.changed = Waiters(loop)
        self.emptied = Waiters(loop)
        loop.add_reader(self.fileno(), self._read)

    def _read(self) -> None:
        try:
            self.read()
        except frames.MalformedError as error:
            report.die(f"the front sent {error}")
        except BaseException as error:
            report.die(f"the server itself failed:\n{report.trace(error)}")

    async def stopped(self) -> None:
        """Wait until the worker is to stop and no request runs any more."""
        while not self.stopping or self.running():
            await self.changed.wait()

    def stop(self) -> None:
        """Take no more requests. A signal handler may call it."""
        self.stopping = True
        if self.loop is not None:
            self.loop.call_soon_threadsafe(self.changed.wake)

    async def room(self) -> None:
        """Wait until more could be written."""
        self.waited = True
        await self.emptied.wait()

    async def flushed(self) -> None:
        """Wait until everything is written."""
        self.flush()
        while self.waiting():
            await self.room()

    async def send_file(self, octets: bytes, fd: int, check: Callable[[], None]) -> None:
        """Write a frame with a descriptor, after what waits to be written, unless check raises by then."""
        while True:
            await self.flushed()
            check()
            n = self.write_some(octets, fd)
            if n:
                break
            self.set_blocked(True)
            await self.room()
        if n < len(octets):
            self.send(octets[n:])

    def written(self) -> None:
        """As much was written as the socket takes."""
        self.set_blocked(self.waiting() > 0)
        if not self.full():
            self.waited = False
            self.emptied.wake()

    def set_blocked(self, blocked: bool) -> None:
        """Wait for the socket to take more, or no longer."""
        if blocked != self.blocked:
            self.blocked = blocked
            if blocked:
                self.loop.add_writer(self.fileno(), self.flush)
            else:
                self.loop.remove_writer(self.fileno())

    # What either twin has.

    def fileno(self) -> int:
        raise NotImplementedError

    def running(self) -> int:
        """How many requests run."""
        raise NotImplementedError

    def read(self) -> None:
        """Take what came, and start what is to be run."""
        raise NotImplementedError

    def send(self, octets: bytes) -> None:
        """Write whole frames, at once or at the end of this turn of the loop, as far as the socket takes them."""
        raise NotImplementedError

    def waiting(self) -> int:
        """How many octets wait to be written."""
        raise NotImplementedError

    def full(self) -> bool:
        """Whether senders should wait for `room`."""
        raise NotImplementedError

    def flush(self) -> None:
        """Write what waits, as far as the socket takes it."""
        raise NotImplementedError

    def write_some(self, octets: bytes, fd: int) -> int:
        """Write a frame with a descriptor: so many of its octets, and the descriptor with the first."""
        raise NotImplementedError

    def check_process(self, error: BaseException | None = None) -> None:
        """End a child that the application forked and that comes back into the server."""
        raise NotImplementedError


class Link(LinkBase):
    """The worker's end in pure Python."""

    def __init__(self, wire: Wire, ledger: Ledger, start: Callable[[Call, Frame], Any]) -> None:
        self._wire = wire
        self._ledger = ledger
        self._start = start
        self._calls: dict[int, Call] = {}
        self._output = bytearray()
        self.loop = None
        self.stopping = False
        self.blocked = False
        self.waited = False

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        super().attach(loop)

    def fileno(self) -> int:
        return self._wire.fileno()

    def running(self) -> int:
        return len(self._calls)

    def canceled(self, slot: int, gen: int) -> bool:
        """Whether nobody waits for an answer any more."""
        return self._ledger.canceled(slot, gen)

    def finish(self, call: Call) -> None:
        """DONE was sent: what still comes is dropped."""
        if self._calls.get(call.slot) is call:
            del self._calls[call.slot]
        if self.stopping:
            self.changed.wake()

    def read(self) -> None:
        self.check_process()
        self._wire.read(self._dispatch)

    def _dispatch(self, frame: Frame) -> None:
        if frame.type == frames.REQUEST:
            self._request(frame)
        elif frame.type == frames.STOP:
            self.stop()
        elif frame.type in (frames.DATA, frames.WINDOW, frames.CANCEL, frames.CLOSED):
            octets = frames.parse_u32(frame.payload) if frame.type == frames.WINDOW else 0
            call = self._calls.get(frame.slot)
            if call is not None and call.gen == frame.gen:
                call.credit += octets
                call.take(frame)
        else:
            raise frames.MalformedError(f"a frame of type {frame.type}")

    def _request(self, frame: Frame) -> None:
        if frame.slot >= self._ledger.slots:
            raise frames.MalformedError(f"a REQUEST in slot {frame.slot} of {self._ledger.slots}")
        if self.stopping or not self._ledger.start(frame.slot, frame.gen):
            if frame.fd >= 0:
                os.close(frame.fd)
            return
        call = self._calls[frame.slot] = Call(self, frame)
        self._start(call, frame)

    def send(self, octets: bytes) -> None:
        self.check_process()
        self._output += octets
        if not self.blocked:
            self.flush()

    def waiting(self) -> int:
        return len(self._output)

    def full(self) -> bool:
        return len(self._output) > _FULL

    def flush(self) -> None:
        while self._output:
            n = self._wire.write_some(self._output)
            if not n:
                break
            del self._output[:n]
        self.written()

    def write_some(self, octets: bytes, fd: int) -> int:
        return self._wire.write_some(octets, fd)

    def check_process(self, error: BaseException | None = None) -> None:
        self._wire.check_process(error)
