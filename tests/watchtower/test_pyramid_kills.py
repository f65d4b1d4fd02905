"""SIGKILL at random moments of a real writer, under a trainer that goes on: the next start mends what is left."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import orjson
import pytest

from realm.core.paths import Home
from realm.watchtower.pyramid import BUCKET, SERIES, STEP, WIDTHS
from realm.watchtower.pyramid_keeper import PyramidKeeper
from tests.arena.realm_home import eventually
from tests.watchtower.raw import Trainer, on_disk, slow_pyramid

KILLS = 30
STRUCK = 9  # status of a life that was ended at a chosen call
LIFE = """
import sys
from pathlib import Path
from realm.core.paths import Home
from realm.watchtower import row_reader
from realm.watchtower.pyramid_keeper import PyramidKeeper

row_reader.BLOCK = int(sys.argv[2])
keeper = PyramidKeeper(Home(Path(sys.argv[1])), lambda reason: print(reason, flush=True))
print("begins", flush=True)
while True:
    keeper.look()
"""


@contextmanager
def life(home: Home, block: int) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", LIFE, str(home.root), str(block)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "begins\n"
            yield process
        finally:
            process.kill()


@contextmanager
def meanwhile(act: threading.Thread, until: threading.Event) -> Iterator[None]:
    act.start()
    try:
        yield
    finally:
        until.set()
        act.join()


def is_up_to_date(home: Home) -> bool:
    index = orjson.loads((home.metrics / "pyramid" / "index.json").read_bytes())
    return bool(on_disk(home.metrics) == slow_pyramid(home.metrics) and index["bytes_left"] == 0)


@pytest.mark.parametrize("with_rewinds", [False, True])
def test_a_writer_that_is_killed_again_and_again_leaves_what_the_next_one_mends(
    tmp_path: Path, with_rewinds: bool
) -> None:
    home, random, ended = Home(tmp_path / "home"), Random(7), threading.Event()
    home.create()
    trainer = Trainer(home.metrics, seed=7, rotate_bytes=100_000)

    def train() -> None:
        while not ended.wait(0.005):
            trainer.act() if with_rewinds else trainer.train(random.randrange(1, 20))

    told: list[str] = []
    with meanwhile(threading.Thread(target=train), ended):
        for _ in range(KILLS):
            with life(home, random.choice([400, 3000, 4 * 2**20])) as process:
                time.sleep(random.random() * 0.15)  # the kill may fall anywhere
                process.kill()
                told += process.stdout or []
    with life(home, 4 * 2**20):
        eventually(lambda: is_up_to_date(home), what="the pyramid is that of all rows")
    rebuilt = [reason for reason in told if "does not exist" not in reason]
    assert all("CRC-32" in reason or "bytes, its index counts" in reason for reason in rebuilt), rebuilt
    assert len(rebuilt) < KILLS / 4 if with_rewinds else not rebuilt  # only a kill within a rewind's few calls


def struck(home: Home, call: int, is_torn: bool) -> bool:
    """One look whose process dies at that call that changes a file, or has made half of it; False if it lived on."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == STRUCK
    try:
        calls = count(1)
        for name in ("pwrite", "ftruncate", "replace", "unlink"):
            setattr(os, name, partial(_strike, getattr(os, name), calls, call, is_torn))
        keeper = PyramidKeeper(home, lambda reason: None)
        while keeper.look():
            pass
    finally:
        os._exit(0)


def _strike(real: Callable[..., Any], calls: Iterator[int], fatal: int, is_torn: bool, *arguments: Any) -> Any:
    if next(calls) == fatal:
        if is_torn and real.__name__ == "pwrite":
            file, content, offset = arguments
            real(file, content[: len(content) // 2 + 5], offset)
        os._exit(STRUCK)
    return real(*arguments)


class Scene(NamedTuple):
    """What the trainer does between two looks."""

    rewind_to: int | None
    lost: int  # steps whose rows a full disk swallows
    trained: int  # steps after that


SCENES = {
    "rows are added": Scene(None, 0, 30),
    "rows are lost": Scene(None, 40, 3),
    "steps are undone": Scene(70, 0, 0),
    "steps are undone and trained again": Scene(9, 0, 90),
    "steps are undone back to a gap": Scene(115, 0, 0),
    "all steps are undone": Scene(0, 0, 0),
}


@pytest.mark.parametrize("scene", SCENES)
def test_a_kill_at_every_call_that_changes_a_file_needs_no_build(tmp_path: Path, scene: str) -> None:
    home, told = Home(tmp_path / "home"), list[str]()
    home.create()
    trainer = Trainer(home.metrics, seed=9)
    trainer.train(100)
    trainer.step = 120
    trainer.train(50)
    caught_up(home, told)
    shutil.copytree(home.metrics / "pyramid", tmp_path / "before")
    rewind_to, lost, trained = SCENES[scene]
    if rewind_to is not None:
        trainer.rewind(rewind_to)
    trainer.step += lost
    trainer.train(trained)
    told.clear()
    points = 0
    for is_torn in (False, True):
        for call in count(1):
            shutil.rmtree(home.metrics / "pyramid")
            shutil.copytree(tmp_path / "before", home.metrics / "pyramid")
            if not struck(home, call, is_torn):
                break
            points += 1
            caught_up(home, told)
            assert on_disk(home.metrics) == slow_pyramid(home.metrics), (call, is_torn)
            assert told == [], (call, is_torn)
    assert points > 20


def caught_up(home: Home, told: list[str]) -> None:
    keeper = PyramidKeeper(home, told.append)
    while keeper.look():
        pass
    keeper.close()


def test_readers_see_whole_records_only(tmp_path: Path) -> None:
    """By the counts of an index that was read first, while rows come, steps are undone and the writer dies."""
    home, ended = Home(tmp_path / "home"), threading.Event()
    home.create()
    trainer = Trainer(home.metrics, seed=8, rotate_bytes=100_000)
    seen: list[int] = []

    def read() -> None:
        while not ended.is_set():
            seen.append(check_all_records(home.metrics / "pyramid"))

    with life(home, 3000):
        eventually(lambda: (home.metrics / "pyramid" / "32768.bin").exists(), what="a first pyramid")
    with meanwhile(threading.Thread(target=read), ended):
        for _ in range(8):
            with life(home, 3000):
                for _ in range(10):
                    trainer.act()
                before = len(seen)
                eventually(lambda before=before: len(seen) > before, what="a look of the reader")  # type: ignore[misc]
    assert min(seen) >= 0
    assert max(seen) > 100


def check_all_records(folder: Path) -> int:
    """Of what the index counts; less may be there, where steps were undone since. Returns how many there were."""
    try:
        index = orjson.loads((folder / "index.json").read_bytes())
        for width in WIDTHS:
            level = index["levels"][str(width)]
            records = (folder / level["file"]).read_bytes()[: level["records"] * BUCKET.size]
            whole = records[: len(records) - len(records) % BUCKET.size]
            for number, (first, count, *values) in enumerate(BUCKET.iter_unpack(whole)):
                assert count == 0 or (first == number * width + 1 and 0 < count <= width)
                for at in range(0, 3 * len(SERIES), 3):
                    low, high, last = values[at : at + 3]
                    assert low <= last <= high or low != low
        steps = (folder / index["steps"]["file"]).read_bytes()[: index["steps"]["records"] * STEP.size]
        assert all(fields[0] in (0.0, 1.0) for fields in STEP.iter_unpack(steps[: len(steps) // STEP.size * STEP.size]))
    except AssertionError:
        return -1
    return int(index["last_step"])
