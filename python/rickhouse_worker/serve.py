"""Run requests from the link, one after the other."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import Any

from . import frames, report
from .answer import Answer
from .content import FileContent, StreamContent, buffered
from .environ import Environ
from .link import Call, Link

Application = Callable[..., Iterable[bytes]]


def serve(link: Link, environ: Environ, app: Application) -> None:
    """Serve on this thread until the worker is to stop."""
    try:
        while (call := link.take()) is not None:
            try:
                run(call, app, environ)
            finally:
                link.finish(call)
    except frames.MalformedError as error:
        report.die(f"the front sent {error}")


def run(call: Call, app: Application, environ: Environ) -> None:
    """Run one request."""
    request = frames.parse_request(call.frame)
    if call.gone():
        call.frame.drop()
        with call.lock:
            call.send(frames.ANSWER_ABORT, frames.DONE, b"the client has gone: the request was not run")
        return
    raw: FileContent | StreamContent | None = None
    content: Any
    if call.frame.fd >= 0:
        raw = FileContent(call.frame.fd, request.content_length)
    elif call.streamed:
        raw = StreamContent(call)
    content = io.BytesIO(request.content) if raw is None else buffered(raw)
    answer = Answer(call, request.method, request.path)
    try:
        answer.run(app, environ.make(request, content))
    finally:
        call.over = True
        if raw is not None:
            raw.finish()
    answer.done()
