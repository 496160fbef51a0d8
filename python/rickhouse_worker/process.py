"""The life of a worker process, from its first line to its exit."""

from __future__ import annotations

import _thread
import atexit
import contextlib
import faulthandler
import fcntl
import json
import os
import resource
import signal
import site
import sys
import sysconfig
import threading
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any, NoReturn

from . import frames, hooks, report
from .environ import Environ
from .ledger import Ledger
from .link import Link
from .serve import serve
from .target import Found, TargetError, load
from .watch import watch
from .wire import Wire

_HIGHEST = 1000
_MOST_TOLD = 128 << 10  # characters of a traceback


class Start:
    """Everything up to READY happens here."""

    def __init__(self, here: str) -> None:
        """Take what the front handed over; here is the folder of main.py."""
        self._here = here
        self._link: Any = None
        self._stopping = False
        try:
            self._link_fd = _move(int(os.environ.pop("RICKHOUSE_LINK")))
            self._ledger_fd = _move(int(os.environ.pop("RICKHOUSE_LEDGER")))
        except (KeyError, ValueError, OSError):
            sys.exit("This program is a part of Rickhouse, which starts it. Use: rickhouse serve module:attribute")

    def run(self) -> None:
        """Serve until STOP."""
        _streams()
        settings = self._hello()
        if settings["umask"]:
            os.umask(int(settings["umask"], 8))
        if settings["display_name"]:
            self._show(settings["display_name"])
        environ = Environ(settings["server"], settings["threads"], settings["workers"])
        extension = None if settings["twin"] == "python" else self._extension(settings["twin"] == "extension")
        if extension is not None:
            self._link = extension.Link(self._link_fd, self._ledger_fd, settings["threads"], environ.constants, hooks)
            run = self._link.serve
        else:
            watch(self._link_fd)
            self._wire, self._ledger = Wire(self._link_fd), Ledger(self._ledger_fd)
            self._link = Link(self._wire, self._ledger)
            run = partial(serve, self._link, environ)
            os.register_at_fork(after_in_child=self._link.forked)
        # The link stays open until the very end: should the front go meanwhile, that is noticed.
        atexit.register(lambda kept: None, self._link)
        _signals(self._stop)
        found = self._import(settings)
        twin = "python" if extension is None else "extension"
        ready = partial(self._ready, twin, extension is not None, found.interface, _static(settings, found.app))
        if found.interface == "asgi":
            self._serve_asgi(found.app, settings["threads"], extension is not None, ready)
            return
        # A signal that comes just before the link is waited for must not wait for what comes by it.
        signal.set_wakeup_fd(_move(os.dup(self._link.wakeup())), warn_on_full_buffer=False)
        _run(partial(run, found.app), settings["threads"], ready, self._stop)

    def _serve_asgi(self, app: Any, threads: int, extension: bool, ready: Callable[[], None]) -> None:
        # As main.py has it: nothing is written into the server's folder.
        write_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        try:
            from .asgi import link, serve

            if extension:
                from .asgi import fast
        finally:
            sys.dont_write_bytecode = write_bytecode

        def make_link(server: serve.Server) -> link.LinkBase:
            made: link.LinkBase
            if extension:
                made = fast.Link(self._link, server, self._link_fd)
            else:
                made = link.Link(self._wire, self._ledger, server.start)
            self._link = made
            if self._stopping:
                made.stop()
            return made

        def failed(text: str) -> NoReturn:
            lines = text.strip().splitlines()
            self._failed("startup", lines[-1] if lines else "", text if len(lines) > 1 else "")

        _serve(partial(serve.serve, make_link, app, threads, ready, failed))

    @staticmethod
    def _show(title: str) -> None:
        # As main.py has it: nothing is written into the server's folder.
        write_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        try:
            from .title import set_title
        finally:
            sys.dont_write_bytecode = write_bytecode
        set_title(title)

    def _stop(self) -> None:
        """Stop serving. A signal handler may call it."""
        self._stopping = True
        self._link.stop()

    def _extension(self, needed: bool) -> Any:
        sys.path.insert(0, os.path.join(self._here, "dist"))
        try:
            import _rickhouse  # type: ignore[import-not-found]
        except ImportError as error:
            if needed:
                suffix = sysconfig.get_config_var("EXT_SUFFIX")
                self._failed("extension", f"the C extension _rickhouse{suffix} cannot be loaded: {error}", "")
            return None
        finally:
            del sys.path[0]
        return _rickhouse

    def _hello(self) -> dict[str, Any]:
        try:
            length, kind, *_ = frames.parse_header(self._read(frames.HEADER.size))
            if kind != frames.HELLO:
                report.die(f"the front sent a frame of type {kind} before HELLO")
            settings = json.loads(self._read(length))
            if not isinstance(settings, dict):
                raise ValueError("it is not an object")
            return _checked(settings)
        except (frames.MalformedError, ValueError, KeyError) as error:
            report.die(f"the front sent a HELLO that cannot be understood: {error!r}")

    def _read(self, n: int) -> bytes:
        octets = b""
        while len(octets) < n:
            try:
                piece = os.read(self._link_fd, n - len(octets))
            except OSError as error:
                report.die(f"the link cannot be read: {error}")
            if not piece:
                os._exit(1)
            octets += piece
        return octets

    def _import(self, settings: dict[str, Any]) -> Found:
        target, directory = settings["target"], settings["directory"]
        _add_folders(settings["python_path"])
        sys.path.insert(0, directory)
        sys.argv = [target]
        try:
            return load(target, directory, settings["interface"])
        except TargetError as error:
            self._failed("target", str(error), "")
        except BaseException as error:
            line = report.one_line(error)
            if isinstance(error, ModuleNotFoundError):
                line += f", for {sys.executable}: --python names another interpreter, or a virtual environment"
            self._failed("import", line, report.trace(error))

    def _ready(self, twin: str, recall: bool, interface: str, static: list[dict[str, str]]) -> None:
        ready = {
            "python": ".".join(map(str, sys.version_info[:3])),
            "implementation": sys.implementation.name,
            "twin": twin,
            "recall": recall,
            "pid": os.getpid(),
            "interface": interface,
            "free_threaded": not getattr(sys, "_is_gil_enabled", lambda: True)(),
            "static": static,
        }
        self._send(frames.READY, ready)

    def _failed(self, phase: str, error: str, traceback: str) -> NoReturn:
        # JSON makes six octets of a character at most, and a frame has no more than a MiB.
        if len(traceback) > _MOST_TOLD:
            half = _MOST_TOLD // 2
            traceback = f"{traceback[:half]}\n[...]\n{traceback[-half:]}"
        self._send(frames.FAILED, {"phase": phase, "error": error[: _MOST_TOLD // 16], "traceback": traceback})
        with contextlib.suppress(Exception):
            sys.stdout.flush()
        os._exit(3)

    def _send(self, kind: int, value: dict[str, Any]) -> None:
        octets = frames.pack(kind, 0, 0, 0, json.dumps(value).encode())
        while octets:
            try:
                octets = octets[os.write(self._link_fd, octets) :]
            except OSError as error:
                report.die(f"the link cannot be written: {error}")


def _static(settings: dict[str, Any], app: Any) -> list[dict[str, str]]:
    """Where the application has static files, if the front asks for that."""
    if not settings.get("static"):
        return []
    # As main.py has it: nothing is written into the server's folder.
    write_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        from . import statics
    finally:
        sys.dont_write_bytecode = write_bytecode
    return statics.find(app)


def _move(fd: int) -> int:
    """Move a descriptor to a high number, out of the way of an application that closes what it does not know."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = _HIGHEST if soft == resource.RLIM_INFINITY else max(3, min(_HIGHEST, soft - 16))
    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, lowest)
    os.close(fd)
    return moved


def _checked(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings as HELLO must have them; ValueError or KeyError where they are not."""
    defaults = {
        "directory": os.getcwd(),
        "interface": "auto",
        "threads": 1,
        "workers": 1,
        "twin": "auto",
        "server": "rickhouse",
        "umask": "",
        "display_name": "",
        "python_path": [],
    }
    checked = defaults | settings
    for key, value in (defaults | {"target": ""}).items():
        if type(checked[key]) is not type(value) or checked[key] == 0:
            raise ValueError(f"{key} is {checked[key]!r}")
    return checked


def _add_folders(folders: list[str]) -> None:
    """Put folders first on sys.path, in their order, each followed by what its .pth files add."""
    first: list[str] = []
    for folder in folders:
        before = len(sys.path)
        site.addsitedir(folder)
        first += [folder, *sys.path[before:]]
    sys.path[:] = dict.fromkeys(first + sys.path)


def _streams() -> None:
    """What the application prints goes out line by line, and a crash shows where."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    with contextlib.suppress(Exception):
        faulthandler.enable()


def _signals(stop_serving: Callable[[], None]) -> None:
    """Interrupts are the front's business. Handlers, as ignored signals would stay ignored in what the application
    executes; an application may set its own."""

    def ignore(number: int, frame: FrameType | None) -> None:
        pass

    def stop(number: int, frame: FrameType | None) -> None:
        stop_serving()

    def before_fork() -> None:
        # A signal for the child must not be lost before its handlers are what they should be.
        masks[_thread.get_ident()] = signal.pthread_sigmask(signal.SIG_BLOCK, [number for number, _, _ in handlers])

    def after_in_parent() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, masks.pop(_thread.get_ident()))

    def after_in_child() -> None:
        for number, handler, default in handlers:
            if signal.getsignal(number) is handler:
                signal.signal(number, default)
        after_in_parent()

    masks: dict[int, Any] = {}
    handlers = (
        (signal.SIGINT, ignore, signal.default_int_handler),
        (signal.SIGTERM, stop, signal.SIG_DFL),
    )
    for number, handler, _ in handlers:
        signal.signal(number, handler)
    signal.siginterrupt(signal.SIGINT, False)
    os.register_at_fork(before=before_fork, after_in_parent=after_in_parent, after_in_child=after_in_child)


def _run(serve: Callable[[], None], threads: int, ready: Callable[[], None], stop: Callable[[], None]) -> None:
    """Serve on this thread, or on so many of their own."""
    if threads == 1:
        ready()
        _serve(serve)
        return
    ended = [threading.Event() for _ in range(threads)]
    woken, wake = (_move(fd) for fd in os.pipe())
    os.set_blocking(wake, False)

    def end(event: threading.Event) -> None:
        event.set()
        with contextlib.suppress(BlockingIOError):  # there is enough to wake up for
            os.write(wake, b"\0")

    for i, event in enumerate(ended):
        threading.Thread(target=_serve, args=(serve, partial(end, event)), name=f"rickhouse-{i + 1}").start()
    # Handlers run on this thread, but any may have taken the signal.
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    ready()
    raised: BaseException | None = None  # by a signal handler
    while True:
        try:
            if raised is not None:
                error, raised = raised, None
                if report.interrupted(error):
                    stop()
            while not all(event.is_set() for event in ended):
                os.read(woken, 64)
            return
        except BaseException as error:
            raised = error


def _serve(serve: Callable[[], None], ended: Callable[[], object] = lambda: None) -> None:
    try:
        serve()
    except BaseException as error:
        report.die(f"the server itself failed:\n{report.trace(error)}")
    ended()
