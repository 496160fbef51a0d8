"""Medians, ratios, targets and the page."""

# ruff: noqa: PT027 - the standard library alone, no pytest

from __future__ import annotations

import unittest
from typing import Any

from harness import figures, report, targets


def sample(number: int, server: str, connections: int = 32, row: str = "hello", **figure: Any) -> dict[str, Any]:
    """Return what run.py would have written down."""
    return {"round": number, "row": row, "server": server, "connections": connections, **figure}


class Figures(unittest.TestCase):
    """harness/figures.py."""

    def test_median(self) -> None:
        """Odd, even, one and none."""
        for values, want in (([3, 1, 2], 2), ([4, 1, 2, 3], 2.5), ([7], 7), ([], None)):
            assert figures.median(values) == want

    def test_ratios_are_of_the_same_round(self) -> None:
        """A round that one of the two lacks, or a zero, gives none."""
        assert figures.ratios({1: 2, 2: 9, 3: 8, 4: 1}, {1: 4, 3: 2, 4: 0, 5: 1}) == [0.5, 4]

    def test_per_request(self) -> None:
        """One second over 100,000 requests is 10 µs."""
        assert figures.per_request(1.0, 100_000) == 10
        with self.assertRaises(ValueError):
            figures.per_request(1.0, 0)


class Targets(unittest.TestCase):
    """harness/targets.py."""

    target = targets.Target("CPU", "hello", 32, "cpu_us", True, 1.25, "bjoern")

    def verdict(self, ours: list[float], theirs: list[float], **more: Any) -> targets.Verdict:
        """Judge rounds of both."""
        samples = [sample(i, "rickhouse", cpu_us=v) for i, v in enumerate(ours)]
        samples += [sample(i, "bjoern", cpu_us=v, **more) for i, v in enumerate(theirs)]
        return targets.judge(self.target, samples)

    def test_median_of_ratios_is_not_the_ratio_of_medians(self) -> None:
        """Ratios 1, 3 and 1/3: their median is 1, where the medians give 3 / 2."""
        got = self.verdict([2, 9, 3], [2, 3, 9])
        assert got.value == 1
        assert got.spread == (1 / 3, 3)
        assert got.word == "reached"

    def test_limits(self) -> None:
        """The limit itself is reached."""
        assert self.verdict([5], [4]).word == "reached"
        assert self.verdict([5.01], [4]).word == "missed"
        assert self.verdict([5], []).word == "not measured"

    def test_void_rounds(self) -> None:
        """A peer's void round is left out; one of ours is a miss."""
        assert self.verdict([5], [4], void="timeout").word == "not measured"
        samples = [
            sample(0, "rickhouse", cpu_us=1),
            sample(1, "rickhouse", void="status 1"),
            sample(0, "bjoern", cpu_us=9),
        ]
        assert targets.judge(self.target, samples).word == "missed: 1 void"

    def test_other_connections_and_rows_do_not_count(self) -> None:
        """Only what the target names is compared."""
        samples = [sample(0, "rickhouse", 8, cpu_us=1), sample(0, "rickhouse", row="10kb", cpu_us=1)]
        assert targets.judge(self.target, samples).word == "not measured"

    def test_two_figures(self) -> None:
        """The front's CPU against all of nginx's."""
        target = targets.Target("front", "close", 32, "cpu_front_us", True, 1.25, "nginx", "cpu_us")
        samples = [
            sample(0, "rickhouse", row="close", cpu_front_us=20, cpu_us=40),
            sample(0, "nginx", row="close", cpu_front_us=1, cpu_us=16),
        ]
        assert targets.judge(target, samples).value == 1.25


class Report(unittest.TestCase):
    """harness/report.py."""

    def test_number(self) -> None:
        """Three digits that mean something."""
        for value, want in (
            (None, "–"),
            (0, "0"),
            (6.9444, "6.94"),
            (113.26, "113"),
            (98765.4, "98,765"),
            (0.456, "0.46"),
        ):
            assert report.number(value) == want, (value, report.number(value))

    def test_every_row_and_target_is_written(self) -> None:
        """A page of one round, with a void measurement named."""
        samples = [
            sample(1, "rickhouse", rps=100.0, cpu_us=8.0, peak_front_kib=10 * 1024),
            sample(1, "bjoern", rps=100.0, cpu_us=8.0),
            sample(1, "granian", void="wrk saw errors: read 3"),
        ]
        data = {
            "machine": {"processor": "p", "cores": "2", "memory": "1 GiB", "kernel": "k"},
            "python": "3.11",
            "begun": "now",
            "command": "c",
            "rounds": 1,
            "seconds": 5,
            "skipped": {"nginx": "absent"},
            "servers": {},
            "samples": samples,
        }
        page = report.markdown(data)
        assert "| CPU a request, hello | ≤ 1.25 × bjoern's | 1.00 | 1.00 to 1.00 | 1 | **reached** |" in page
        assert "| peak PSS of the front, hello, MiB | ≤ 25 | 10.0 | 10.0 to 10.0 | 1 | **reached** |" in page
        assert "granian, 32 connections, round 1: wrk saw errors: read 3" in page
        assert "Not run: nginx: absent" in page
        assert page.count("**not measured**") == len(targets.TARGETS) - 3


if __name__ == "__main__":
    unittest.main()
