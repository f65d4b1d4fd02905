"""A home in which everything has happened once that ends a quest, made by real daemons."""

import gzip
import shutil
import signal
from pathlib import Path
from typing import Any

import msgspec

from realm.core.history import read_history
from realm.core.metrics import read_metrics
from realm.core.paths import Home
from realm.core.quests import QUEST_FILE, QuestQueue
from tests.arena.realm_home import eventually, log_of, make_home, put_quest, running
from tests.arena.watcher import chat

SMALL: dict[str, Any] = {
    "batch_size": 1,
    "max_length": 128,
    "checkpoint_steps": 20,
    "eval_steps": 0,
    "overlong": "fail",
}


def make(root: Path, squire: Path) -> tuple[Home, Home]:
    """The home as a kill left it in the middle of a quest, and as its daemons ended it later.

    Completed (one of them twice, as it was retried), skipped, failed while it was trained, failed unread, refused.
    """
    home = make_home(root / "home", squire, **SMALL)
    edit(home.config_file, seals={"dry_minutes": 0.0, "gb_per_day": 100_000.0})  # when the queue is dry, at once
    queue = QuestQueue(home)
    with running("queue_watcher", home):
        (home.inbox / "first.jsonl.meta.json").write_text('{"generator_id": "sums", "example_count": 20}')
        (home.inbox / "first.jsonl").write_bytes(lines(20))
        (home.inbox / "packed.jsonl.gz").write_bytes(gzip.compress(lines(20, first=100)))
        (home.inbox / "broken.jsonl").write_text("no JSON\n")
        (home.inbox / "cut.jsonl.gz").write_bytes(gzip.compress(lines(20))[:40])
        (home.inbox / "link.jsonl").symlink_to(root / "nowhere")
        (home.inbox / "edited.jsonl").write_bytes(lines(20, first=200))
        eventually(lambda: not [path for path in home.inbox.rglob("*") if not path.is_dir()], what="an empty inbox")
        eventually(lambda: (home.status / "data_lineage.json").exists())
        edited = next(home.queue.glob("normal/*-edited-*")) / QUEST_FILE
        edited.write_bytes(edited.read_bytes() + lines(1))
        with running("trainer", home):
            until_ended(home, 3)
            first = next(home.completed.glob("*-first-*")).name
            queue.retry(first, "normal")
            put_quest(home, lines(10, first=300) + chat("long " * 300) + lines(10, first=400), name="overlong.jsonl")
            until_ended(home, 5)
            (home.inbox / "skipped.jsonl").write_bytes(lines(400, first=500))
            was = step_now(home)
            eventually(lambda: step_now(home) > was + 5, what="steps of the third quest")
            (home.control / ".skip").touch()
            until_ended(home, 6)
        with running("trainer", home) as trainer:
            (home.inbox / "long.jsonl").write_bytes(lines(200, first=1000))
            was = step_now(home)
            eventually(lambda: step_now(home) > was + 5, what="steps of the last quest")
            trainer.send_signal(signal.SIGKILL)
            trainer.wait()
    killed = Home(root / "killed")
    shutil.copytree(home.root, killed.root, symlinks=True)
    with running("queue_watcher", home), running("trainer", home):
        until_ended(home, 7)
    return killed, home


def lines(count: int, first: int = 0) -> bytes:
    return b"".join(chat(f"How much is {n} plus 7?", f"{n} plus 7 is {n + 7}.") for n in range(first, first + count))


def until_ended(home: Home, count: int) -> None:
    file = home.history / "trainer.jsonl"
    eventually(lambda: len(list(read_history(file))) >= count, 180, f"{count} ended quests: {log_of(home)}")


def step_now(home: Home) -> int:
    rows = read_metrics(home.metrics)
    return int(rows[-1]["step"]) if rows else 0


# Damage


def quest(home: Home, part: str) -> Path:
    """The folder of a quest."""
    [found] = home.queue.glob(f"*/*-{part}-*")
    return found


def edit(file: Path, **changes: object) -> None:
    """Other values of some fields of a JSON file."""
    file.write_bytes(msgspec.json.encode({**msgspec.json.decode(file.read_bytes()), **changes}))


def edit_line(file: Path, number: int, **changes: object) -> None:
    """Other values of some fields of a line, counted from 0."""
    texts = file.read_bytes().splitlines(keepends=True)
    texts[number] = msgspec.json.encode({**msgspec.json.decode(texts[number]), **changes}) + b"\n"
    file.write_bytes(b"".join(texts))


def delete_line(file: Path, number: int) -> None:
    texts = file.read_bytes().splitlines(keepends=True)
    del texts[number]
    file.write_bytes(b"".join(texts))


def flip(file: Path) -> None:
    """Another byte in its middle; in a new file, as copies of a home share the large ones."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.unlink()
    file.write_bytes(content)


def copy(home: Home, root: Path) -> Home:
    """All that is audited. Tensors are linked, not copied."""
    shutil.copytree(
        home.root,
        root,
        symlinks=True,
        ignore=shutil.ignore_patterns("models"),
        copy_function=lambda source, target: (
            Path(target).hardlink_to(source) if source.endswith(".safetensors") else shutil.copy2(source, target)
        ),
    )
    copied = Home(root)
    copied.create()
    return copied
