"""What a home tells of itself once a disaster is over, and the words to bring one about."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest

from realm.arena.battle.seal import newest_verified
from realm.arena.battle.snapshot import WEIGHTS
from realm.core.events import tail
from realm.core.history import EndedQuest, read_history
from realm.core.metrics import read_metrics
from realm.core.paths import Home
from realm.core.quests import STATES, QuestQueue
from realm.core.status import TrainingStatus, read_status
from tests.arena.realm_home import eventually, log_of, make_home, put_quest, running, start

SMALL = {"batch_size": 1, "max_length": 128, "checkpoint_steps": 10_000, "eval_steps": 0, "holdout": 0.0}
NEVER = 14_000.0  # seconds


def lines(count: int, first: int = 0) -> bytes:
    """Sums; about four of them make a step of `SMALL`."""
    return b"".join(_sum(number, 7919 * number % 100) for number in range(first, first + count))


def _sum(one: int, other: int) -> bytes:
    question, answer = f"How much is {one} plus {other}?", f"{one} plus {other} is {one + other}."
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return orjson.dumps({"messages": turns}) + b"\n"


def small_home(root: Path, squire: Path, quests: int = 0, *, seal_seconds: float = NEVER, **training: object) -> Home:
    """With so many short quests; it seals when the queue is dry, and when a test asks for it."""
    home = make_home(root, squire, seal_seconds=seal_seconds, **{**SMALL, **training})
    set_config(home, seals={"gb_per_day": 1e6})  # else a seal too many in a test would wait for seconds
    for number in range(quests):
        put_quest(home, lines(20, first=1000 * (number + 1)), name=f"q{number}.jsonl")
    return home


def set_config(home: Home, **changes: object) -> None:
    """Sections are overlaid, everything else replaced."""
    config = orjson.loads(home.config_file.read_bytes())
    for key, value in changes.items():
        config[key] = {**config.get(key, {}), **value} if isinstance(value, dict) else value
    home.config_file.write_bytes(orjson.dumps(config))


def copy_of(home: Home, root: Path) -> Home:
    shutil.copytree(home.root, root)
    return Home(root)


# Lives


def finish(home: Home, count: int, before: str = "") -> None:
    """Runs the trainer until so many quests have ended, then ends it cleanly."""
    with running("trainer", home, before) as trainer:
        eventually(lambda: len(history(home)) >= count or trainer.poll() is not None, 180, f"{count} ended quests")
    assert trainer.returncode == 0, log_of(home)
    assert len(history(home)) == count, log_of(home)


def die(home: Home, before: str, status: int = 9) -> None:
    """Runs the trainer until a hook ends it."""
    assert start("trainer", home, before).wait(180) == status, log_of(home)


# What it tells


def weights(home: Home) -> str:
    """SHA-256 of the newest seal's weights."""
    seal, problems = newest_verified(home.seals)
    assert seal
    assert problems == []
    return seal.manifest.parts[WEIGHTS].sha256


def history(home: Home) -> list[EndedQuest]:
    return list(read_history(home.history / "trainer.jsonl"))


def story(home: Home) -> list[tuple[object, ...]]:
    """What became of each claim."""
    return [(one.claim, one.quest, one.outcome, one.steps) for one in history(home)]


def curve(home: Home) -> list[tuple[object, ...]]:
    return [(row["step"], row["claim"], row["loss"]) for row in read_metrics(home.metrics)]


def step_now(home: Home) -> int:
    rows = read_metrics(home.metrics)
    return int(rows[-1]["step"]) if rows else 0


def status(home: Home) -> TrainingStatus | None:
    return read_status(home.status / TrainingStatus.FILE, TrainingStatus)


def problems(home: Home) -> str:
    shown = status(home)
    return "; ".join(shown.problems) if shown else ""


def state(home: Home) -> str:
    shown = status(home)
    return shown.state if shown else ""


def kinds(home: Home) -> list[str]:
    return [event.kind for event in tail([home.events / "trainer.jsonl"], 1000)]


def seals(home: Home) -> list[Path]:
    """Oldest first."""
    named = [path for path in home.seals.iterdir() if path.name[0].isdigit()]
    return sorted(named, key=lambda path: int(path.name.partition("-")[2]))


def verdict(home: Home, quest: str) -> dict[str, object]:
    """The result.json or error.json of an ended quest."""
    found = QuestQueue(home).find(quest)
    assert found
    file = next(found.path / name for name in ("result.json", "error.json") if (found.path / name).exists())
    content: dict[str, object] = orjson.loads(file.read_bytes())
    return content


def check_each_is_somewhere_once(home: Home) -> None:
    names = [name for state in STATES for name in QuestQueue(home).names(state)]
    assert len(names) == len(set(names))
    assert QuestQueue(home).names("processing") == []
    assert list(home.staging.iterdir()) == []


# Damage and disks


def change_a_byte(file: Path, at: int | None = None) -> None:
    """In its middle, unless told where."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2 if at is None else at] ^= 1
    file.write_bytes(content)


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount, and make files immutable")


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A disk of its own, in memory."""
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder]).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
