"""Arithmetic on samples: medians, and medians of the ratios of rounds."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping


def median(values: Iterable[float]) -> float | None:
    """Return the median, or None of nothing."""
    known = list(values)
    return statistics.median(known) if known else None


def spread(values: Iterable[float]) -> tuple[float, float] | None:
    """Return the smallest and the largest value, or None of nothing."""
    known = list(values)
    return (min(known), max(known)) if known else None


def ratios(ours: Mapping[int, float], theirs: Mapping[int, float]) -> list[float]:
    """Return ours / theirs for each round that has both, in order of rounds, where theirs is not 0."""
    return [ours[r] / theirs[r] for r in sorted(ours) if theirs.get(r)]


def per_request(cpu_seconds: float, requests: int) -> float:
    """Return µs of CPU a request."""
    if requests <= 0:
        raise ValueError("no request was answered")
    return cpu_seconds * 1e6 / requests
