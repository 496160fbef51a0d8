"""Serve an ASGI application: a task for each request, on one event loop."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .. import frames, report
from ..frames import Frame
from ..link import DisconnectedError
from .call import Call, CallBase
from .content import content_of
from .http import HTTP, HTTPBase
from .lifespan import Lifespan, StartupError
from .scope import Scopes
from .websocket import WebSocket, WebSocketBase

EAGER = sys.version_info >= (3, 12)


def serve(
    make_link: Callable[[Server], Any], app: Any, threads: int, ready: Callable[[], None], failed: Callable[[str], None]
) -> None:
    """Serve on this thread until the worker is to stop. `ready` is called after the startup of the application,
    `failed` with the reason where that fails."""
    loop = _new_loop()
    asyncio.set_event_loop(loop)
    if threads > 1:
        loop.set_default_executor(ThreadPoolExecutor(threads, "rickhouse"))
    try:
        loop.run_until_complete(_serve(make_link, app, ready, failed))
    finally:
        _close(loop)


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def _close(loop: asyncio.AbstractEventLoop) -> None:
    """End what the application left behind, as asyncio.run does."""
    try:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.wait(tasks))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        asyncio.set_event_loop(None)
        loop.close()


async def _serve(
    make_link: Callable[[Server], Any], app: Any, ready: Callable[[], None], failed: Callable[[str], None]
) -> None:
    lifespan = Lifespan(app)
    server = Server(app, Scopes(lifespan.state))
    link = make_link(server)
    try:
        await lifespan.startup()
    except StartupError as error:
        failed(str(error))
    ready()
    link.attach(asyncio.get_running_loop())
    await link.stopped()
    await lifespan.shutdown()
    await link.flushed()


class Server:
    """Runs the requests of one application."""

    def __init__(self, app: Any, scopes: Scopes) -> None:
        self.app = app
        self.scopes = scopes
        self._loop = asyncio.get_running_loop()

    def start(self, call: Call, frame: Frame) -> None:
        """Run a request, in pure Python."""
        request = frames.parse_request(frame)
        exchange: HTTP | WebSocket
        if call.flags & frames.WEBSOCKET:
            exchange = WebSocket(call, request.path)
            scope = self.scopes.websocket(request)
        else:
            content = content_of(call, request.content, frame.fd, request.content_length)
            exchange = HTTP(call, content, request.method, request.path)
            scope = self.scopes.http(frame, request)
        call.task = self._task(self._run(call, exchange, scope))

    def _task(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A task that runs at once as far as it goes without waiting, where Python can do that."""
        if EAGER and self._loop.get_task_factory() is None:
            return asyncio.Task(coroutine, loop=self._loop, eager_start=True)  # type: ignore[call-arg]
        return self._loop.create_task(coroutine)

    async def _run(self, call: Call, exchange: HTTP | WebSocket, scope: dict[str, Any]) -> None:
        """Run one request, to DONE."""
        started = time.monotonic_ns()
        try:
            if call.gone():
                exchange.cut("the client has gone: the request was not run")
            else:
                await self.app(scope, exchange.receive, exchange.send)
                exchange.returned()
        except asyncio.CancelledError:
            exchange.cut("the request was cancelled")
            raise
        except BaseException as error:
            raised(call, exchange, error)
        finally:
            exchange.finish()
            call.finish((time.monotonic_ns() - started) // 1000)


def raised(call: CallBase, exchange: HTTPBase | WebSocketBase, error: BaseException) -> None:
    """The application raised something else than its cancellation."""
    call.link.check_process(error)
    if not (call.over() and _is_disconnect(error)):
        report.failure(exchange.method, exchange.path, error)
    exchange.cut(report.one_line(error))


def _is_disconnect(error: BaseException) -> bool:
    """Whether an error is about a client that has gone, whatever a framework made of it."""
    while not isinstance(error, DisconnectedError):
        causes = getattr(error, "exceptions", None) or [error.__cause__ or error.__context__]
        if len(causes) != 1 or causes[0] is None:
            return False
        error = causes[0]
    return True
