"""CPU and memory of a tree of processes, and of the machine."""

# ruff: noqa: PT027 - the standard library alone, no pytest

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from harness import machine, process
from harness.process import TICK, Stat
from harness.server import Server, ServerError, content_length

LINE = "42 (a b) c)) S 7 42 40 0 -1 4194304 1 2 3 4 11 13 17 19 20 0 1 0 5000 1 2 3\n"


def stat(pid: int, parent: int, own: int = 0, reaped: int = 0, session: int = 0) -> Stat:
    """Return a process."""
    return Stat(pid, parent, session, "S", 0, own, reaped)


class Arithmetic(unittest.TestCase):
    """Texts of /proc as proc(5) has them."""

    def test_parse_stat(self) -> None:
        """A name may hold parentheses and spaces."""
        assert process.parse_stat(LINE) == Stat(
            pid=42, parent=7, session=40, state="S", start=5000, own_ticks=24, reaped_ticks=36
        )

    def test_tree(self) -> None:
        """Descendants in any order, orphans of the session, and nobody else."""
        everyone = [stat(4, 3), stat(3, 2), stat(2, 1), stat(5, 1), stat(6, 1, session=2), stat(7, 6), stat(1, 0)]
        members = process.tree(2, {s.pid: s for s in everyone})
        assert members[0].pid == 2
        assert {s.pid for s in members} == {2, 3, 4, 6, 7}
        assert process.tree(99, {s.pid: s for s in everyone}) == []

    def test_cpu_counts_reaped_children_once_and_as_workers(self) -> None:
        """What the front reaped was not its own work."""
        got = process.cpu([stat(1, 0, own=100, reaped=30), stat(2, 1, own=50, reaped=5)])
        assert abs(got.front - 100 * TICK) < 1e-9
        assert abs(got.workers - 85 * TICK) < 1e-9
        assert abs(got.total - 185 * TICK) < 1e-9
        with self.assertRaises(ProcessLookupError):
            process.cpu([])

    def test_cpu_does_not_move_when_a_worker_ends(self) -> None:
        """Before its end a worker's ticks are its own, then its parent's."""
        before = process.cpu([stat(1, 0, own=10), stat(2, 1, own=50)])
        after = process.cpu([stat(1, 0, own=10, reaped=50)])
        assert (after - before).total == 0

    def test_pss(self) -> None:
        """Pss, not Pss_Anon."""
        assert process.parse_pss("Rss: 9 kB\nPss:    1234 kB\nPss_Anon: 5 kB\n") == 1234
        with self.assertRaises(ValueError):
            process.parse_pss("Rss: 9 kB\n")

    def test_peak(self) -> None:
        """Each part for itself."""
        assert process.peak(process.Memory(1, 9, 3), process.Memory(4, 2, 2)) == process.Memory(4, 9, 3)

    def test_machine(self) -> None:
        """Idle and iowait are not work; steal is apart."""
        got = machine.parse_busy("cpu  100 20 30 4000 500 6 7 80 0 0\ncpu0 1\n")
        assert abs(got.used - 163 * TICK) < 1e-9
        assert abs(got.stolen - 80 * TICK) < 1e-9
        assert machine.parse_tcp_pages("sockets: used 9\nTCP: inuse 5 orphan 0 tw 2 alloc 6 mem 77\nUDP: mem 3\n") == 77
        assert machine.parse_slab("MemTotal: 5 kB\nSlab:  4321 kB\n") == 4321

    def test_content_length(self) -> None:
        """Its name has no case."""
        assert content_length(b"HTTP/1.1 200 OK\r\ncontent-LENGTH: 13\r\nA: b") == 13
        with self.assertRaises(ServerError):
            content_length(b"HTTP/1.1 200 OK\r\nA: b")


class RealProcesses(unittest.TestCase):
    """/proc as it is."""

    def test_a_known_amount_of_cpu(self) -> None:
        """A child burns what it measures itself; the parent reaps it; both ways of counting agree."""
        burn = "import time\nwhile time.process_time() < 0.3: pass\n"
        parent = (
            f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {burn!r}])\nprint(flush=True)\ninput()\n"
        )
        with subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as p:
            assert p.stdout is not None
            p.stdout.readline()
            used = process.cpu(process.tree(p.pid, process.read_all()))
            p.communicate(b"\n")
        assert used.workers >= 0.3 - 2 * TICK
        assert used.front < used.workers

    def test_stop_ends_everything_below(self) -> None:
        """A child that a server leaves behind at SIGTERM is ended as well."""
        code = "import subprocess, time\nsubprocess.Popen(['sleep', '600'])\nprint('up', flush=True)\ntime.sleep(600)\n"
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "log"
            with Server([sys.executable, "-c", code], Path(folder), 1, log) as server:
                while "up" not in log.read_text():
                    assert server.members(), server.tail()
                members = server.members()
            assert len(members) == 2
            assert process.still_there(members) == []

    def test_memory_of_this_process(self) -> None:
        """It is there, and of the order of an interpreter."""
        got = process.memory(process.tree(os.getpid(), process.read_all()))
        assert 1024 < got.front < 1024 * 1024


if __name__ == "__main__":
    unittest.main()
