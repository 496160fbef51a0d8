"""Writes bench/results.md from the samples in bench/results.json."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from peers.table import PEERS

from harness import figures, targets
from harness.rows import ROWS, Row

Samples = list[dict[str, Any]]
Cell = Callable[[Samples], str]


def number(value: float | None, digits: int = 3) -> str:
    """Write a figure with so many significant digits and thousands apart; a dash for None."""
    if value is None:
        return "–"
    if value == 0:
        return "0"
    whole = len(str(int(abs(value))))
    return f"{value:,.{max(0, digits - whole)}f}"


def _of(name: str, scale: float = 1, digits: int = 3) -> Cell:
    return lambda samples: number(_median(samples, name, scale), digits)


def _median(samples: Samples, name: str, scale: float = 1) -> float | None:
    return figures.median(s[name] * scale for s in samples if name in s)


def _with_spread(name: str, scale: float = 1) -> Cell:
    def cell(samples: Samples) -> str:
        around = figures.spread(s[name] * scale for s in samples if name in s)
        text = number(_median(samples, name, scale))
        return f"{text} ({number(around[0])}–{number(around[1])})" if around and len(samples) > 1 else text

    return cell


MIB = 1 / 1024
CLOSED: dict[str, Cell] = {
    "requests/s": _with_spread("rps"),
    "CPU µs/request": _with_spread("cpu_us"),
    "front": _of("cpu_front_us"),
    "workers": _of("cpu_workers_us"),
    "p50 µs": _of("p50_us"),
    "p99 µs": _of("p99_us"),
    "PSS MiB after": _of("pss_total_kib", MIB),
    "front ": _of("pss_front_kib", MIB),
    "peak PSS front": _of("peak_front_kib", MIB),
    "peak PSS worker": _of("peak_largest_worker_kib", MIB),
}
OPEN: dict[str, Cell] = {
    "p50 ms, fast": _of("p50_us", 1e-3),
    "p99 ms, fast": _with_spread("p99_us", 1e-3),
    "p99 of an ideal queue": _of("ideal_p99_us", 1e-3),
    "CPU µs/request": _of("cpu_us"),
    "PSS MiB after": _of("pss_total_kib", MIB),
    "generator late, p99 ms": _of("late_p99_us", 1e-3),
}
IDLE: dict[str, Cell] = {
    "growth of PSS, octets a connection": _with_spread("growth_b"),
    "of it the front": _of("growth_front_b"),
    "PSS MiB before": _of("before_total_kib", MIB),
    "PSS MiB with": _of("after_total_kib", MIB),
    "kernel slab, octets a connection": _of("kernel_slab_b"),
    "kernel TCP buffers": _of("kernel_tcp_b"),
    "seconds to open": _of("seconds_to_open"),
    "cores while resting": _of("resting_cores"),
}
STREAM: dict[str, Cell] = {
    "messages/s": _with_spread("rps"),
    "CPU µs/message": _with_spread("cpu_us"),
    "front": _of("cpu_front_us"),
    "workers": _of("cpu_workers_us"),
    "p50 µs": _of("p50_us"),
    "p99 µs": _of("p99_us"),
    "PSS MiB after": _of("pss_total_kib", MIB),
}
H2: dict[str, Cell] = {
    "requests/s": _with_spread("rps"),
    "CPU µs/request": _with_spread("cpu_us"),
    "front": _of("cpu_front_us"),
    "workers": _of("cpu_workers_us"),
    "mean µs": _of("mean_us"),
    "PSS MiB after": _of("pss_total_kib", MIB),
}
COLUMNS = {"closed": CLOSED, "h2": H2, "open": OPEN, "idle": IDLE, "ws": STREAM, "sse": STREAM}


def table(head: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    """Write a Markdown table."""
    head = [h.strip() for h in head]
    rows = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    rows += ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join(rows)


def row_section(row: Row, samples: Samples) -> str:
    """Write the table of one row."""
    columns = COLUMNS[row.kind]
    lines, voids = [], []
    for connections in row.connections or (0,):
        for peer in PEERS:
            key = (peer.name, row.name, connections)
            here = [s for s in samples if (s["server"], s["row"], s["connections"]) == key]
            if not here:
                continue
            good = [s for s in here if not s.get("void")]
            name = [peer.name] if row.kind != "closed" else [str(connections), peer.name]
            voids += [
                f"- {peer.name}, {connections} connections, round {s['round']}: {s['void']}"
                for s in here
                if s.get("void")
            ]
            rounds = str(len(good)) if len(good) == len(here) else f"{len(good)} of {len(here)}"
            lines.append([*name, *(cell(good) for cell in columns.values()), rounds])
    first = ["server"] if row.kind != "closed" else ["connections", "server"]
    text = f"## {row.title}\n\n" + table([*first, *columns, "rounds"], lines)
    if voids:
        text += "\n\nVoid, because an answer was missing or wrong:\n\n" + "\n".join(voids)
    return text


def target_line(target: targets.Target, samples: Samples) -> list[str]:
    """Write one line of the table of targets."""
    verdict = targets.judge(target, samples)
    scale = MIB if target.text.endswith(", MiB") else 1
    sign = "≤" if target.at_most else "≥"
    against = f" × {target.peer}'s" if target.peer else ""
    low, high = (number(v * scale) for v in verdict.spread) if verdict.spread else ("–", "–")
    value = None if verdict.value is None else verdict.value * scale
    limit = f"{sign} {target.limit * scale:,g}{against}"
    return [target.text, limit, number(value), f"{low} to {high}", str(verdict.rounds), f"**{verdict.word}**"]


def target_section(samples: Samples) -> str:
    """Write the table of targets."""
    head = ["target", "limit", "median of rounds", "smallest to largest", "rounds", ""]
    return "## Targets\n\n" + table(head, (target_line(t, samples) for t in targets.TARGETS))


def setting_section(data: dict[str, Any]) -> str:
    """Write the machine, the versions and the commands."""
    machine = data["machine"]
    others = figures.median(s["others_cores"] for s in data["samples"] if "others_cores" in s)
    most = max((s["others_cores"] for s in data["samples"] if "others_cores" in s), default=None)
    stolen = figures.median(s["stolen_cores"] for s in data["samples"] if "stolen_cores" in s)
    lines = [
        f"- Machine: {machine['processor']}, {machine['cores']} cores, {machine['memory']}, {machine['kernel']}.",
        f"- Python of all servers: {data['python']}. Begun {data['begun']}.",
        f"- Command: `{data['command']}`; {data['rounds']} rounds of {data['seconds']} s a measurement (four times "
        "that in the mixed rows), servers in turn in each round.",
        f"- Cores that neither the server nor the load used, but someone else: median {number(others, 2)}, at most "
        f"{number(most, 2)}; stolen by the host: median {number(stolen, 2)}.",
        *(f"- Not run: {name}: {why}" for name, why in sorted(data["skipped"].items())),
    ]
    versions = table(
        ["server", "version", "command"], ([n, v["version"], f"`{v['command']}`"] for n, v in data["servers"].items())
    )
    return "\n".join(lines) + "\n\n" + versions


def markdown(data: dict[str, Any]) -> str:
    """Write the whole page."""
    samples = data["samples"]
    parts = [
        "# Results of the benchmark",
        "Written by `bench/run.py`; how to read it: [README.md](README.md). Figures are medians of rounds, with the "
        "smallest and the largest round in parentheses.",
        setting_section(data),
        target_section(samples),
    ]
    present = {s["row"] for s in samples}
    parts += [row_section(row, samples) for row in ROWS if row.name in present]
    return "\n\n".join(parts) + "\n"
