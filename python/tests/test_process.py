"""Applications that fork, execute, close and crash, and how a worker ends."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import shared
from front import Front, WorkerExitedError
from link_frames import frame

Start = Callable[..., Front]


@pytest.fixture(scope="module")
def unruly(twin: str) -> Iterator[Front]:
    yield from shared("unruly:app", twin)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/forks", b"7"),
        ("/child_returns", b"0"),
        ("/child_streams", b"0"),
        ("/child_writes", b"0"),
        ("/child_exits", b"5"),
        ("/child_exits_with_words", b"1"),
        ("/child_raises", b"1"),
        ("/child_signals", b"-15"),
        ("/executes", b"[] True True set()"),
        ("/executes_inheriting", b"True"),
        ("/interrupted", b"went on"),
        ("/threads_on", b"started"),
        ("/multiprocesses?fork", b"[0, 1, 4, 9, 16]"),
        ("/multiprocesses?spawn", b"[0, 1, 4, 9, 16]"),
        ("/multiprocesses?forkserver", b"[0, 1, 4, 9, 16]"),
    ],
)
def test_children(unruly: Front, path: str, body: bytes) -> None:
    pid = unruly.get("/pid").body
    path, _, query = path.partition("?")
    assert unruly.get(path, query=query).body == body
    assert unruly.get("/pid").body == pid == str(unruly.process.pid).encode()


def test_what_children_say(unruly: Front) -> None:
    unruly.get("/child_returns")
    assert "from the child" in unruly.out()
    unruly.get("/child_raises")
    assert "ValueError: in the child" in unruly.err()
    unruly.get("/child_exits_with_words")
    assert "words of the child\n" in unruly.err()


def test_child_reads_streamed_content(start: Start) -> None:
    front = start("unruly:app").ready()
    answer = front.request_stream("POST", "/child_reads")
    front.finish(answer)
    assert answer.body == b"0"


def test_a_child_does_not_hold_the_link(start: Start) -> None:
    front = start("unruly:app").ready()
    child = int(front.get("/child_lives").body)
    try:
        front.process.kill()
        with pytest.raises(WorkerExitedError):
            front.until(lambda: False)
    finally:
        os.kill(child, signal.SIGKILL)


@pytest.mark.parametrize("path", ["/recursion", "/memory"])
def test_survived(unruly: Front, path: str) -> None:
    answer = unruly.get(path)
    assert answer.aborted
    assert unruly.get("/hello").body == b"hello"


def test_broken_stderr(start: Start) -> None:
    front = start("unruly:app").ready()
    assert front.get("/redirects").aborted
    assert "ValueError: said all the same" in front.err()


def test_descriptors_leaked_and_closed(start: Start, tmp_path: Path) -> None:
    front = start("unruly:app").ready()
    for _ in range(10):
        assert front.get("/leaks").body == b"leaked"
    with pytest.raises(WorkerExitedError, match="exited with 1"):
        front.get("/closes_all", query=str(tmp_path / "file"), fields=[("count", "100")])
    for file in tmp_path.iterdir():
        assert file.stat().st_size == 0, "a frame went into a file of the application"


def test_stop(start: Start) -> None:
    front = start("unruly:app").ready()
    front.get("/hello")
    assert front.stop() == 0
    assert "atexit ran" in front.out()
    assert front.err() == ""


@pytest.mark.parametrize("threads", [1, 3])
def test_stop_finishes_what_started(start: Start, threads: int, tmp_path: Path) -> None:
    front = start("unruly:app", threads=threads).ready()
    slow = front.begun(front.request("GET", "/slow", query=str(tmp_path / "go")))
    front.send(frame(6))
    (tmp_path / "go").touch()
    front.finish(slow)
    assert slow.body == b"slow"
    assert front.exit_status() == 0
    assert "atexit ran" in front.out()


@pytest.mark.parametrize("threads", [1, 3])
def test_stop_starts_nothing(start: Start, threads: int) -> None:
    front = start("unruly:app", threads=threads).ready()
    answer, octets = front.build("GET", "/hello")
    front.send(frame(6) + octets)
    assert front.exit_status() == 0
    assert front.state(answer) == 1


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("path", [None, "/busy", "/sleeps"])
def test_the_front_goes(start: Start, threads: int, path: str | None) -> None:
    front = start("unruly:app", threads=threads).ready()
    if path:
        front.begun(front.request("GET", path))
    front.hang_up()
    assert front.exit_status() == 1


def test_the_front_goes_while_importing(start: Start, tmp_path: Path) -> None:
    (tmp_path / "importing.py").write_text("print('here', flush=True)\nwhile True: pass\n")
    front = start("importing:app", directory=tmp_path)
    front.until_seen(lambda: "here" in front.out())
    front.hang_up()
    assert front.exit_status() == 1


@pytest.mark.parametrize("threads", [1, 3])
def test_sigterm_while_idle(start: Start, threads: int) -> None:
    front = start("unruly:app", threads=threads).ready()
    front.get("/hello")
    rest(front, 0.05)
    front.process.terminate()
    assert front.exit_status() == 0
    assert "atexit ran" in front.out()


def test_sigterm_while_busy(start: Start) -> None:
    front = start("unruly:app").ready()
    assert front.get("/terminated").body == b"finished"
    assert front.exit_status() == 0


@pytest.mark.parametrize("threads", [1, 3])
def test_sigterm_that_another_thread_takes(start: Start, threads: int) -> None:
    front = start("unruly:app", threads=threads).ready()
    assert front.get("/terminates_its_thread").body == b"finished"
    assert front.exit_status() == 0
    assert "atexit ran" in front.out()


def test_threads_that_wait_take_no_signal(start: Start) -> None:
    """Whoever watches the link would leave the main thread asleep."""
    front = start("unruly:app").ready()
    tasks = Path(f"/proc/{front.process.pid}/task").iterdir()
    others = [(task / "status").read_text() for task in tasks if task.name != str(front.process.pid)]
    assert others
    for status in others:
        blocked = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigBlk:"))
        assert blocked & 1 << (signal.SIGTERM - 1)


@pytest.mark.parametrize("threads", [1, 3])
def test_sigterm_that_another_thread_takes_while_idle(start: Start, threads: int, tmp_path: Path) -> None:
    front = start("unruly:app", threads=threads).ready()
    assert front.get("/terminates_later", query=str(tmp_path / "go")).body == b"later"
    (tmp_path / "go").touch()
    assert front.exit_status() == 0
    assert "atexit ran" in front.out()


def rest(front: Front, seconds: float) -> None:
    """Wait until all threads of the worker sleep, and none has woken up for so long."""

    def threads() -> list[str]:
        tasks = Path(f"/proc/{front.process.pid}/task").glob("*/status")
        lines = [line for t in tasks for line in t.read_text().splitlines()]
        return sorted(line for line in lines if "ctxt_switches" in line or line.startswith("State:"))

    def quiet() -> bool:
        before = threads()
        front.step(seconds)
        states = {line for line in before if line.startswith("State:")}
        return threads() == before and states == {"State:\tS (sleeping)"}

    front.until_seen(quiet)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_signal_handler_that_raises_while_idle(start: Start, threads: int) -> None:
    front = start("unruly:app", threads=threads, env={"HANDLERS": "1"}).ready()
    for i in range(3):
        assert front.get("/hello").body == b"hello"
        rest(front, 0.05)
        front.process.send_signal(signal.SIGUSR1)
        front.until_seen(lambda n=i: front.err().count("ValueError: in the handler") == n + 1)
    assert "rickhouse: a signal handler of the application failed\nTraceback" in front.err()
    assert front.get("/hello").body == b"hello"
    rest(front, 0.05)
    front.process.terminate()
    assert front.exit_status() == 0, "sys.exit in a handler ends the worker, in order"
    assert "atexit ran" in front.out()


def test_sigint_is_the_fronts_business(start: Start) -> None:
    front = start("unruly:app").ready()
    front.process.send_signal(signal.SIGINT)
    assert front.get("/hello").body == b"hello"


def test_a_crash_shows_where(start: Start) -> None:
    front = start("unruly:app").ready()
    with pytest.raises(WorkerExitedError):
        front.get("/crashes")
    assert front.process.returncode == -signal.SIGSEGV
    assert "Fatal Python error: Segmentation fault" in front.err()
    assert "in crashes" in front.err()


@pytest.mark.parametrize("threads", [1, 3])
def test_idle_is_idle(start: Start, threads: int) -> None:
    """With nothing to do no thread of the worker wakes up."""
    front = start("unruly:app", threads=threads).ready()
    for _ in range(5):
        for answer in [front.request("GET", "/hello") for _ in range(50)]:
            front.finish(answer)
    rest(front, 0.3)
