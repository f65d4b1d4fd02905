"""The disk: room for the next seal and the next drop."""

import os
from collections.abc import Iterator

from realm.sentinels.durable import newest_whole
from realm.sentinels.finding import Finding, fine, note, trouble
from realm.sentinels.patient import Patient

SEAL_FACTOR = 1.1  # a seal begins only with so many times its size free
DROPS_KEEP = 256 * 2**20  # bytes that stay free whatever is dropped
FEW_FILES = 1000  # a seal takes 5, a quest 4
MIB = 2**20


def disk(patient: Patient) -> Iterator[Finding]:
    home = patient.home
    found = os.statvfs(home.seals)
    free = found.f_bavail * found.f_frsize
    newest = newest_whole(home.seals)
    needed = round(SEAL_FACTOR * newest.size) if newest else 0
    mend = f"free some: du -xh {home.root} | sort -h | tail; retention.* in config.json says what is kept"
    if free < needed:
        yield trouble(
            f"{_mib(free)} are free, the next seal needs {_mib(needed)}",
            "training goes on unsealed for seals.max_unsealed_minutes, then waits",
            mend,
        )
    elif free < 2 * needed:
        yield note(f"{_mib(free)} are free, a seal needs {_mib(needed)}", "it is enough for one", mend)
    if free < DROPS_KEEP:
        yield trouble(
            f"{_mib(free)} are free, {_mib(DROPS_KEEP)} are kept free", "drops stay in the inbox until there are", mend
        )
    if found.f_files and found.f_favail < FEW_FILES:
        yield trouble(
            f"{found.f_favail:,} more files can be made on this disk", "it runs out of inodes before it is full", mend
        )
    if free >= max(2 * needed, DROPS_KEEP):
        yield fine(f"disk: {_mib(free)} free" + (f", a seal needs {_mib(needed)}" if needed else ""))


def _mib(size: int) -> str:
    return f"{max(1, round(size / MIB)):,} MiB" if size else "0 MiB"
