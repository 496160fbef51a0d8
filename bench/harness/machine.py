"""The machine: what it is, how busy others keep it, and what its kernel holds for sockets."""

from __future__ import annotations

import os
import platform
import re
import time
from dataclasses import dataclass
from pathlib import Path

from harness.process import TICK


def describe() -> dict[str, str]:
    """Name the processor, the cores, the memory and the kernel."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*:\s*(.*)", cpuinfo)
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    hypervisor = "yes" if " hypervisor " in cpuinfo.replace("\n", " ") + " " else "no"
    return {
        "processor": model.group(1) if model else platform.processor() or platform.machine(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{int(memory.group(1)) / 2**20:.1f} GiB" if memory else "unknown",
        "virtual": hypervisor,
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


@dataclass(frozen=True)
class Busy:
    """Seconds of all cores since boot: busy for anyone here, and stolen by the host."""

    used: float
    stolen: float


def parse_busy(stat: str) -> Busy:
    """Read the first line of /proc/stat: user nice system idle iowait irq softirq steal."""
    fields = [int(f) for f in stat.splitlines()[0].split()[1:9]]
    user, nice, system, _, _, irq, softirq, steal = fields
    return Busy((user + nice + system + irq + softirq) * TICK, steal * TICK)


def busy() -> Busy:
    """Read /proc/stat."""
    return parse_busy(Path("/proc/stat").read_text())


def wait_until_quiet(cores: float, seconds: float) -> None:
    """Wait until all processes together use no more cores than that for half a second, or the time is up."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        before, begin = busy(), time.monotonic()
        time.sleep(0.5)
        if (busy().used - before.used) / (time.monotonic() - begin) <= cores:
            return


def parse_tcp_pages(sockstat: str) -> int:
    """Return the pages that TCP holds for data in buffers, from /proc/net/sockstat."""
    found = re.search(r"^TCP:.*\bmem (\d+)", sockstat, re.MULTILINE)
    if not found:
        raise ValueError("no TCP memory in sockstat")
    return int(found.group(1))


def parse_slab(meminfo: str) -> int:
    """Return the kernel's slab in KiB, from /proc/meminfo."""
    found = re.search(r"^Slab:\s*(\d+)", meminfo, re.MULTILINE)
    if not found:
        raise ValueError("no Slab in meminfo")
    return int(found.group(1))


@dataclass(frozen=True)
class Kernel:
    """KiB that the kernel holds: buffers of TCP, and all slabs (sockets, files, epoll entries and everything else)."""

    tcp_buffers: int
    slab: int


def kernel() -> Kernel:
    """Read the kernel's memory."""
    page = os.sysconf("SC_PAGE_SIZE") // 1024
    tcp = parse_tcp_pages(Path("/proc/net/sockstat").read_text()) * page
    return Kernel(tcp, parse_slab(Path("/proc/meminfo").read_text()))
