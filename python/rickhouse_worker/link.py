"""The link in pure Python: one socket, read by whichever thread needs something (leader and followers)."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from . import frames
from .frames import Frame
from .ledger import Ledger
from .report import interrupted
from .wire import Wire

T = TypeVar("T")

_GIVE_BACK = frames.CONTENT_CREDIT // 2


ENDED_MEANWHILE = "the answer was ended while a thread was writing it"


class DisconnectedError(ConnectionResetError):
    """Nobody waits for this answer any more."""

    def __init__(self) -> None:
        super().__init__("the client has gone: nobody waits for this answer any more")


class Call:
    """One request on the link, from its REQUEST frame on."""

    def __init__(self, link: Link, frame: Frame) -> None:
        self.frame = frame
        self.slot = frame.slot
        self.gen = frame.gen
        self.credit = frames.ANSWER_CREDIT
        self.streamed = not frame.flags & frames.END and frame.fd < 0
        self._link = link
        self._pieces: deque[bytes] = deque()
        self._complete = False
        self._cut = False
        self._taken = 0
        self._asked = False
        self._done = False
        self.over = False
        # Held while a frame is made and written: frames go out in the order of what they say, whatever threads the
        # application has.
        self.lock = threading.Lock()
        self.awaited = False  # somebody waits, or has waited, for something to come

    def gone(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return self._link.canceled(self)

    def check_process(self, error: BaseException) -> None:
        """The application raised: end here if this is a child that it forked."""
        self._link.check_process(error)

    def content_frame(self, frame: Frame) -> None:
        """A DATA frame came."""
        if frame.payload:
            self._pieces.append(frame.payload)
        self._complete = self._complete or bool(frame.flags & frames.END)
        self._cut = self._cut or bool(frame.flags & frames.ABORT)

    def receive(self) -> bytes:
        """The next piece of streamed content, empty at its end."""
        if not (self._asked or self.over or self._pieces or self._complete or self._cut):
            self._asked = True
            self._give_back(0)  # the front may answer Expect: 100-continue
        piece = self._link.wait(self._next_piece)
        self._taken += len(piece)
        if self._taken >= _GIVE_BACK:
            taken, self._taken = self._taken, 0
            self._give_back(taken)
        return piece

    def _give_back(self, octets: int) -> None:
        with self.lock:
            if not self._done:  # for the front, it would be no request
                self.send(frames.ANSWER_WINDOW, 0, frames.pack_u32(octets))

    def _next_piece(self) -> bytes | None:
        if self.over:
            raise ValueError("the request is over: its content cannot be read any more")
        if self._pieces:
            return self._pieces.popleft()
        if self._complete:
            return b""
        if self._cut:
            raise ConnectionResetError("the content of the request was cut")
        if self.gone():
            raise DisconnectedError
        self.awaited = True
        return None

    def take_credit(self, most: int) -> int:
        """How much content may be sent now, at least one octet. It blocks."""
        return self._link.wait(lambda: self._take_credit(most))

    def _take_credit(self, most: int) -> int | None:
        if self.over:
            raise AssertionError(ENDED_MEANWHILE)
        if self.gone():
            raise DisconnectedError
        n = min(most, self.credit)
        self.credit -= n
        self.awaited = self.awaited or not n
        return n or None

    def send(self, kind: int, flags: int = 0, payload: bytes = b"") -> None:
        """Write a frame about this request, with the lock held."""
        self._done = self._done or kind == frames.ANSWER_DONE or bool(flags & frames.DONE)
        self._link.send(frames.pack(kind, flags, self.slot, self.gen, payload))

    def send_file(self, flags: int, offset: int, length: int, fd: int) -> None:
        """Write a FILE frame with its descriptor, with the lock held."""
        payload = frames.pack_range(offset, length)
        kind = frames.ANSWER_FILE
        self._link.send(frames.pack(kind, flags | frames.FD, self.slot, self.gen, payload), fd)


class Link:
    """The worker's end. Any thread may use it."""

    def __init__(self, wire: Wire, ledger: Ledger) -> None:
        self._wire = wire
        self._ledger = ledger
        self._changed = threading.Condition()
        self._sending = threading.Lock()
        self._leading = False
        self._stopping = False
        self._waiting: deque[Call] = deque()
        self._calls: dict[int, Call] = {}
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        self._poll = select.poll()
        self._poll.register(self._wire, select.POLLIN)
        self._poll.register(self._wake_read, select.POLLIN)

    def take(self) -> Call | None:
        """The next request, started; None when the worker is to stop. It blocks."""
        while True:
            call = self.wait(self._next_call, self._interrupted)
            if not isinstance(call, Call):
                return None
            if self._ledger.start(call.slot, call.gen):
                return call
            self.finish(call)
            call.frame.drop()

    def _next_call(self) -> Call | bool | None:
        if self._stopping:
            return True
        return self._waiting.popleft() if self._waiting else None

    def finish(self, call: Call) -> None:
        """A request is over, or was never run."""
        call.over = True
        with self._changed:
            if self._calls.get(call.slot) is call:
                del self._calls[call.slot]
            if call.awaited:  # a thread that the application left behind may wait, or lead
                self._changed.notify_all()
                self._wake()

    def canceled(self, call: Call) -> bool:
        return self._ledger.canceled(call.slot, call.gen)

    def stop(self) -> None:
        """Take no more requests. A signal handler may call it."""
        self._stopping = True
        self._wake()

    def wakeup(self) -> int:
        """A descriptor for signal.set_wakeup_fd: who reads the link looks up for what is written to it."""
        return self._wake_write.fileno()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):
            self._wake_write.send(b"\0")

    def wait(self, ready: Callable[[], T | None], interrupted: Callable[[BaseException], object] | None = None) -> T:
        """What `ready` returns once that is not None; meanwhile one thread reads the link for all. What a signal
        handler raises comes out, or goes to `interrupted`."""
        self.check_process()
        with self._changed:
            while True:
                value = ready()
                if value is not None:
                    return value
                lead = not self._leading
                try:
                    self._sleep(lead)
                except BaseException as error:
                    if interrupted is None:
                        raise
                    interrupted(error)
                else:
                    if lead:
                        self._read()

    def _sleep(self, lead: bool) -> None:
        if not lead:
            self._changed.wait()
            return
        self._leading = True
        self._changed.release()
        try:
            self._poll.poll()
        finally:
            self._changed.acquire()
            self._leading = False
            self._changed.notify_all()

    def _interrupted(self, error: BaseException) -> None:
        if interrupted(error):
            self._stopping = True

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wake_read.recv(64)
        self._wire.read(self._dispatch)

    def _dispatch(self, frame: Frame) -> None:
        if frame.type == frames.REQUEST:
            if frame.slot >= self._ledger.slots:
                raise frames.MalformedError(f"a REQUEST in slot {frame.slot} of {self._ledger.slots}")
            call = Call(self, frame)
            self._calls[frame.slot] = call
            self._waiting.append(call)
        elif frame.type == frames.STOP:
            self._stopping = True
        elif frame.type in (frames.DATA, frames.WINDOW, frames.CANCEL):
            self._dispatch_to_call(frame)
        else:
            raise frames.MalformedError(f"a frame of type {frame.type}")

    def _dispatch_to_call(self, frame: Frame) -> None:
        octets = frames.parse_u32(frame.payload) if frame.type == frames.WINDOW else 0
        call = self._calls.get(frame.slot)
        if call is None or call.gen != frame.gen:
            return  # it is over
        if frame.type == frames.DATA:
            call.content_frame(frame)
        call.credit += octets

    def send(self, octets: bytes, fd: int = -1) -> None:
        """Write whole frames, and a descriptor with the first of their octets."""
        self.check_process()
        with self._sending:
            self._wire.write(octets, fd)

    def check_process(self, error: BaseException | None = None) -> None:
        """End a child that the application forked and that comes back into the server: the link is not its own."""
        self._wire.check_process(error)

    def forked(self) -> None:
        """In a child that the application forked: the link is the parent's alone."""
        for end in (self._wire, self._wake_read, self._wake_write):
            end.close()
