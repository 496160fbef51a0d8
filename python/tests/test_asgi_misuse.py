"""What an ASGI application should not do over HTTP does no harm to others."""

from __future__ import annotations

from pathlib import Path

import pytest
from front import Front


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


@pytest.mark.parametrize(
    "query", ["type", "status", "trailers", "headers", "type,begun", "body,begun", "more_body,begun"]
)
def test_keys_that_raise(asgi: Front, query: str) -> None:
    """A look into a message may run what its keys are made of."""
    answer = asgi.get("/keys_that_raise", query=query)
    assert (answer.status, answer.aborted) == (0, "ValueError: on purpose")
