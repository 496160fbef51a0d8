"""Which measurement is kept."""

# ruff: noqa: PT027 - the standard library alone, no pytest

from __future__ import annotations

import unittest
from typing import Any
from unittest import mock

import run
from harness import loads


class LeastDisturbed(unittest.TestCase):
    """run.least_disturbed."""

    def kept(self, others: list[float], patience: int) -> tuple[int, int]:
        """Return the number of the measurement that was kept, and how many were made."""
        made: list[dict[str, Any]] = []

        def measure() -> dict[str, Any]:
            made.append({"number": len(made), "others_cores": others[len(made)]})
            return made[-1]

        with mock.patch.object(run.machine, "wait_until_quiet"):
            return run.least_disturbed(measure, patience)["number"], len(made)

    def test_quiet_at_once(self) -> None:
        """The first is kept."""
        assert self.kept([0.1], 3) == (0, 1)

    def test_until_quiet(self) -> None:
        """No more than is needed."""
        assert self.kept([0.9, 0.5, 0.0, 0.0], 3) == (2, 3)

    def test_never_quiet(self) -> None:
        """The least disturbed of all."""
        assert self.kept([0.9, 0.5, 0.7, 0.8], 3) == (1, 4)
        assert self.kept([0.9], 0) == (0, 1)

    def test_a_failure_is_not_made_good(self) -> None:
        """It is raised, also where an earlier measurement was fine."""
        outcomes = iter(({"others_cores": 0.9}, loads.LoadError("read 3")))

        def measure() -> dict[str, Any]:
            outcome = next(outcomes)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        with mock.patch.object(run.machine, "wait_until_quiet"), self.assertRaises(loads.LoadError):
            run.least_disturbed(measure, 3)


class Options(unittest.TestCase):
    """run.options."""

    def test_a_part_leaves_the_committed_results_alone(self) -> None:
        """Only the whole goes to bench/."""
        assert run.options([]).out == run.BENCH
        for part in (
            ["--only", "hello"],
            ["--rounds", "2"],
            ["--seconds", "2"],
            ["--servers", "bjoern"],
            ["--connections", "8"],
        ):
            assert run.options(part).out == run.ROOT / "build" / "bench"


if __name__ == "__main__":
    unittest.main()
