"""The link itself: batches, recalls, promptness, threads, and a front that talks nonsense."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from front import Front, WorkerExitedError
from link_frames import DONE, END, FD, Answer, frame

Start = Callable[..., Front]


def batch(front: Front, n: int, path: str = "/hello", **rest: str) -> list[Answer]:
    """So many requests in one write."""
    answers, octets = [], b""
    for _ in range(n):
        answer, more = front.build("GET", path, **rest)
        answers.append(answer)
        octets += more
    front.send(octets)
    return answers


@pytest.fixture(params=[1, 4])
def threads(request: pytest.FixtureRequest) -> int:
    return request.param


@pytest.mark.parametrize("n", [2, 32, 256])
def test_batches(start: Start, threads: int, n: int) -> None:
    front = start(threads=threads).ready()
    for _ in range(3):
        for answer in batch(front, n):
            assert front.finish(answer).body == b"Hello, world!"


def test_large_requests_in_batches(start: Start, threads: int) -> None:
    """Frames that do not fit into what is read at once."""
    front = start(threads=threads).ready()
    contents = [os.urandom(1 + i * 997 % 65000) for i in range(60)]
    octets, answers = b"", []
    for content in contents:
        answer, more = front.build("POST", "/echo", content=content)
        answers.append(answer)
        octets += more
    front.send(octets)
    for answer, content in zip(answers, contents, strict=True):
        assert front.finish(answer).body == content


def test_split_frames(wsgi: Front) -> None:
    """Octets that arrive one by one."""
    answer, octets = wsgi.build("POST", "/echo", content=b"content")
    for i in range(len(octets)):
        wsgi.send(octets[i : i + 1])
    assert wsgi.finish(answer).body == b"content"


def test_the_largest_request(wsgi: Front) -> None:
    fields = [(f"x-{i}", "v" * 65000) for i in range(14)]
    answer = wsgi.get("/echo", "POST", fields=fields, content=b"c" * 65536)
    assert answer.body == b"c" * 65536


def test_descriptors_in_a_batch(start: Start, threads: int) -> None:
    front = start(threads=threads).ready()
    with tempfile.TemporaryFile() as one, tempfile.TemporaryFile() as two:
        one.write(b"1" * 70000)
        two.write(b"2" * 80000)
        one.flush()
        two.flush()
        for _ in range(5):
            first = front.request_file("POST", "/echo", one.fileno(), 70000)
            plain = front.request("GET", "/hello")
            second = front.request_file("POST", "/echo", two.fileno(), 80000)
            assert front.finish(first).body == b"1" * 70000
            assert front.finish(plain).body == b"Hello, world!"
            assert front.finish(second).body == b"2" * 80000


def test_recall(start: Start, twin: str, tmp_path: Path) -> None:
    if twin == "python":
        pytest.skip("it is never sent what could be recalled")
    front = start().ready()
    go = tmp_path / "go"
    first = front.begun(front.request("GET", "/wait", query=str(go)))
    rest = batch(front, 10, "/pid")
    with tempfile.TemporaryFile() as file:
        file.write(b"x" * 100)
        file.flush()
        rest.append(front.request_file("POST", "/length", file.fileno(), 100))
    recalled = rest[::2]
    for answer in recalled:
        assert front.state(answer) == 1
        front.ledger[2 * answer.slot] = answer.gen << 2 | 3
    go.touch()
    front.finish(first)
    for answer in rest:
        if answer not in recalled:
            assert front.finish(answer).status == 200
    for answer in recalled:
        assert answer.frames == []
        del front.answers[answer.slot]
    assert front.stop() == 0
    assert front.err() == ""


def test_a_ready_answer_leaves_while_the_next_runs(start: Start, tmp_path: Path) -> None:
    """Promptness: the second request ends only after the answer to the first is here."""
    front = start().ready()
    for i in range(3):
        go = tmp_path / str(i)
        quick, octets = front.build("GET", "/hello")
        slow, more = front.build("GET", "/wait", query=str(go))
        front.send(octets + more)
        assert front.finish(quick).body == b"Hello, world!"
        assert not slow.frames
        go.touch()
        assert front.finish(slow).body == b"waited"


def test_a_ready_answer_leaves_while_its_iterable_is_closed(start: Start, tmp_path: Path) -> None:
    front = start().ready()
    answer = front.request("GET", "/wait_closing", query=str(tmp_path / "go"))
    front.until(lambda: answer.ended)
    assert not answer.done
    (tmp_path / "go").touch()
    front.finish(answer)


def test_threads_run_side_by_side(start: Start) -> None:
    front = start(threads=4).ready()
    for _ in range(5):
        for answer in [front.request("GET", "/meet") for _ in range(4)]:
            assert front.finish(answer).body == b"met"
        for answer in batch(front, 4, "/meet"):
            assert front.finish(answer).body == b"met"


def test_an_idle_thread_takes_what_comes_while_others_run(start: Start, tmp_path: Path) -> None:
    front = start(threads=2).ready()
    slow = front.begun(front.request("GET", "/wait", query=str(tmp_path / "go")))
    for _ in range(50):
        assert front.get("/hello").body == b"Hello, world!"
    assert not slow.done
    (tmp_path / "go").touch()
    assert front.finish(slow).body == b"waited"


@pytest.mark.parametrize(("n", "want"), [(1, b"MainThread True"), (2, b"rickhouse-")])
def test_who_runs(start: Start, n: int, want: bytes) -> None:
    assert want in start(threads=n).ready().get("/thread").body


def test_slots_are_used_again(wsgi: Front) -> None:
    for _ in range(300):
        answer = wsgi.get("/stream_length")
        assert answer.slot == 0
        assert answer.body == b"first third"


def test_far_generations(wsgi: Front) -> None:
    wsgi._gens[7] = (1 << 30) - 3
    for _ in range(7):
        wsgi.answers[len(wsgi.answers)] = Answer(0, 0)  # so that slot 7 is the next
    try:
        for _ in range(2):
            answer = wsgi.get("/hello")
            assert (answer.slot, answer.gen >> 29) == (7, 1)
            wsgi.answers.pop(7, None)
    finally:
        wsgi.answers.clear()
        wsgi._gens[7] = 0


def test_frames_about_nothing(wsgi: Front) -> None:
    """What comes for a request that is over, or never was, is dropped."""
    answer = wsgi.get("/hello")
    for slot, gen in ((answer.slot, answer.gen), (5, 99), (255, 1), (300, 1), (65535, 1)):
        wsgi.send(frame(3, END, slot, gen, b"content"))
        wsgi.send(frame(4, 0, slot, gen, b"\xff\xff\xff\xff"))
        wsgi.send(frame(5, 0, slot, gen))
    assert wsgi.get("/hello").body == b"Hello, world!"


NONSENSE = {
    "unknown type": frame(99),
    "type 0": frame(0),
    "a worker's frame": frame(18),
    "hello again": frame(1, payload=b"{}"),
    "a payload too large": b"\x01\x00\x10\x00\x03\x00\x00\x00\x00\x00\x00\x00",
    "all ones": b"\xff" * 100,
    "no descriptor": frame(2, END | FD, 0, 1, b"x" * 50),
    "a window of three octets": frame(4, 0, 0, 1, b"123"),
    "an empty window": frame(4, 0, 0, 1),
    "an empty request": frame(2, END, 0, 1),
    "a slot out of range": frame(2, END, 256, 1, b"x"),
}


@pytest.mark.parametrize("kind", sorted(NONSENSE))
@pytest.mark.parametrize("busy", [False, True])
def test_nonsense(start: Start, kind: str, busy: bool, tmp_path: Path) -> None:
    front = start(threads=2 if busy else 1).ready()
    if busy:
        front.begun(front.request("GET", "/wait", query=str(tmp_path / "never")))
    front.ledger[0 if not busy else 2] = 1 << 2 | 1
    octets = NONSENSE[kind]
    if busy and octets[4] == 2 and octets[6] == 0:
        octets = octets[:6] + b"\x01" + octets[7:]
    front.send(octets)
    assert front.exit_status() == 1
    assert "rickhouse: worker" in front.err()
    assert "the front sent" in front.err()
    assert "Traceback" not in front.err()


def mangle(dice: random.Random, octets: bytes) -> bytes:
    """Flip, cut, double or insert something."""
    mangled = bytearray(octets)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(mangled))
        match dice.randint(0, 3):
            case 0:
                mangled[at] = dice.randrange(256)
            case 1:
                mangled[at] ^= 1 << dice.randrange(8)
            case 2:
                del mangled[at : at + dice.randint(1, 8)]
            case 3:
                mangled[at:at] = dice.randbytes(dice.randint(1, 8))
        if not mangled:
            return b"\0"
    return bytes(mangled)


@pytest.mark.parametrize("seed", range(int(os.environ.get("RICKHOUSE_TEST_FUZZ", "12"))))
def test_mangled_frames(start: Start, seed: int) -> None:
    """Whatever comes, the worker serves on, waits for more, or ends with a message: it never crashes."""
    dice = random.Random(seed)
    front = start(threads=dice.choice([1, 3])).ready()
    front._take = lambda *frame: None  # type: ignore[method-assign] # what is answered to nonsense is nonsense
    for i in range(len(front.ledger) // 2):
        front.ledger[2 * i] = 1 << 2 | 1
    good = []
    for slot, (path, content) in enumerate(
        [("/hello", b""), ("/echo", b"c" * 50), ("/stream", b""), ("/reading", b"x")]
    ):
        head = front.encode("POST", path, content=content, query="read,readline")
        good.append(frame(2, END, slot, 1, head + content))
    good += [frame(2, 0, 9, 1, front.encode("POST", "/length")), frame(3, 0, 9, 1, b"piece"), frame(5, 0, 9, 1)]
    good += [frame(4, 0, 9, 1, b"\1\0\0\0"), frame(3, END, 9, 1)]
    try:
        for _ in range(40):
            octets = b"".join(dice.choices(good, k=3))
            front.send(mangle(dice, octets) if dice.random() < 0.7 else octets)
            front.step(0.001)
            if front._eof:
                break
    except (BrokenPipeError, ConnectionResetError):
        pass
    front.hang_up()
    assert front.exit_status() in (0, 1), front.err()
    assert "Traceback" not in front.err() or "apps" in front.err(), front.err()
    assert "the server itself failed" not in front.err()


def test_garbage_before_hello(start: Start) -> None:
    dice = random.Random(1)
    for _ in range(5):
        front = start(hello=dice.randbytes(200))
        with pytest.raises((WorkerExitedError, BrokenPipeError, ConnectionResetError)):
            front.until(lambda: False)
        assert front.exit_status() == 1


def test_done_flag_only_with_the_end(wsgi: Front) -> None:
    for path in ("/hello", "/stream", "/write", "/file", "/late", "/stream_length"):
        answer = wsgi.get(path)
        for kind, flags in answer.frames:
            if flags & DONE and kind != 21:
                assert flags & END
