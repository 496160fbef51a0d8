"""Notice the end of the front while the application is busy."""

from __future__ import annotations

import _thread
import os
import select
import signal


def watch(fd: int) -> None:
    """Start a thread that sleeps until the other end of the link is closed, and then ends the process.

    It is given no signal: handlers run on the main thread, which would sleep on.
    """
    poll = select.poll()
    poll.register(fd, getattr(select, "POLLRDHUP", 0))
    mask = signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
    try:
        _thread.start_new_thread(_watch, (poll, os.getpid()))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _watch(poll: select.poll, pid: int) -> None:
    poll.poll()
    if os.getpid() == pid:
        os._exit(1)
