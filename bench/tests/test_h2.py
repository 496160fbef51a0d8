"""What h2load printed, and when a measurement is void."""

# ruff: noqa: PT027 - the standard library alone, no pytest

from __future__ import annotations

import unittest

from harness import h2, loads

GOOD = """
finished in 5.00s, 227036.33 req/s, 20.35MB/s
requests: 1135181 total, 1135309 started, 1135181 done, 1135181 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 1135181 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 1.79MB (1880220) total, 1.20MB (1260000) headers (space savings 34.38%), 253.91KB (260000) data
                     min         max         mean         sd        +/- sd
time for request:      141us      4.85ms       510us       224us    82.20%
"""


class H2load(unittest.TestCase):
    """harness/h2.py."""

    def test_good(self) -> None:
        """Requests, their rate and their mean time."""
        assert h2.parse(GOOD) == {"requests": 1135181, "rps": 227036.33, "mean_us": 510}
        assert h2.parse(GOOD.replace("510us", "1.50ms"))["mean_us"] == 1500

    def test_void(self) -> None:
        """No figures, any error, or another status."""
        wrong = (
            "",
            "could not connect",
            GOOD.replace("0 failed", "1 failed"),
            GOOD.replace("0 errored", "1 errored"),
            GOOD.replace("0 timeout", "1 timeout"),
            GOOD.replace("codes: 1135181 2xx", "codes: 1135180 2xx"),
            GOOD.replace("1135181", "0"),
        )
        for out in wrong:
            with self.subTest(out), self.assertRaises(loads.LoadError):
                h2.parse(out)


if __name__ == "__main__":
    unittest.main()
