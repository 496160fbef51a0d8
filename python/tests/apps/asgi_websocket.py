"""Applications for the tests that speak WebSocket, one a path."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from asgi_paths import argument, history, path


@path
async def ws_echo(scope, receive, send):
    assert await receive() == {"type": "websocket.connect"}
    await send({"type": "websocket.accept"})
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            history.append(f"{message['code']} {message['reason']}")
            history.append((await receive())["type"])
            try:
                await send({"type": "websocket.send", "text": "x"})
            except OSError as error:
                history.append(type(error).__name__)
            return
        del message["type"]
        await send({"type": "websocket.send", **message})


@path
async def ws_show(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept", "subprotocol": "chat", "headers": [(b"x-a", b"1"), (b"X-A", b"2")]})
    await send({"type": "websocket.send", "text": ascii(scope), "bytes": None})


@path
async def ws_steps(scope, receive, send):
    """Sends what the query says, in Python; None is to receive, a text to print it."""
    for message in eval(bytes.fromhex(argument(scope))):
        if isinstance(message, str):
            print(message, flush=True)
            continue
        if message is None:
            history.append(json.dumps(await receive()))
            continue
        try:
            await send(message)
        except OSError as error:
            history.append(f"{type(error).__name__}: {error}")


@path
async def ws_raises(scope, receive, send):
    kind, _, when = argument(scope).partition(",")
    if when == "accepted":
        await send({"type": "websocket.accept"})
    raise ValueError("€" * 1000 if kind == "long" else "on purpose")


@path
async def ws_flood(scope, receive, send):
    await send({"type": "websocket.accept"})
    for i in range(100):
        history.append(f"sent {i}")
        await send({"type": "websocket.send", "bytes": b"x" * 20000})


@path
async def ws_waits(scope, receive, send):
    """Waits for messages in all ways, and says what it got."""

    async def say(*what):
        await send({"type": "websocket.send", "text": repr(what)})

    await receive()
    await send({"type": "websocket.accept"})
    try:
        await asyncio.wait_for(receive(), 0.001)
    except asyncio.TimeoutError:
        await say("in vain")
    task = asyncio.ensure_future(receive())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    await say("cancelled", task.cancelled())
    await say((await receive())["text"])
    receive().close()
    tasks = [asyncio.ensure_future(receive()) for _ in range(3)]
    await asyncio.sleep(0)
    await say("three wait")
    await say(*sorted([message["text"] for message in await asyncio.gather(*tasks)]))
    steps = receive()
    steps.send(None)
    try:
        steps.send(None)
    except RuntimeError as error:
        await say(str(error))
    steps.close()
    await say((await receive())["text"])
    once = receive()
    await once
    try:
        await once
    except RuntimeError as error:
        await say(str(error))
    task = asyncio.ensure_future(receive())
    await asyncio.sleep(0)
    await send({"type": "websocket.close"})
    message = await task
    history.append(f"{message['type']} {message['code']}")


sockets: list = []


@path
async def ws_broadcast(scope, receive, send):
    """Sends what others send to all, from their tasks."""
    await receive()
    await send({"type": "websocket.accept"})
    sockets.append(send)
    while (message := await receive())["type"] == "websocket.receive":
        for other in list(sockets):
            await other({"type": "websocket.send", "text": message["text"]})
    sockets.remove(send)


@path
async def ws_wait(scope, receive, send):
    await send({"type": "websocket.accept"})
    await receive()
    while not Path(argument(scope)).exists():
        await asyncio.sleep(0.002)
    await receive()


@path
async def ws_leaves(scope, receive, send):
    """Returns while its tasks go on: one receives, one sends more than may be sent, one has not begun."""
    await receive()
    await send({"type": "websocket.accept"})

    async def tell(what, awaitable):
        try:
            result = await awaitable
            history.append(f"{what} {result and result['type']}")
        except OSError as error:
            history.append(f"{what} {type(error).__name__}")

    async def later():
        while not Path(argument(scope)).exists():
            await asyncio.sleep(0.002)
        await tell("later", send({"type": "websocket.send", "text": "late"}))
        await tell("large", send({"type": "websocket.send", "text": "x" * 70_000}))
        await tell("close", send({"type": "websocket.close"}))
        await tell("receive", receive())
        history.append("all told")

    tasks = [
        asyncio.ensure_future(later()),
        asyncio.ensure_future(tell("received", receive())),
        asyncio.ensure_future(tell("received", receive())),
        asyncio.ensure_future(tell("sent", send({"type": "websocket.send", "bytes": bytes(300_000)}))),
    ]
    left.append(tasks)
    await asyncio.sleep(0)
    await asyncio.sleep(0)


left: list = []


@path
async def ws_mixes(scope, receive, send):
    """Sends from several tasks at once."""
    await send({"type": "websocket.accept"})
    large = [send({"type": "websocket.send", "text": c * 300_000}) for c in "ab"]
    small = [send({"type": "websocket.send", "bytes": b"%d" % i}) for i in range(3)]
    tasks = []
    for one in (*large, *small):
        tasks.append(asyncio.ensure_future(one))
        await asyncio.sleep(0)
    await asyncio.wait(tasks)


@path
async def ws_gives_up(scope, receive, send):
    """Ends a message that is half sent: by its cancellation, or by the end of the WebSocket."""
    await receive()
    await send({"type": "websocket.accept"})
    tasks = [asyncio.ensure_future(send({"type": "websocket.send", "bytes": bytes(n)})) for n in (300_000, 1)]
    await receive()
    if argument(scope) == "close":
        await send({"type": "websocket.close"})
    else:
        tasks[0].cancel()
    await asyncio.wait(tasks)
    for task in tasks:
        history.append("cancelled" if task.cancelled() else type(task.exception()).__name__)
    history.append((await receive())["type"])
    history.append((await receive())["type"])
