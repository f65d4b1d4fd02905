"""How long the tavern's quest list, one quest and the game take: 10,000 quests wait, 100,000 have ended.

    python -m tests.benchmarks.tavern_quests [--waiting 10000] [--ended 100000] [--home FOLDER]

The home is made once (minutes) and kept. Prints milliseconds: the first look, looks at a home that rests, looks at a
home in which a quest ends before each.
"""

import argparse
import os
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import orjson

from realm.core.history import EndedQuest
from realm.core.paths import Home
from realm.core.quests import QuestMeta
from tests.tavern.serving import ServerProcess, ask

FIRST = datetime(2025, 1, 1, tzinfo=UTC)
DIGEST = "0" * 64
LOOKS = 20


def name_of(number: int) -> str:
    return f"{FIRST + timedelta(seconds=number):%Y%m%dT%H%M%S.%f}Z-quest-{DIGEST[:8]}"


def lay(folder: Path, number: int, result: bytes = b"") -> None:
    quest = folder / name_of(number)
    quest.mkdir()
    meta = QuestMeta(
        name=quest.name,
        original_name=f"{number}.jsonl",
        sha256=DIGEST,
        bytes=1,
        lines=1,
        schema_id="chat_sft_v1",
        priority="low",
        admitted_at=FIRST,
    )
    (quest / "meta.json").write_bytes(msgspec.json.encode(meta))
    if result:
        (quest / "result.json").write_bytes(result)


def history_line(number: int) -> bytes:
    ended_at = FIRST + timedelta(seconds=number)
    data = {"first_step": number * 10, "generator_id": "curriculum", "skill": "bin", "level": 3}
    line = EndedQuest(
        claim=number, campaign="c", quest=name_of(number), outcome="completed", ended_at=ended_at, tokens=9, data=data
    )
    return orjson.dumps(msgspec.to_builtins(line), option=orjson.OPT_APPEND_NEWLINE)


def make(home: Home, waiting: int, ended: int) -> None:
    if home.format_file.exists():
        return
    home.create()
    result = orjson.dumps({"outcome": "completed", "steps": 10, "tokens": 9, "gold": 100, "total": 0})
    for number in range(ended):
        lay(home.completed, number, result)
    for number in range(ended, ended + waiting):
        lay(home.queue / "low", number)
    (home.history / "trainer.jsonl").write_bytes(b"".join(map(history_line, range(ended))))


def milliseconds(server: ServerProcess, path: str) -> float:
    began = time.perf_counter()
    assert ask(server.port, path)[0] == 200
    return 1000 * (time.perf_counter() - began)


def measure(home: Home, path: str, number: int) -> str:
    """A quest of this number and those behind it end meanwhile."""
    server = ServerProcess(home)
    try:
        first = milliseconds(server, path)
        rests = [milliseconds(server, path) for _ in range(LOOKS)]
        moves = []
        for one in range(number, number + LOOKS):
            lay(home.completed, one, b'{"outcome": "completed"}')
            with (home.history / "trainer.jsonl").open("ab") as file:
                file.write(history_line(one))
            moves.append(milliseconds(server, path))
        shown = " ".join(f"{statistics.median(times):6.1f} ({max(times):6.1f})" for times in (rests, moves))
        return f"first {first:7.1f}; rests, moves: median (most) {shown}; peak {server.peak_bytes / 2**20:.0f} MiB"
    finally:
        server.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--waiting", type=int, default=10_000)
    parser.add_argument("--ended", type=int, default=100_000)
    parser.add_argument("--home", type=Path, default=Path(tempfile.gettempdir()) / "tavern-quests")
    asked = parser.parse_args()
    home = Home(asked.home)
    os.environ["REALM_HOME"] = str(home.root)
    make(home, asked.waiting, asked.ended)
    number = 10**9 + time.time_ns() // 10**9 % 10**8  # behind every quest that is there
    for path in ("/api/quests", f"/api/quests/{name_of(asked.ended // 2)}", "/api/game"):
        number += LOOKS
        print(f"{path[:24]:24} {measure(home, path, number)}")


if __name__ == "__main__":
    main()
