"""CPU time and memory of a tree of processes, read from /proc."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

TICK = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Stat:
    """One line of /proc/PID/stat: its parent, its session and its ticks."""

    pid: int
    parent: int
    session: int
    state: str  # one letter, Z for what has ended and was not reaped
    start: int
    own_ticks: int
    reaped_ticks: int


def parse_stat(line: str) -> Stat:
    """Read a line of /proc/PID/stat (proc(5)); the name of the program may hold spaces and parentheses."""
    opening, closing = line.index("("), line.rindex(")")
    fields = line[closing + 2 :].split()
    utime, stime, cutime, cstime = (int(f) for f in fields[11:15])
    return Stat(
        pid=int(line[:opening]),
        parent=int(fields[1]),
        session=int(fields[3]),
        state=fields[0],
        start=int(fields[19]),
        own_ticks=utime + stime,
        reaped_ticks=cutime + cstime,
    )


def read_all(proc: Path = Path("/proc")) -> dict[int, Stat]:
    """Read every process that there is."""
    stats = {}
    for entry in proc.iterdir():
        if entry.name.isdigit():
            try:
                stat = parse_stat((entry / "stat").read_text())
            except (OSError, ValueError):
                continue  # it ended while we looked
            stats[stat.pid] = stat
    return stats


def tree(root: int, stats: dict[int, Stat]) -> list[Stat]:
    """Return root and its descendants, and whoever lost its parent but stayed in root's session; root comes first."""
    members = [stats[root]] if root in stats else []
    known = {root}
    grew = True
    while grew:
        grew = False
        for stat in stats.values():
            if stat.pid not in known and (stat.parent in known or stat.session == root):
                members.append(stat)
                known.add(stat.pid)
                grew = True
    return members


def still_there(members: list[Stat]) -> list[Stat]:
    """Return those that run yet: the same processes, not others that got their numbers."""
    now = read_all()
    same = (s for s in members if s.pid in now and now[s.pid].start == s.start)
    return [s for s in same if now[s.pid].state != "Z"]


@dataclass(frozen=True)
class Cpu:
    """Seconds of CPU: of the front (the root process itself) and of everything below it, children that ended too."""

    front: float
    workers: float

    @property
    def total(self) -> float:
        """The whole tree."""
        return self.front + self.workers

    def __sub__(self, before: Cpu) -> Cpu:
        return Cpu(self.front - before.front, self.workers - before.workers)


def cpu(members: list[Stat]) -> Cpu:
    """Sum the ticks of a tree. What the front reaped was a worker's."""
    if not members:
        raise ProcessLookupError("the server has ended")
    front, below = members[0], members[1:]
    workers = front.reaped_ticks + sum(s.own_ticks + s.reaped_ticks for s in below)
    return Cpu(front.own_ticks * TICK, workers * TICK)


@dataclass(frozen=True)
class Memory:
    """Proportional set size in KiB."""

    front: int
    workers: int
    largest_worker: int

    @property
    def total(self) -> int:
        """The whole tree."""
        return self.front + self.workers


def parse_pss(rollup: str) -> int:
    """Return the Pss of a smaps_rollup, in KiB."""
    for line in rollup.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise ValueError("no Pss in smaps_rollup")


def _pss(pid: int) -> int:
    try:
        return parse_pss(Path(f"/proc/{pid}/smaps_rollup").read_text())
    except (OSError, ValueError):
        return 0  # it ended while we looked


def memory(members: list[Stat]) -> Memory:
    """Read the memory of a tree as it is now."""
    if not members:
        raise ProcessLookupError("the server has ended")
    below = [_pss(s.pid) for s in members[1:]]
    return Memory(_pss(members[0].pid), sum(below), max(below, default=0))


def peak(a: Memory, b: Memory) -> Memory:
    """Return the larger of each part."""
    return Memory(max(a.front, b.front), max(a.workers, b.workers), max(a.largest_worker, b.largest_worker))
