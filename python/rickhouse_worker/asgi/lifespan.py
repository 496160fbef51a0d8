"""Lifespan 2.0: the application's start and end, in a task of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from .. import report
from .http import type_of

_STARTUP, _SHUTDOWN = "lifespan.startup", "lifespan.shutdown"


class StartupError(Exception):
    """The application cannot start, and says why."""


class Lifespan:
    """One application's lifespan on the loop that runs now."""

    def __init__(self, app: Any) -> None:
        self.state: dict[str, Any] = {}
        self._app = app
        self._events: asyncio.Queue[str] = asyncio.Queue()
        self._answer: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._phase = _STARTUP
        self._task: asyncio.Task[None]

    async def startup(self) -> None:
        """Start the application; StartupError if it fails. One that raises has no lifespan, and is served all the
        same."""
        self._events.put_nowait(_STARTUP)
        self._task = asyncio.create_task(self._run(), name="lifespan")
        answer = await self._answered()
        if answer is not None and answer["type"] == "lifespan.startup.failed":
            await asyncio.wait((self._task,), timeout=1)
            raise StartupError(str(answer.get("message") or "the application says that it failed, and no more"))

    async def shutdown(self) -> None:
        """End the application; what fails is said."""
        if self._task.done():
            return
        self._phase = _SHUTDOWN
        self._answer = asyncio.get_running_loop().create_future()
        self._events.put_nowait(_SHUTDOWN)
        answer = await self._answered()
        if answer is not None and answer["type"] == "lifespan.shutdown.failed":
            report.say(f"rickhouse: the application failed to shut down: {answer.get('message') or 'it says no more'}")
        await asyncio.wait((self._task,))

    async def _answered(self) -> Mapping[str, Any] | None:
        """What the application sends, or None if it ends before."""
        await asyncio.wait((self._answer, self._task), return_when=asyncio.FIRST_COMPLETED)
        return self._answer.result() if self._answer.done() else None

    async def _run(self) -> None:
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        try:
            await self._app(scope, self._receive, self._send)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._failed(error)

    def _failed(self, error: BaseException) -> None:
        if self._phase == _STARTUP and not self._answer.done():
            if isinstance(error, Exception):
                report.say(f"rickhouse: served without lifespan, as the application raised {report.one_line(error)}")
            else:
                self._answer.set_result({"type": "lifespan.startup.failed", "message": report.one_line(error)})
        elif not (self._answer.done() and self._answer.result()["type"].endswith(".failed")):
            report.say(f"rickhouse: the lifespan of the application failed\n{report.trace(error)}")

    async def _receive(self) -> dict[str, Any]:
        return {"type": await self._events.get()}

    async def _send(self, message: Mapping[str, Any]) -> None:
        kind = type_of(message)
        if kind not in (f"{self._phase}.complete", f"{self._phase}.failed") or self._answer.done():
            raise RuntimeError(f"{kind} was sent where {self._phase}.complete or {self._phase}.failed is to come")
        self._answer.set_result(message)
