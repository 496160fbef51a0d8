"""What an ASGI application should not do over HTTP does no harm to others."""

from __future__ import annotations

from pathlib import Path

import pytest
from front import Front
from link_frames import A_WINDOW, frame

CONTENT_CREDIT = 64 << 10
PIECE = 4 << 10  # is not put together with what follows


def test_a_task_that_is_left_behind(asgi: Front, tmp_path: Path) -> None:
    """Nothing is sent after DONE."""
    asgi.get("/log")
    path = tmp_path / "go"
    answer = asgi.get("/leaves", query=str(path))
    assert answer.aborted == "the application returned without an answer"
    path.touch()
    seen = b""

    def told() -> bool:
        nonlocal seen
        seen += asgi.get("/log").body
        return seen.endswith(b"http.disconnect")

    asgi.until_seen(told)
    assert seen.count(b"DisconnectedError") == 4


def test_a_receiver_that_is_left_behind(asgi: Front) -> None:
    """What it finds when its request is over is given back to nobody."""
    asgi.get("/log")
    answer = asgi.request_stream("POST", "/leaves_a_receiver")
    asgi.until(lambda: (A_WINDOW, 0) in answer.frames)
    pieces = [b"x" * PIECE, b"x" * (CONTENT_CREDIT // 2)]
    answer.sent_octets += sum(map(len, pieces))
    asgi.send(b"".join(frame(3, 0, answer.slot, answer.gen, piece) for piece in pieces))
    assert asgi.finish(answer).body == b"enough"
    seen = b""

    def told() -> bool:
        nonlocal seen
        seen += asgi.get("/log").body
        return bool(seen)

    asgi.until_seen(told)
    assert seen == b"http.disconnect"


@pytest.mark.parametrize(
    "query", ["type", "status", "trailers", "headers", "type,begun", "body,begun", "more_body,begun"]
)
def test_keys_that_raise(asgi: Front, query: str) -> None:
    """A look into a message may run what its keys are made of."""
    answer = asgi.get("/keys_that_raise", query=query)
    assert (answer.status, answer.aborted) == (0, "ValueError: on purpose")
