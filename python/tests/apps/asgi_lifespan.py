"""ASGI applications whose lifespan is odd."""

from __future__ import annotations

from asgi import hello, paths


def lifespan_app(startup, shutdown):
    async def app(scope, receive, send):
        if scope["type"] != "lifespan":
            await paths[scope["path"]](scope, receive, send)
            return
        await startup(scope, receive, send)
        await receive()
        await shutdown(scope, receive, send)

    return app


async def complete_startup(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.complete"})


async def fail_startup(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "Traceback\n  of many lines\nno database\n"})
    raise RuntimeError("no database")


async def raise_startup(scope, receive, send):
    raise TypeError("there is no lifespan here")


async def exit_startup(scope, receive, send):
    await receive()
    raise SystemExit("not today")


async def wrong_startup(scope, receive, send):
    await send({"type": "lifespan.shutdown.complete"})


async def fail_shutdown(scope, receive, send):
    await send({"type": "lifespan.shutdown.failed", "message": "no goodbye"})


async def raise_shutdown(scope, receive, send):
    raise ValueError("while shutting down")


async def return_at_once(scope, receive, send):
    if scope["type"] == "http":
        await hello(scope, receive, send)


startup_fails = lifespan_app(fail_startup, fail_shutdown)
startup_raises = lifespan_app(raise_startup, fail_shutdown)
startup_exits = lifespan_app(exit_startup, fail_shutdown)
startup_wrong = lifespan_app(wrong_startup, fail_shutdown)
shutdown_fails = lifespan_app(complete_startup, fail_shutdown)
shutdown_raises = lifespan_app(complete_startup, raise_shutdown)
