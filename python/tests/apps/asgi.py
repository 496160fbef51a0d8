"""ASGI applications for the tests, one a path."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import sys
import tempfile
import threading

import asgi_websocket  # noqa: F401 (its paths are served, too)
from asgi_paths import argument, history, path, paths
from asgi_wrong import WRONG

variable = contextvars.ContextVar("variable", default="unset")


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
        return
    await paths[scope["path"]](scope, receive, send)


async def lifespan(scope, receive, send):
    assert await receive() == {"type": "lifespan.startup"}
    scope["state"]["shared"] = ["from startup"]
    scope["state"]["number"] = 1
    await send({"type": "lifespan.startup.complete"})
    assert await receive() == {"type": "lifespan.shutdown"}
    print("shutdown", flush=True)
    await send({"type": "lifespan.shutdown.complete"})


async def answer(send, body=b"", status=200, headers=(), more=False):
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def read(receive):
    body, messages = b"", []
    while True:
        message = await receive()
        messages.append(message)
        if message["type"] != "http.request":
            return body, messages
        body += message["body"]
        if not message["more_body"]:
            return body, messages


@path
async def hello(scope, receive, send):
    await answer(send, b"Hello, world!", headers=[(b"content-type", b"text/plain")])


@path
async def show(scope, receive, send):
    first, second = dict(scope), scope
    await answer(send, ascii(first).encode())
    second["state"]["number"] += 1
    second["asgi"]["version"] = second["extensions"]["http.response.pathsend"] = "changed"


@path
async def echo(scope, receive, send):
    body, messages = await read(receive)
    history.append(f"{len(messages)} {max(len(m.get('body', b'')) for m in messages)} {messages[-1]['type']}")
    await answer(send, body)


@path
async def stream_echo(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    while True:
        message = await receive()
        await send({"type": "http.response.body", "body": message["body"], "more_body": message["more_body"]})
        if not message["more_body"]:
            return


@path
async def first_piece(scope, receive, send):
    await answer(send, (await receive())["body"])


@path
async def receive_after(scope, receive, send):
    """What receive says when the answer is complete, also of content that was not read."""
    await answer(send, b"done")
    history.append((await receive())["type"])
    history.append((await receive())["type"])


@path
async def wait_disconnect(scope, receive, send):
    await read(receive)
    history.append("waiting")
    print("begun", flush=True)
    history.append((await receive())["type"])
    try:
        await answer(send, b"late")
    except Exception as error:
        history.append(f"{isinstance(error, OSError)} {type(error).__name__}")
        raise


@path
async def wait_disconnect_and_wrap(scope, receive, send):
    try:
        while True:
            await answer(send, b"x" * 1000, more=True)
            while True:
                await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": True})
                await asyncio.sleep(0)
    except OSError:
        raise RuntimeError("what a framework makes of it")  # noqa: B904 (the context is enough)


@path
async def create_task_receive(scope, receive, send):
    task = asyncio.create_task(receive())
    message = await task
    other = asyncio.create_task(receive())
    await asyncio.sleep(0)
    await asyncio.create_task(send({"type": "http.response.start", "status": 200}))
    await asyncio.gather(send({"type": "http.response.body", "body": message["body"]}))
    assert (await other)["type"] == "http.disconnect"


@path
async def cancel_receive(scope, receive, send):
    await receive()
    try:
        await asyncio.wait_for(receive(), 0.01)
    except asyncio.TimeoutError:
        await answer(send, b"timed out")


@path
async def forever(scope, receive, send):
    history.append("forever")
    print("begun", flush=True)
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        history.append("cancelled")
        raise


@path
async def stubborn(scope, receive, send):
    """Answers all the same."""
    print("begun", flush=True)
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        await asyncio.sleep(0)
        try:
            await answer(send, b"after all")
        except OSError:
            history.append("nobody waits")


@path
async def cancels_itself(scope, receive, send):
    asyncio.current_task().cancel()
    await asyncio.sleep(0)


@path
async def current(scope, receive, send):
    task = asyncio.current_task()
    before = variable.get()
    variable.set("set")
    await asyncio.sleep(0)
    same = asyncio.current_task() is task and asyncio.get_running_loop() is task.get_loop()
    await answer(
        send, f"{before} {variable.get()} {same} {threading.current_thread() is threading.main_thread()}".encode()
    )


@path
async def meet(scope, receive, send):
    """Ends when there are as many as it says."""
    meeting.append(None)
    while len(meeting) < int(argument(scope)):
        await asyncio.sleep(0.001)
    await answer(send, b"met")


meeting: list[None] = []


@path
async def wait_file(scope, receive, send):
    history.append("wait")
    while not os.path.exists(argument(scope)):
        await asyncio.sleep(0.002)
    await answer(send, b"waited")


@path
async def blocks_after_another(scope, receive, send):
    """Blocks the loop when the other has answered."""
    other.set_result(None) if (other := ready.get("other")) else None
    import time

    while not os.path.exists(argument(scope)):
        time.sleep(0.001)
    await answer(send, b"blocked")


ready: dict[str, asyncio.Future] = {}


@path
async def numbers(scope, receive, send):
    size, pieces = map(int, argument(scope).split(","))
    await send({"type": "http.response.start", "status": 200})
    for i in range(pieces):
        await send({"type": "http.response.body", "body": bytes([i % 256]) * size, "more_body": i + 1 < pieces})


@path
async def fast_stream(scope, receive, send):
    """Counts how far it got."""
    await send({"type": "http.response.start", "status": 200})
    for i in range(100):
        history.append(f"sent {i}")
        await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
    await send({"type": "http.response.body"})


@path
async def first_empty(scope, receive, send):
    await answer(send, b"", headers=[(b"content-type", b"text/event-stream")], more=True)
    while not os.path.exists(argument(scope)):
        await asyncio.sleep(0.002)
    await send({"type": "http.response.body", "body": b"event"})


@path
async def headers(scope, receive, send):
    fields = [
        (b"X-One", b"1"),
        [b"set-cookie", b"a=1"],
        (b"set-cookie", bytearray(b"b=2")),
        (b"Transfer-Encoding", b"chunked"),
        (b"connection", b"close"),
        (b"keep-alive", b"timeout=5"),
        (b"latin", b"\xe9"),
    ]
    await answer(send, b"x", 299, fields)


@path
async def declared(scope, receive, send):
    """A Content-Length, and pieces of so many octets."""
    length, *sizes = map(int, argument(scope).split(","))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % length)]})
    for i, size in enumerate(sizes):
        await send({"type": "http.response.body", "body": b"x" * size, "more_body": i + 1 < len(sizes)})


@path
async def status(scope, receive, send):
    code, body = argument(scope).split(",")
    await answer(send, body.encode(), int(code), [(b"content-length", b"%d" % len(body))] if body else ())


@path
async def hints(scope, receive, send):
    await send({"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload", b"</b.js>; rel=preload"]})
    for _ in range(int(argument(scope) or 1)):
        await send({"type": "http.response.early_hint", "links": [b"</c>; rel=preload"]})
    await answer(send, b"hinted")


@path
async def trailers(scope, receive, send):
    headers = [(b"content-length", b"4")] if argument(scope) == "length" else []
    await send({"type": "http.response.start", "status": 200, "headers": headers, "trailers": True})
    await send({"type": "http.response.body", "body": b"bo", "more_body": True})
    await send({"type": "http.response.body", "body": b"dy"})
    await send({"type": "http.response.trailers", "headers": [(b"grpc-status", b"0")], "more_trailers": True})
    await send({"type": "http.response.trailers", "headers": (pair for pair in [(b"x-sum", b"1")])})
    history.append((await receive())["type"])


@path
async def pathsend(scope, receive, send):
    name, *rest = argument(scope).split(",")
    fields = [(b"content-length", rest[0].encode())] if rest else []
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.pathsend", "path": name})


@path
async def pathsend_missing(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    try:
        await send({"type": "http.response.pathsend", "path": argument(scope)})
    except OSError as error:
        await send({"type": "http.response.body", "body": type(error).__name__.encode()})


@path
async def zerocopy(scope, receive, send):
    with tempfile.TemporaryFile() as file:
        file.write(b"0123456789" * 10000)
        file.seek(5)
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"[", "more_body": True})
        await send({"type": "http.response.zerocopysend", "file": file, "count": 5, "more_body": True})
        history.append(str(file.tell()))
        await send({"type": "http.response.zerocopysend", "file": file, "count": 3, "more_body": True})
        await send({"type": "http.response.zerocopysend", "file": file, "offset": 1, "count": 2, "more_body": True})
        history.append(str(file.tell()))
        await send({"type": "http.response.zerocopysend", "file": file.fileno(), "offset": 99990, "more_body": True})
    await send({"type": "http.response.body", "body": b"]"})


@path
async def zerocopy_alone(scope, receive, send):
    with open(argument(scope), "rb") as file:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.zerocopysend", "file": file})


@path
async def zerocopy_pipe(scope, receive, send):
    ends = os.pipe()
    await send({"type": "http.response.start", "status": 200})
    try:
        await send({"type": "http.response.zerocopysend", "file": ends[0]})
    finally:
        os.close(ends[0])
        os.close(ends[1])


@path
async def in_thread(scope, receive, send):
    name = await asyncio.get_running_loop().run_in_executor(None, lambda: threading.current_thread().name)
    await answer(send, name.encode())


@path
async def log(scope, receive, send):
    seen = ",".join(history)
    history.clear()
    await answer(send, seen.encode())


@path
async def blocks(scope, receive, send):
    history.clear()
    gc.collect()
    await answer(send, str(sys.getallocatedblocks()).encode())


@path
async def pid(scope, receive, send):
    await answer(send, str(os.getpid()).encode())


@path
async def loop(scope, receive, send):
    await answer(send, type(asyncio.get_running_loop()).__module__.encode())


@path
async def forks(scope, receive, send):
    child = os.fork()
    if not child:
        if argument(scope) == "raise":
            raise SystemExit(7)
        if argument(scope) == "send":
            await answer(send, b"from the child")
        return
    _, how = os.waitpid(child, 0)
    await answer(send, str(os.waitstatus_to_exitcode(how)).encode())


@path
async def anyio_like(scope, receive, send):
    """What needs a real task: a timeout that cancels it, and a cancel scope by hand."""
    task = asyncio.current_task()
    asyncio.get_running_loop().call_later(0.01, task.cancel)
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        if sys.version_info >= (3, 11):
            task.uncancel()
    await answer(send, b"cancelled and uncancelled")


# What applications do wrong.


@path
async def wrong(scope, receive, send):
    for message in WRONG[argument(scope)]:
        await send(message)


@path
async def raises(scope, receive, send):
    kind, _, when = argument(scope).partition(",")
    if when == "begun":
        await answer(send, b"begun", more=True)
    if when == "complete":
        await answer(send, b"complete")
    if when == "later":
        await asyncio.sleep(0)
    errors = {
        "exit": SystemExit(3),
        "value": ValueError("on purpose"),
        "long": ValueError("€" * 1000),
        "interrupt": KeyboardInterrupt(),
    }
    raise errors[kind]


@path
async def leaves(scope, receive, send):
    """Returns without an answer, which a task gives later."""

    async def later():
        name = argument(scope)
        while not os.path.exists(name):
            await asyncio.sleep(0.002)
        messages = [
            {"type": "http.response.early_hint", "links": [b"</a>"]},
            {"type": "http.response.start", "status": 200},
            {"type": "http.response.body", "body": b"late"},
            {"type": "http.response.pathsend", "path": name},
        ]
        for message in messages:
            try:
                await send(message)
            except OSError as error:
                history.append(type(error).__name__)
        history.append((await receive())["type"])

    left.append(asyncio.ensure_future(later()))


left: list = []


@path
async def reads_later(scope, receive, send):
    while not os.path.exists(argument(scope)):
        await asyncio.sleep(0.01)
    body, messages = await read(receive)
    await answer(send, b"%d %b" % (len(messages), body))


@path
async def leaves_a_receiver(scope, receive, send):
    async def more():
        history.append((await receive())["type"])

    left.append(asyncio.ensure_future(more()))
    await receive()
    await answer(send, b"enough")


@path
async def keys_that_raise(scope, receive, send):
    class Key(str):
        __hash__ = str.__hash__

        def __eq__(self, other):
            raise ValueError("on purpose")

    word, _, begun = argument(scope).partition(",")
    message = {"type": "http.response.start", "status": 200}
    if begun:
        await send(message)
        message = {"type": "http.response.body"}
    message.pop(word, None)
    await send({Key(word): 1, **message})
