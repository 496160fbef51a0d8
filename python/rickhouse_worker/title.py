"""What ps and top show of this process."""

from __future__ import annotations

import contextlib

_COMM = 15  # octets of a name that the kernel keeps


def set_title(title: str) -> None:
    """Show title, as far as this system and this Python can: on Linux, with ctypes for more than its first octets."""
    octets = title.encode("utf-8", "replace")
    with contextlib.suppress(OSError), open("/proc/self/comm", "wb") as comm:
        comm.write(octets[:_COMM])
    with contextlib.suppress(OSError, ImportError, ValueError, IndexError):
        _overwrite(octets)


def _overwrite(octets: bytes) -> None:
    """Put octets where the kernel has kept the arguments (proc(5)): nobody else reads them there any more."""
    import ctypes

    with open("/proc/self/stat", "rb") as stat:
        fields = stat.read().rpartition(b")")[2].split()  # from the third on
    start, end = int(fields[45]), int(fields[46])
    if 0 < start < end:
        ctypes.memset(start, 0, end - start)
        ctypes.memmove(start, octets, min(len(octets), end - start - 1))
