"""All benchmarks of speed and memory, one after the other: make bench

Prints each table once it is measured, and writes them to bench.json. The machine should do nothing else; the load it
began with is told. Rivals are installed into .bench-venv on first use.
"""

from collections.abc import Iterator

from tests.benchmarks import (
    commands,
    measuring,
    memory,
    oracle,
    queue_scan,
    resume,
    seal_stall,
    throughput,
    turnaround,
)
from tests.benchmarks.measuring import Asked, Table

PARTS = (throughput, turnaround, resume, seal_stall, memory, queue_scan, commands, oracle)


def measure(asked: Asked) -> Iterator[Table]:
    for part in PARTS:
        yield from part.measure(asked)


if __name__ == "__main__":
    measuring.run(__doc__, measure)
