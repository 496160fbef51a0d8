#!/usr/bin/env python3
"""Talk to the real binary with the client of the websockets package: see README.md.

usage: websockets_client.py [--rooms]

Messages of many sizes, text and binary, whole and in fragments, with every variant of permessage-deflate; pings, close
codes, limits, subprotocols, refusals, and many clients at once. With --rooms the server is the echo of test/websocket,
without an application.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from autobahn import echo
from server import BUILD

FOLDER = BUILD / "websockets"
PACKAGE = "websockets==15.0.1"

# What the checks run in: websockets is there only after main has seen to it.
MEBI = 1 << 20
PATIENCE = 30
SIZES = (0, 1, 63, 64, 125, 126, 127, 1000, 65535, 65536, 65537, 300_000, 4 * MEBI)


def environment() -> Path:
    """Return an interpreter that has the package."""
    python, done = FOLDER / "venv" / "bin" / "python", FOLDER / "venv" / PACKAGE
    if not done.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", FOLDER / "venv"], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGE], check=True)
        done.touch()
    return python


def text(size: int) -> str:
    """Return text of about that many octets, of characters of every length."""
    unit = "aé€😀 compressible "
    return (unit * (size // len(unit) + 1))[:size]


def deflates() -> list[object]:
    """Return what clients offer."""
    from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory as Offer

    offers: list[object] = [None]
    for server in (False, True):
        for client in (False, True):
            offers.append([Offer(server_no_context_takeover=server, client_no_context_takeover=client)])
    offers += [[Offer(server_max_window_bits=bits, client_max_window_bits=bits)] for bits in (9, 12, 15)]
    return [*offers, [Offer(client_max_window_bits=True)]]


async def sizes(url: str) -> None:
    """Messages of any size come back, however they are compressed."""
    from websockets.asyncio.client import connect

    for extensions in deflates():
        async with connect(url, extensions=extensions, compression=None, max_size=None) as ws:
            assert bool(extensions) == bool(ws.protocol.extensions), (extensions, ws.protocol.extensions)
            for size in SIZES:
                for message in (text(size), os.urandom(size), bytes(size)):
                    await ws.send(message)
                    assert await ws.recv() == message, (extensions, size)


async def fragments(url: str) -> None:
    """Fragments become one message, with pings among them."""
    from websockets.asyncio.client import connect

    for compression in (None, "deflate"):
        async with connect(url, compression=compression) as ws:
            parts = ["one", "", "€" * 1000, "two"]
            await ws.send(parts)
            assert await ws.recv() == "".join(parts)

            async def slowly(ws: object = ws) -> object:
                for part in (b"a" * 70_000, b"b", b""):
                    yield part
                    await (await ws.ping())

            await ws.send(slowly())
            assert await ws.recv() == b"a" * 70_000 + b"b"


async def pings(url: str) -> None:
    """Each ping is answered with what it carried."""
    from websockets.asyncio.client import connect

    async with connect(url) as ws:
        pongs = [await ws.ping(os.urandom(n)) for n in range(1, 126)]
        await asyncio.gather(*pongs)


async def closes(url: str) -> None:
    """The closing handshake gives each side the other's code."""
    from websockets.asyncio.client import connect

    for code in (1000, 1001, 1011, 3000, 4999):
        ws = await connect(url)
        await ws.close(code, "because")
        assert ws.close_code == code, (code, ws.close_code)
    for bad, code in ((b"\x81\x00", 1002), (b"\xc2\x81\0\0\0\0\xff", 1007)):
        async with connect(url) as ws:
            ws.transport.write(bad)
            await ws.wait_closed()
            assert ws.close_code == code, (bad, ws.close_code)


async def limits(url: str) -> None:
    """A message above 16 MiB closes with 1009, a bomb too."""
    from websockets.asyncio.client import connect
    from websockets.exceptions import ConnectionClosed

    for compression in (None, "deflate"):
        ws = await connect(url, compression=compression, max_size=None)
        # An echo does not take more than is taken from it.
        _, got = await asyncio.gather(ws.send(bytes(16 * MEBI)), ws.recv())
        assert len(got) == 16 * MEBI
        with suppress(ConnectionClosed):
            await asyncio.gather(ws.send(bytes(16 * MEBI + 1)), ws.recv())
        await ws.wait_closed()
        assert ws.close_code == 1009, (compression, ws.close_code)


async def handshakes(url: str) -> None:
    """Subprotocols are agreed on, and refusals understood."""
    from websockets.asyncio.client import connect
    from websockets.exceptions import InvalidStatus

    async with connect(f"{url}/?subprotocol=chat", subprotocols=["superchat", "chat"]) as ws:
        assert ws.subprotocol == "chat"
        assert ws.response.headers["X-Echo"] == "yes"
    for path, status in (("/?refuse", 403), ("/?subprotocol=no", 500)):
        got = 101
        try:
            await connect(url + path)
        except InvalidStatus as e:
            got = e.response.status_code
        assert got == status, (path, got)


async def many(url: str) -> None:
    """Many clients, each with messages under way in both directions."""
    from websockets.asyncio.client import connect

    async def one(number: int) -> None:
        async with connect(url) as ws:
            messages = [f"{number} {i} " + text(i * 37) for i in range(100)]

            async def send() -> None:
                for message in messages:
                    await ws.send(message)

            sending = asyncio.create_task(send())
            for message in messages:
                assert await ws.recv() == message
            await sending

    await asyncio.gather(*(one(i) for i in range(100)))


CHECKS: tuple[Callable[[str], Awaitable[None]], ...] = (sizes, fragments, pings, closes, limits, handshakes, many)


async def check(url: str) -> None:
    """Run all checks."""
    for f in CHECKS:
        await asyncio.wait_for(f(url), PATIENCE * 4)
        print(f"websockets: {f.__name__}: {(f.__doc__ or '').splitlines()[0]}", flush=True)


def main() -> int:
    """Serve, and check in the environment that has the package."""
    if sys.argv[1:2] == ["--in"]:
        asyncio.run(check(sys.argv[2]))
        return 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    python = environment()
    with echo(sys.argv[1:] == ["--rooms"]) as url:
        return subprocess.run([python, __file__, "--in", url], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
