"""The link on an event loop, in pure Python. All of it belongs to the thread of the loop, but for `stop`."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable

from .. import frames
from ..frames import Frame
from ..ledger import Ledger
from ..link import DisconnectedError
from ..wire import Wire

_FULL = 64 << 10  # so much unwritten output makes senders wait


class Waiters:
    """Who waits for something to change."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._futures: list[asyncio.Future[None]] = []

    async def wait(self) -> None:
        """Return after the next `wake`."""
        future = self._loop.create_future()
        self._futures.append(future)
        try:
            await future
        finally:
            if future in self._futures:
                self._futures.remove(future)

    def wake(self) -> None:
        futures, self._futures = self._futures, []
        for future in futures:
            if not future.done():
                future.set_result(None)


class Call:
    """One request on the link, from its REQUEST frame to its DONE."""

    def __init__(self, link: Link, frame: Frame) -> None:
        self.link = link
        self.frame = frame
        self.pieces: deque[Frame] = deque()  # of content or of messages, not taken yet
        self.complete = False  # no more content will come
        self.cut = False
        self.closed: tuple[int, str] | None = None  # the WebSocket ended: code and reason
        self.task: asyncio.Task[None] | None = None
        self._credit = frames.ANSWER_CREDIT
        self._changed = Waiters(link.loop)

    def gone(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return self.link.canceled(self.frame)

    async def change(self) -> None:
        """Wait until the front has sent something about this request, or `wake` was called."""
        await self._changed.wait()

    def wake(self) -> None:
        """Let who waits for a change look again."""
        self._changed.wake()

    def take(self, frame: Frame) -> None:
        """A frame about this request came."""
        if frame.type == frames.DATA:
            self._data(frame)
        elif frame.type == frames.WINDOW:
            self._credit += frames.parse_u32(frame.payload)
        elif frame.type == frames.CLOSED:
            self.closed = frames.parse_closed(frame.payload)
        elif frame.flags & frames.ABORT and self.task is not None:
            # Not before its first step: a task that is cancelled then never runs.
            self.link.loop.call_soon(self.task.cancel)
        self.wake()

    def _data(self, frame: Frame) -> None:
        if self.frame.flags & frames.WEBSOCKET:
            self.pieces.append(frame)
            if not frame.flags & frames.END:
                self.give_back(len(frame.payload))
            return
        if frame.payload:
            self.pieces.append(frame)
        self.complete = self.complete or bool(frame.flags & frames.END)
        self.cut = self.cut or bool(frame.flags & frames.ABORT)

    def send(self, kind: int, flags: int = 0, payload: bytes = b"", fd: int = -1) -> None:
        """Write a frame, whose descriptor becomes the link's."""
        flags |= frames.FD if fd >= 0 else 0
        self.link.send(frames.pack(kind, flags, self.frame.slot, self.frame.gen, payload), fd)

    def give_back(self, octets: int) -> None:
        """Allow the front to send so much more."""
        if octets:
            self.send(frames.ANSWER_WINDOW, 0, frames.pack_u32(octets))

    async def take_credit(self, most: int) -> int:
        """How much content may be sent now, at least one octet."""
        while True:
            if self.gone() or self.closed is not None:
                raise DisconnectedError
            n = min(most, self._credit)
            if n and not self.link.full():
                self._credit -= n
                return n
            await (self.link.room() if n else self.change())


class Link:
    """The worker's end."""

    def __init__(self, wire: Wire, ledger: Ledger) -> None:
        self._wire = wire
        self._ledger = ledger
        self._stopping = False
        self._calls: dict[int, Call] = {}
        self._output: deque[tuple[bytearray, int]] = deque()  # a descriptor goes with the first octet
        self._waiting = 0  # octets of _output
        self._blocked = False  # the socket is full
        self.loop: asyncio.AbstractEventLoop

    def attach(self, loop: asyncio.AbstractEventLoop, start: Callable[[Call], None]) -> None:
        """Read the link from now on, and start each request."""
        self.loop = loop
        self._start = start
        self._changed = Waiters(loop)
        self._emptied = Waiters(loop)
        loop.add_reader(self._wire.fileno(), self._readable)

    async def stopped(self) -> None:
        """Wait until the worker is to stop."""
        while not self._stopping:
            await self._changed.wait()

    def stop(self) -> None:
        """Take no more requests. A signal handler may call it."""
        self._stopping = True
        if hasattr(self, "loop"):
            self.loop.call_soon_threadsafe(self._changed.wake)

    def canceled(self, request: Frame) -> bool:
        return self._ledger.canceled(request.slot, request.gen)

    def finish(self, call: Call) -> None:
        """DONE was sent: what still comes is dropped."""
        if self._calls.get(call.frame.slot) is call:
            del self._calls[call.frame.slot]

    def _readable(self) -> None:
        self.check_process()
        self._wire.read(self._dispatch)

    def _dispatch(self, frame: Frame) -> None:
        if frame.type == frames.REQUEST:
            self._request(frame)
        elif frame.type == frames.STOP:
            self.stop()
        elif frame.type in (frames.DATA, frames.WINDOW, frames.CANCEL, frames.CLOSED):
            if frame.type == frames.WINDOW:
                frames.parse_u32(frame.payload)
            call = self._calls.get(frame.slot)
            if call is not None and call.frame.gen == frame.gen:
                call.take(frame)
        else:
            raise frames.MalformedError(f"a frame of type {frame.type}")

    def _request(self, frame: Frame) -> None:
        if frame.slot >= self._ledger.slots:
            raise frames.MalformedError(f"a REQUEST in slot {frame.slot} of {self._ledger.slots}")
        if self._stopping or not self._ledger.start(frame.slot, frame.gen):
            if frame.fd >= 0:
                os.close(frame.fd)
            return
        call = self._calls[frame.slot] = Call(self, frame)
        self._start(call)

    def send(self, octets: bytes, fd: int = -1) -> None:
        """Write whole frames, at once as far as the socket takes them."""
        self.check_process()
        if fd >= 0 or not self._output:
            self._output.append((bytearray(octets), fd))
        else:
            self._output[-1][0].extend(octets)
        self._waiting += len(octets)
        if not self._blocked:
            self._flush()

    def _flush(self) -> None:
        while self._output:
            octets, fd = self._output[0]
            n = self._wire.write_some(octets, fd)
            self._waiting -= n
            if n and fd >= 0:
                os.close(fd)
            if n < len(octets):
                self._output[0] = (octets[n:], -1 if n else fd)
                break
            self._output.popleft()
        if bool(self._output) != self._blocked:
            self._blocked = bool(self._output)
            if self._blocked:
                self.loop.add_writer(self._wire.fileno(), self._flush)
            else:
                self.loop.remove_writer(self._wire.fileno())
        if not self.full():
            self._emptied.wake()

    def full(self) -> bool:
        """Whether senders should wait for `room`."""
        return self._waiting > _FULL

    async def room(self) -> None:
        """Wait until more could be written."""
        await self._emptied.wait()

    async def flushed(self) -> None:
        """Wait until everything is written."""
        while self._output:
            await self.room()

    def check_process(self, error: BaseException | None = None) -> None:
        """End a child that the application forked and that comes back into the server."""
        self._wire.check_process(error)

    def forked(self) -> None:
        """In a child that the application forked: the link is the parent's alone."""
        self._wire.close()
