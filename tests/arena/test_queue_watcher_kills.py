"""The daemon, killed: at random moments, and exactly between the steps that matter. Nothing is lost or doubled."""

import gzip
import json
import random
import re
import shutil
import subprocess
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from realm.core.paths import Home
from tests.arena.watcher import FAILED, WAITING, Watcher, chat, meta, plain, until

KILLS = 16
DROPS = 40
STRACE = shutil.which("strace")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    return home


def content_of(number: int) -> bytes:
    """Every fifth drop is bad."""
    return chat(f"drop {number} " + "and more " * 2000) * 20 + (b"oops\n" if number % 5 == 4 else b"")


def lay(home: Home, number: int) -> None:
    """A drop as somebody moves it in; every third is compressed, every fourth has a sidecar."""
    content = content_of(number)
    suffix, content = (".gz", gzip.compress(content, 1)) if number % 3 == 2 else ("", content)
    folder = home.inbox / ("high", "normal", "low")[number % 3]
    names = [f"drop-{number}.jsonl{suffix}"]
    (home.root / names[0]).write_bytes(content)
    if number % 4 == 3:
        names.insert(0, f"{names[0]}.meta.json")
        (home.root / names[0]).write_text(json.dumps({"generator_id": f"generator-{number}"}))
    for name in names:
        (home.root / name).rename(folder / name)


def check_all_there_once(watcher: Watcher, numbers: range) -> None:
    """Each drop is one quest with its bytes and its lineage; each refusal is told once."""
    quests = watcher.quests()
    names = Counter(meta(quest)["original_name"].removesuffix(".gz") for quest in quests)
    assert names == {f"drop-{number}.jsonl": 1 for number in numbers}
    for quest in quests:
        number = int(re.findall(r"drop-(\d+)", meta(quest)["original_name"])[0])
        assert plain(quest) == content_of(number)
        assert (quest.parent.name == FAILED) == (number % 5 == 4)
        expected = f"generator-{number}" if number % 4 == 3 else "unknown"
        assert meta(quest)["generator_id"] == expected
    refused = [quest.name for quest in watcher.quests(FAILED)]
    assert sorted(line["quest"] for line in watcher.history()) == refused
    assert sorted(event["data"]["quest"] for event in watcher.events("quest.refused")) == refused
    admitted = [quest.name for quest in watcher.quests(*WAITING)]
    assert sorted(event["data"]["quest"] for event in watcher.events("quest.admitted")) == admitted
    lineage = json.loads((watcher.home.status / "data_lineage.json").read_bytes())
    assert lineage["total_validations"] == len(numbers)
    assert list(watcher.home.staging.iterdir()) == []
    assert [path for path in watcher.home.inbox.rglob("*") if path.is_file()] == []


def test_killed_at_random_moments_it_loses_and_doubles_nothing(home: Home) -> None:
    chance = random.Random(7)
    watcher = Watcher(home)
    laid, moments = 0, Counter[str]()
    try:
        for kill in range(KILLS):
            while laid * KILLS < DROPS * (kill + 1):
                lay(home, laid)
                laid += 1
            until_it_works(watcher, kill)
            with suppress(subprocess.TimeoutExpired):
                watcher.process.wait(chance.uniform(0.0, 0.02))
            watcher.kill()
            moments["while it copied" if any(home.staging.iterdir()) else "in between"] += 1
            watcher.start_again()
        until(lambda: watcher.log.count("event=ready") > KILLS)
        until(lambda: len(watcher.quests()) == DROPS and not any(path.is_file() for path in home.inbox.rglob("*")))
        assert watcher.stop() == 0
    finally:
        watcher.kill()
    print(f"{KILLS} kills over {DROPS} drops:", dict(moments))
    check_all_there_once(watcher, range(DROPS))


def until_it_works(watcher: Watcher, kills: int) -> None:
    """Recovered from the last kill, and at a drop."""
    before = len(watcher.quests())
    until(lambda: watcher.log.count("event=ready") > kills)
    until(lambda: any(watcher.home.staging.iterdir()) or len(watcher.quests()) > before)


MOMENTS = {  # the system call that the kill comes before, and what it is about; bad: of refusals only
    "the rename": ("renameat2", ""),
    "the rename is durable": ("fsync", "{queue}"),
    "the history line": ("fsync", "{history}"),
    "the sidecar is removed": ("unlink,unlinkat", "{sidecar}"),
    "the drop is removed": ("unlink,unlinkat", "{drop}"),
}
CASES = [(moment, bad) for moment in MOMENTS for bad in (False, True) if bad or moment != "the history line"]


@pytest.mark.skipif(STRACE is None, reason="strace is not installed")
@pytest.mark.parametrize(("moment", "bad"), CASES, ids=[f"{'refusal' if bad else 'quest'}: {it}" for it, bad in CASES])
def test_killed_right_before_a_step_it_goes_on_from_there(home: Home, moment: str, bad: bool) -> None:
    number = next(number for number in range(100) if number % 4 == 3 and (number % 5 == 4) == bad)
    lay(home, number)
    (sidecar,) = home.inbox.rglob("*.meta.json")
    drop = sidecar.with_name(sidecar.name.removesuffix(".meta.json"))
    watcher = Watcher(home, tracer=killer(home, moment, bad, drop))
    try:
        watcher.process.wait(60)
        is_renamed, is_sidecar_gone = moment != "the rename", moment == "the drop is removed"
        assert (drop.exists(), sidecar.exists(), len(watcher.quests())) == (True, not is_sidecar_gone, int(is_renamed))
        watcher = Watcher(home)
        until(lambda: len(watcher.quests()) == 1 and not drop.exists() and not sidecar.exists())
        assert watcher.stop() == 0
        check_all_there_once(watcher, range(number, number + 1))
    finally:
        watcher.kill_traced()


def killer(home: Home, moment: str, bad: bool, drop: Path) -> tuple[str, ...]:
    """A tracer that kills at the first such call."""
    calls, about = MOMENTS[moment]
    path = about.format(
        queue=home.queue / (FAILED if bad else drop.parent.name),
        history=home.history / "queue-watcher.jsonl",
        sidecar=drop.with_name(f"{drop.name}.meta.json"),
        drop=drop,
    )
    only = ("-P", path) if path else ()
    return (str(STRACE), "-f", "-o", "/dev/null", *only, "-e", f"trace={calls}", "-e", f"inject={calls}:signal=KILL")
