"""What the worker itself has to say, on stderr."""

from __future__ import annotations

import contextlib
import os
import sys
from types import TracebackType
from typing import NoReturn

_OURS = os.path.dirname(os.path.abspath(__file__)) + os.sep
_left_out: set[str] = set()


def say(text: str) -> None:
    """Write lines to stderr, whatever the application made of it."""
    if not text.endswith("\n"):
        text += "\n"
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except Exception:
        with contextlib.suppress(OSError):
            os.write(2, text.encode("utf-8", "backslashreplace"))


def failure(method: str, path: str, error: BaseException) -> None:
    """The application raised while it answered a request."""
    say(f"rickhouse: {request_name(method, path)}: the application failed\n{trace(error)}")


def misdeed(method: str, path: str, text: str) -> None:
    """The application did what it should not, and the answer suffers."""
    say(f"rickhouse: {request_name(method, path)}: {text}")


def left_out(method: str, path: str, name: str) -> None:
    """The application gave a hop-by-hop field, which is not sent. Of each that is said once."""
    folded = name.lower()
    if folded not in _left_out:
        _left_out.add(folded)
        misdeed(
            method,
            path,
            f"the header {name} is left out: what concerns the connection is the server's to say (PEP 3333; this is not"
            " logged again)",
        )


def interrupted(error: BaseException) -> bool:
    """A signal handler of the application raised where no request ran: whether it meant to end the worker, as
    sys.exit and KeyboardInterrupt do."""
    if not isinstance(error, Exception):
        return True
    say(f"rickhouse: a signal handler of the application failed\n{trace(error)}")
    return False


def request_name(method: str, path: str) -> str:
    """A request as logs name it, without anything that could forge a line."""
    name = f"{method} {path}"
    return name if name.isprintable() and len(name) < 500 else ascii(name[:500])[1:-1]


def trace(error: BaseException) -> str:
    """The traceback from the application's first frame to its last."""
    import traceback

    frames = _theirs(error.__traceback__)
    try:
        whole = traceback.TracebackException(type(error), error, frames)
        while len(whole.stack) > 1 and _is_ours(whole.stack[-1].filename):
            del whole.stack[-1]
        return "".join(whole.format())
    except Exception:  # an exception of the application may have attributes that raise
        return "".join(["Traceback (most recent call last):\n", *traceback.format_tb(frames), one_line(error), "\n"])


def one_line(error: BaseException) -> str:
    """The error without its traceback, in one line that can be encoded."""
    kind = type(error)
    name = kind.__qualname__
    if kind.__module__ not in ("builtins", "__main__"):
        name = f"{kind.__module__}.{name}"
    try:
        text = " ".join(str(error).split())
    except Exception:
        text = "(what it says cannot be had)"
    line = f"{name}: {text}" if text else name
    return line.encode("utf-8", "backslashreplace").decode()


def _theirs(tb: TracebackType | None) -> TracebackType | None:
    while tb is not None and _is_ours(tb.tb_frame.f_code.co_filename):
        tb = tb.tb_next
    return tb


def _is_ours(filename: str) -> bool:
    return filename.startswith((_OURS, "<frozen importlib"))


def die(text: str, status: int = 1) -> NoReturn:
    """End the process at once: the link is of no use any more."""
    with contextlib.suppress(OSError):
        os.write(2, f"rickhouse: worker {os.getpid()}: {text}\n".encode("utf-8", "backslashreplace"))
    os._exit(status)


def leave(error: BaseException | None = None) -> NoReturn:
    """End a forked child as Python would have ended it."""
    status = 0
    if isinstance(error, SystemExit):
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
        if status and not isinstance(error.code, int):
            say(str(error.code))
    elif error is not None:
        say(trace(error))
        status = 1
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(status & 0xFF)
