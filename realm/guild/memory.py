"""Memory of this machine, and what an exam in a process of its own takes of it."""

from pathlib import Path

OVERHEAD = 600 * 2**20  # bytes that torch takes before it has loaded anything
COPIES = 3  # of a checkpoint's bytes while its model answers: the file, the weights, the keys and values


def exam_shortage(weights: Path) -> str | None:
    """Why an exam of these weights may not be sat here now; None if it may. Raises OSError."""
    needed, free = OVERHEAD + COPIES * weights.stat().st_size, memory_available()
    return None if free >= needed else f"an exam needs {needed:,} bytes of memory, {free:,} are available"


def memory_available() -> int:
    """Bytes that a new process may take without swapping."""
    lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    return int(lines["MemAvailable"].split()[0]) * 1024
