"""`python -m tests.protocol`: every fault at every call, and the table of what became of it. See also `--help`."""

import argparse
import signal
import sys
import tempfile
from pathlib import Path

import msgspec

from tests.protocol.cut_lives import cut
from tests.protocol.every_call import struck
from tests.protocol.injection import FAULTS, MEMORY
from tests.protocol.subjects import SUBJECTS
from tests.protocol.table import Row, lines


def main() -> int:
    asked = argparse.ArgumentParser(prog="python -m tests.protocol")
    asked.add_argument("subjects", nargs="*", metavar="SUBJECT", help=f"default: all of {', '.join(SUBJECTS)}")
    asked.add_argument("--fault", choices=FAULTS, action="append", help="default: all")
    asked.add_argument("--lives", metavar="COUNT", help="instead, cut so many lives of the trainer, or all")
    asked.add_argument("--seed", type=int, default=1, help="where they are cut")
    asked.add_argument("--json", type=Path, help="write the rows here, too")
    words = asked.parse_args()
    signal.signal(signal.SIGTERM, lambda *about: sys.exit(128 + signal.SIGTERM))  # homes in memory are removed
    rows: list[Row] = []
    for fault in words.fault or FAULTS:
        with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
            if words.lives:
                found = cut(fault, Path(folder), None if words.lives == "all" else int(words.lives), words.seed)
            else:
                found = struck(words.subjects or list(SUBJECTS), fault, Path(folder))
        complaints = [complaint for row in found for complaint in row.complaints]
        print(*lines(found), *complaints, "", sep="\n", flush=True)
        rows += found
    if words.json:
        words.json.write_bytes(msgspec.json.encode(rows))
    return int(any(row.complaints for row in rows))


sys.exit(main())
