"""What wrk printed, and when a measurement is void."""

# ruff: noqa: PT027 - the standard library alone, no pytest

from __future__ import annotations

import unittest
from typing import Any

from harness import loads
from harness.rows import ROWS
from peers.table import PEERS

GOOD = {
    "requests": 1000,
    "bytes": 150_000,
    "duration_us": 1,
    "connect": 0,
    "read": 0,
    "write": 0,
    "status": 0,
    "timeout": 0,
}


class Wrk(unittest.TestCase):
    """harness/loads.py."""

    def test_parse(self) -> None:
        """The line of report.lua among wrk's own."""
        assert loads.parse_wrk('Running\n  1 threads\n\nJSON {"requests": 5}\n') == {"requests": 5}
        with self.assertRaises(loads.LoadError):
            loads.parse_wrk("unable to connect")

    def test_good(self) -> None:
        """No error, and answers of the right size."""
        loads.check_wrk(GOOD, 150)
        loads.check_wrk(GOOD, 151)

    def test_void(self) -> None:
        """Any error, nothing answered, or answers of another size."""
        wrong: tuple[dict[str, Any], ...] = (
            *({k: 1} for k in ("connect", "read", "write", "status", "timeout")),
            {"requests": 0},
            {"bytes": 100_000},
            {"bytes": 200_000},
        )
        for change in wrong:
            with self.subTest(change), self.assertRaises(loads.LoadError):
                loads.check_wrk(GOOD | change, 150)


class Table(unittest.TestCase):
    """peers/table.py against harness/rows.py."""

    def test_rows_exist_and_have_an_application(self) -> None:
        """Each server names rows that there are and that can be asked of it."""
        known = {row.name: row for row in ROWS}
        for peer in PEERS:
            for name in peer.rows:
                assert peer.interface in known[name].apps, (peer.name, name)

    def test_commands_are_complete(self) -> None:
        """No placeholder is left in a command."""
        names = ("python", "bin", "rickhouse", "peers", "run", "app", "port", "workers", "cert", "key", "flask")
        for peer in PEERS:
            for row in peer.rows:
                command = peer.command(row, dict.fromkeys(names, "x"))
                assert not any("{" in part for part in command)


if __name__ == "__main__":
    unittest.main()
