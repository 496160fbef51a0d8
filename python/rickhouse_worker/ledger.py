"""The memory shared with the front in which both keep who has started what."""

from __future__ import annotations

import mmap
import os
import sys

SENT, STARTED = 1, 2
_SLOT = 2  # words


class Ledger:
    """The worker's view. Each access is one aligned 32-bit load or store."""

    def __init__(self, fd: int) -> None:
        size = os.fstat(fd).st_size
        self._words = memoryview(mmap.mmap(fd, size)).cast("I")
        self.slots = size // (4 * _SLOT)

    def start(self, slot: int, gen: int) -> bool:
        """Note that a request has started; False if it was recalled. Pure Python has no compare-and-swap: the front
        knows, and recalls nothing."""
        if _little(self._words[slot * _SLOT]) != gen << 2 | SENT:
            return False
        self._words[slot * _SLOT] = _little(gen << 2 | STARTED)
        return True

    def canceled(self, slot: int, gen: int) -> bool:
        """Whether nobody waits for the answer any more."""
        return _little(self._words[slot * _SLOT + 1]) == gen + 1


def _little(word: int) -> int:
    if sys.byteorder == "little":
        return word
    return int.from_bytes(word.to_bytes(4, "little"), "big")
