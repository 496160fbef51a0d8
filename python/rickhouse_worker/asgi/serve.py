"""Serve an ASGI application: a task for each request, on one event loop."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .. import frames, report
from ..frames import Request
from ..link import DisconnectedError
from .content import content_of
from .http import HTTP
from .lifespan import Lifespan, StartupError
from .link import Call, Link
from .response import Response
from .scope import Scopes
from .websocket import WebSocket

_EAGER = sys.version_info >= (3, 12)


def serve(link: Link, app: Any, threads: int, ready: Callable[[], None], failed: Callable[[str], None]) -> None:
    """Serve on this thread until the worker is to stop. `ready` is called after the startup of the application,
    `failed` with the reason where that fails."""
    loop = _new_loop()
    asyncio.set_event_loop(loop)
    if threads > 1:
        loop.set_default_executor(ThreadPoolExecutor(threads, "rickhouse"))
    try:
        loop.run_until_complete(_serve(link, app, ready, failed))
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


async def _serve(link: Link, app: Any, ready: Callable[[], None], failed: Callable[[str], None]) -> None:
    lifespan = Lifespan(app)
    try:
        await lifespan.startup()
    except StartupError as error:
        failed(str(error))
    ready()
    server = Server(app, Scopes(lifespan.state))
    link.attach(asyncio.get_running_loop(), server.start)
    await link.stopped()
    await server.finished()
    await lifespan.shutdown()
    await link.flushed()


class Server:
    """Runs the requests of one application."""

    def __init__(self, app: Any, scopes: Scopes) -> None:
        self._app = app
        self._scopes = scopes
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, call: Call) -> None:
        """Run a request."""
        task = call.task = self._task(self._run(call, frames.parse_request(call.frame)))
        if not task.done():
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _task(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A task that runs at once as far as it goes without waiting, where Python can do that."""
        if _EAGER and self._loop.get_task_factory() is None:
            return asyncio.Task(coroutine, loop=self._loop, eager_start=True)  # type: ignore[call-arg]
        return self._loop.create_task(coroutine)

    async def finished(self) -> None:
        """Wait for the end of all requests."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _run(self, call: Call, request: Request) -> None:
        """Run one request, from its scope to DONE."""
        started = time.monotonic_ns()
        content = content_of(call, request.content, request.content_length)
        response = Response(call, request.method, request.path)
        exchange: HTTP | WebSocket
        if call.frame.flags & frames.WEBSOCKET:
            exchange = WebSocket(call, response, started, request.path)
            scope = self._scopes.websocket(request)
        else:
            exchange = HTTP(call, content, response)
            scope = self._scopes.http(call.frame, request)
        try:
            if call.gone():
                exchange.failed("the client has gone: the request was not run")
            else:
                await self._app(scope, exchange.receive, exchange.send)
                exchange.returned()
        except asyncio.CancelledError:
            exchange.failed("the request was cancelled")
            raise
        except BaseException as error:
            call.link.check_process(error)
            if not _is_disconnect(error) or not (call.gone() or call.closed is not None):
                report.failure(request.method, request.path, error)
            exchange.failed(report.one_line(error))
        finally:
            content.finish()
            call.send(frames.ANSWER_DONE, 0, frames.pack_u32((time.monotonic_ns() - started) // 1000))
            call.link.finish(call)


def _is_disconnect(error: BaseException) -> bool:
    """Whether an error is about a client that has gone, whatever a framework made of it."""
    while not isinstance(error, DisconnectedError):
        causes = getattr(error, "exceptions", None) or [error.__cause__ or error.__context__]
        if len(causes) != 1 or causes[0] is None:
            return False
        error = causes[0]
    return True
