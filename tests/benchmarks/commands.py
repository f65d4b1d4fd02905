"""How long a person waits for the command line: python -m tests.benchmarks.commands --rounds 11

Whole processes, from their start to their end. `realm status` in a home with a few quests, and in one where 100,000
have ended. Beside it stands TRL's command line, as the one that its users type.
"""

import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import msgspec

from realm.core.history import EndedQuest
from realm.core.paths import Home
from tests.benchmarks import measuring
from tests.benchmarks.measuring import Asked, Row, Table, paired, seconds_of
from tests.benchmarks.workers import environment, rivals_python

REALM = (sys.executable, "-m", "realm")
RIVAL = "trl --help"


def measure(asked: Asked) -> list[Table]:
    with tempfile.TemporaryDirectory() as name:
        few, many = (made(Path(name) / str(count), count) for count in (3, 1000 if asked.small else 100_000))
        ways = {
            "python -c pass": partial(run, few, sys.executable, "-c", "pass"),
            "realm --version": partial(run, few, *REALM, "--version"),
            "realm status": partial(run, few, *REALM, "status"),
            "realm status, many quests have ended": partial(run, many, *REALM, "status"),
        }
        if asked.rivals:
            ways[RIVAL] = partial(run, few, str(rivals_python().with_name("trl")), "--help")
        rounds = paired(ways, asked.rounds)
    rows = [Row(way, values) for way, values in rounds.items()]
    return [Table("Command line", "ms", rows, rival=RIVAL if asked.rivals else None)]


def made(root: Path, ended: int) -> Home:
    home = Home(root)
    home.create()
    (home.history / "trainer.jsonl").write_bytes(b"".join(line(number) for number in range(ended)))
    return home


def line(number: int) -> bytes:
    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
    quest = EndedQuest(
        claim=number + 1,
        campaign="bench",
        quest=f"{moment:%Y%m%dT%H%M%S.%fZ}-bench-0a1b2c3d",
        outcome="completed",
        ended_at=moment,
        priority="normal",
        sha256="0" * 64,
        bytes=1000,
        steps=3,
        examples=30,
        tokens=900,
        seal=f"{number:09}-{number}",
    )
    return msgspec.json.encode(quest) + b"\n"


def run(home: Home, *command: str) -> float:
    place = {**environment(), "REALM_HOME": str(home.root)}
    call = partial(subprocess.run, command, env=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return 1000 * seconds_of(call)


if __name__ == "__main__":
    measuring.run(__doc__, measure, rounds=11)
