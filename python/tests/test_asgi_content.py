"""The content of a request in the pieces in which ASGI's `receive` gives it."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest
from rickhouse_worker.asgi import content


def test_a_receive_that_is_cancelled_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "_NOWAIT", 0)  # all of it is read by a thread
    octets = os.urandom(2 * content.PIECE + 1)
    (tmp_path / "content").write_bytes(octets)
    reading, go_on = threading.Event(), threading.Event()

    async def run() -> bytes:
        loop = asyncio.get_running_loop()
        file = content.File(loop, os.open(tmp_path / "content", os.O_RDONLY), len(octets))
        read = file._read

        def slowly(at: int, n: int) -> bytes:
            reading.set()
            go_on.wait()
            return read(at, n)

        monkeypatch.setattr(file, "_read", slowly)
        taking = loop.create_task(file.take())
        await asyncio.to_thread(reading.wait)
        taking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taking
        go_on.set()
        got, more = b"", True
        while more:
            piece, more = await file.take()
            got += piece
        file.finish()
        return got

    assert asyncio.run(run()) == octets
