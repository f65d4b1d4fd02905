"""What a service's sandbox lets through, as one line of JSON: systemd starts this just before the daemon."""

import errno
import json
import mmap
import os
import pwd
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from realm.arena.intake.leases import writers_of
from realm.core.paths import PLACES, SYSTEM_HOME


def outcome(act: Callable[[], object]) -> str:
    """`ok`, or the name of the error."""
    try:
        act()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "ok"


def write_into(folder: Path) -> None:
    file = folder / f".probe-{os.getpid()}"
    file.write_bytes(b"")
    file.unlink()


def main(unit: str, elsewhere: list[str]) -> None:
    folders = [str(SYSTEM_HOME / place.path) for place in PLACES if place.kind == "folder"]
    found = {
        "unit": unit,
        "user": pwd.getpwuid(os.getuid()).pw_name,
        "writes": {
            folder: outcome(lambda folder=folder: write_into(Path(folder))) for folder in [*folders, *elsewhere]
        },
        "internet": outcome(lambda: socket.socket(socket.AF_INET).close()),
        "gpu": outcome(lambda: os.open("/dev/nvidia0", os.O_RDWR)),
        "machine code": outcome(lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)),
        "another's file": writers_of(SYSTEM_HOME / "inbox/.of-alice").name,
    }
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
