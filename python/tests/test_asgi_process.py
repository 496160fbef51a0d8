"""The life of a worker that serves ASGI: lifespan, STOP, signals, forks, the loop."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from front import Front
from link_frames import ABORT, END, TAKES_TRAILERS, TEXT, WEBSOCKET, frame
from test_link import NONSENSE, mangle

Start = Callable[..., Front]


def test_lifespan(start: Start) -> None:
    front = start("asgi:app").ready()
    assert front.get("/hello").status == 200
    assert front.stop() == 0
    assert (front.out(), front.err()) == ("shutdown\n", "")


@pytest.mark.parametrize(
    ("target", "error", "traceback"),
    [
        ("asgi_lifespan:startup_fails", "no database", "Traceback\n  of many lines\nno database\n"),
        ("asgi_lifespan:startup_exits", "SystemExit: not today", ""),
    ],
)
def test_startups_that_fail(start: Start, target: str, error: str, traceback: str) -> None:
    failure = start(target).failed()
    assert (failure["phase"], failure["error"], failure["traceback"]) == ("startup", error, traceback)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (
            "asgi_lifespan:startup_raises",
            "served without lifespan, as the application raised TypeError: there is no lifespan here",
        ),
        (
            "asgi_lifespan:startup_wrong",
            "served without lifespan, as the application raised RuntimeError: lifespan.shutdown.complete was sent where"
            " lifespan.startup.complete or lifespan.startup.failed is to come",
        ),
        ("asgi_lifespan:return_at_once", ""),
    ],
)
def test_applications_without_lifespan(start: Start, target: str, said: str) -> None:
    front = start(target).ready()
    assert front.get("/hello").body == b"Hello, world!"
    assert front.stop() == 0
    assert front.err() == (f"rickhouse: {said}\n" if said else "")


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("asgi_lifespan:shutdown_fails", "rickhouse: the application failed to shut down: no goodbye\n"),
        ("asgi_lifespan:shutdown_raises", "ValueError: while shutting down"),
    ],
)
def test_shutdowns_that_fail(start: Start, target: str, said: str) -> None:
    front = start(target).ready()
    assert front.stop() == 0
    assert said in front.err()


@pytest.mark.parametrize("how", ["STOP", "SIGTERM"])
def test_stop_finishes_what_runs(start: Start, tmp_path: Path, how: str) -> None:
    front = start("asgi:app").ready()
    answer = front.request("GET", "/wait_file", query=str(tmp_path / "go"))
    socket = front.open("/ws_wait", query=str(tmp_path / "go"))
    front.until(lambda: socket.accepted)
    front.until_seen(lambda: b"wait" in front.get("/log").body)
    if how == "STOP":
        front.send(frame(6))
    else:
        front.process.send_signal(signal.SIGTERM)
    front.step(0.05)
    assert front.process.poll() is None
    assert "shutdown" not in front.out()
    (tmp_path / "go").touch()
    assert front.finish(answer).body == b"waited"
    front.message(socket, "x")
    front.finish(socket)
    assert front.exit_status() == 0
    assert front.out() == "shutdown\n"


def test_interrupts_are_ignored(start: Start) -> None:
    front = start("asgi:app").ready()
    front.process.send_signal(signal.SIGINT)
    assert front.get("/hello").status == 200
    assert front.stop() == 0


def test_a_term_before_ready(start: Start, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import os, signal\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
        "async def app(scope, receive, send):\n    assert scope['type'] == 'http'\n"
    )
    assert start("slow:app", directory=tmp_path).exit_status() == 0


def test_the_end_of_the_front(start: Start) -> None:
    front = start("asgi:app").ready()
    front.begun(front.request("GET", "/forever"))
    front.hang_up()
    assert front.exit_status() == 1


@pytest.mark.parametrize(("query", "status"), [("", b"0"), ("raise", b"7"), ("send", b"0")])
def test_forks(start: Start, query: str, status: bytes) -> None:
    front = start("asgi:app").ready()
    for _ in range(2):
        assert front.get("/forks", query=query).body == status
    assert front.get("/hello").status == 200
    assert front.stop() == 0


@pytest.mark.parametrize("threads", [1, 3])
def test_threads(start: Start, threads: int) -> None:
    """More than one: the size of the default executor."""
    front = start("asgi:app", threads=threads).ready()
    assert front.get("/in_thread").body.startswith(b"rickhouse_") is (threads > 1)


def test_loop(start: Start, tmp_path: Path) -> None:
    """uvloop if the environment has it."""
    try:
        import uvloop  # noqa: F401

        want = b"uvloop"
    except ImportError:
        want = b"asyncio.unix_events"
    assert start("asgi:app").ready().get("/loop").body == want
    (tmp_path / "uvloop.py").write_text("raise ImportError('broken')")
    front = start("asgi:app", env={"PYTHONPATH": str(tmp_path)}).ready()
    assert front.get("/loop").body == b"asyncio.unix_events"
    assert front.get("/numbers", query="100000,20").ended
    assert front.stop() == 0


@pytest.mark.parametrize("kind", sorted(NONSENSE))
def test_nonsense(start: Start, kind: str) -> None:
    front = start("asgi:app").ready()
    front.ledger[0] = 1 << 2 | 1
    front.send(NONSENSE[kind])
    assert front.exit_status() == 1
    assert "the front sent" in front.err()
    assert "Traceback" not in front.err()


@pytest.mark.parametrize("seed", range(int(os.environ.get("RICKHOUSE_TEST_FUZZ", "12"))))
def test_mangled_frames(start: Start, seed: int) -> None:
    """Whatever comes, the worker serves on, waits for more, or ends with a message: it never crashes."""
    dice = random.Random(seed)
    front = start("asgi:app").ready()
    front._take = lambda *frame: None  # type: ignore[method-assign] # what is answered to nonsense is nonsense
    for i in range(len(front.ledger) // 2):
        front.ledger[2 * i] = 1 << 2 | 1
    good = []
    for slot, path in enumerate(("/hello", "/echo", "/show", "/numbers", "/trailers", "/zerocopy", "/wait_disconnect")):
        head = front.encode("POST", path, content=b"c" * 50, query="1000,5", tls='{"tls_version": 772}')
        good.append(frame(2, END | TAKES_TRAILERS, slot, 1, head + b"c" * 50))
    good += [frame(2, 0, 9, 1, front.encode("POST", "/stream_echo")), frame(3, 0, 9, 1, b"piece"), frame(3, END, 9, 1)]
    good += [frame(2, WEBSOCKET, 10, 1, front.encode("GET", "/ws_echo")), frame(3, END | TEXT, 10, 1, b"text")]
    good += [
        frame(3, TEXT, 10, 1, b"te"),
        frame(7, 0, 10, 1, b"\xe8\x03bye"),
        frame(5, ABORT, 6, 1),
        frame(5, END, 6, 1),
    ]
    good += [frame(4, 0, 9, 1, b"\1\0\0\0"), frame(5, 0, 10, 1), frame(5, END, 6, 1)]
    try:
        for _ in range(40):
            octets = b"".join(dice.choices(good, k=3))
            front.send(mangle(dice, octets) if dice.random() < 0.6 else octets)
            front.step(0.001)
            if front._eof:
                break
    except (BrokenPipeError, ConnectionResetError):
        pass
    front.hang_up()
    assert front.exit_status() in (0, 1), front.err()
    assert "the server itself failed" not in front.err(), front.err()


def test_split_frames(asgi: Front) -> None:
    answer, octets = asgi.build("POST", "/echo", content=b"content")
    for i in range(len(octets)):
        asgi.send(octets[i : i + 1])
    assert asgi.finish(answer).body == b"content"


def test_frames_about_nothing(asgi: Front) -> None:
    answer = asgi.get("/hello")
    for slot, gen in ((answer.slot, answer.gen), (5, 99), (255, 1), (300, 1), (65535, 1)):
        asgi.send(frame(3, END, slot, gen, b"content"))
        asgi.send(frame(4, 0, slot, gen, b"\xff\xff\xff\xff"))
        asgi.send(frame(5, ABORT, slot, gen))
        asgi.send(frame(7, 0, slot, gen, b"\xe8\x03"))
    assert asgi.get("/hello").body == b"Hello, world!"


def test_a_link_that_is_full(start: Start) -> None:
    """Many answers that the front does not read: they wait, and all come."""
    front = start("asgi:app").ready()
    answers = [front.request("GET", "/numbers", query="50000,5") for _ in range(100)]
    for answer in answers:
        assert len(front.finish(answer).body) == 250_000


def test_memory_of_finished_requests_goes(start: Start) -> None:
    """No task or descriptor is left over."""
    front = start("asgi:app").ready()

    def count() -> int:
        return len(os.listdir(f"/proc/{front.process.pid}/fd"))

    def work() -> None:
        for path in ("/hello", "/zerocopy", "/raises", "/cancels_itself"):
            front.get(path, query="value")

    work()
    front.get("/hello")
    before = count()
    for _ in range(3):
        work()
    front.until_seen(lambda: count() <= before)
