"""What the parts of `make bench` share: paired rounds, medians and ratios of them, one table, one JSON file.

A part is a module with `measure(asked) -> list[Table]`. It can be run alone: python -m tests.benchmarks.throughput
"""

import argparse
import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TypeVar

import msgspec
from msgspec import Struct

Answer = TypeVar("Answer")


class Row(Struct):
    """One way of doing it: a value of each round, in the table's unit."""

    way: str
    values: list[float]
    note: str = ""

    @property
    def median(self) -> float:
        return median(self.values)


class Table(Struct):
    """Several ways of doing the same. The ratio of a row is the median, over the rounds, of its value / the rival's."""

    title: str
    unit: str
    rows: list[Row]
    rival: str | None = None  # the way that the others are compared with
    notes: list[str] = []

    def ratio(self, row: Row) -> float | None:
        rival = next((one for one in self.rows if one.way == self.rival), None)
        if rival is None or rival is row:
            return None
        return median(value / beside for value, beside in zip(row.values, rival.values, strict=False))


class Machine(Struct):
    """Where and beside what it was measured."""

    processor: str
    cores: int
    load: tuple[float, ...]  # over 1, 5 and 15 minutes, when it began
    at: datetime

    @classmethod
    def now(cls) -> "Machine":
        names = [line.partition(":")[2].strip() for line in _cpu_lines() if line.startswith("model name")]
        processor = names[0] if names else platform.machine()
        return cls(processor, len(os.sched_getaffinity(0)), os.getloadavg(), datetime.now(UTC))

    def __str__(self) -> str:
        load = " ".join(f"{one:.1f}" for one in self.load)
        return f"{self.processor}, {self.cores} cores, load before {load}, {self.at:%Y-%m-%d %H:%M} UTC"


def _cpu_lines() -> list[str]:
    file = Path("/proc/cpuinfo")
    return file.read_text().splitlines() if file.exists() else []


class Report(Struct):
    """What a part, or all of them, found."""

    machine: Machine
    tables: list[Table]


class Asked(Struct):
    """How a part is to be run."""

    rounds: int
    small: bool  # tiny sizes: shows that it runs, and nothing else
    rivals: bool


def paired(ways: Mapping[str, Callable[[], Answer]], rounds: int) -> dict[str, list[Answer]]:
    """All ways one after the other in each round, every second round backwards: what disturbs one disturbs all."""
    answers: dict[str, list[Answer]] = {way: [] for way in ways}
    for number in range(rounds):
        for way in reversed(ways) if number % 2 else ways:
            answers[way].append(ways[way]())
    return answers


def seconds_of(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def lines(table: Table) -> list[str]:
    """For a terminal."""
    width = max(len(row.way) for row in table.rows)
    head = f"{table.title} ({table.unit}; median and range of the rounds)"
    beside = f"  x {table.rival}" if table.rival else ""
    made = [head, f"  {'':{width}} {'median':>10} {'least':>10} {'most':>10}{beside}"]
    for row in table.rows:
        figures = " ".join(f"{_short(one):>10}" for one in (row.median, min(row.values), max(row.values)))
        ratio = table.ratio(row)
        shown = "" if not table.rival else f"  {'' if ratio is None else f'{ratio:.3g}':>{len(beside) - 2}}"
        made.append(f"  {row.way:{width}} {figures}{shown}  {row.note}".rstrip())
    return [*made, *(f"  {note}" for note in table.notes)]


def _short(value: float) -> str:
    """Three digits at the least, and thousands apart."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def run(about: str | None, measure: Callable[[Asked], Iterable[Table]], rounds: int = 5) -> None:
    """The command of one part: each table is shown once it is there."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--small", action="store_true", help="tiny sizes: shows that it runs, and nothing else")
    parser.add_argument("--no-rivals", action="store_true", help="ours alone, without the rivals' environment")
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    machine = Machine.now()
    print(machine, flush=True)
    asked = Asked(rounds=given.rounds, small=given.small, rivals=not given.no_rivals)
    report = Report(machine, [])
    for table in measure(asked):
        report.tables.append(table)
        print(*lines(table), "", sep="\n", flush=True)
        if given.json:
            given.json.write_bytes(msgspec.json.format(msgspec.json.encode(report)))
