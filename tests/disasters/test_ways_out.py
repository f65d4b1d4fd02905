"""Where a person has to act, a daemon ends with a sentence, and leaves nothing behind."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from realm.core.paths import Home
from realm.core.status import is_locked
from tests.arena.realm_home import eventually, log_of, put_quest, start
from tests.disasters.records import finish, history, lines, small_home

REALM = [sys.executable, "-m", "realm"]


@pytest.mark.parametrize(("daemon", "file"), [("trainer", "trainer"), ("queue_watcher", "queue-watcher")])
def test_a_damaged_history_is_named_by_line_and_nothing_is_counted_anew(
    tmp_path: Path, squire: Path, daemon: str, file: str
) -> None:
    home = small_home(tmp_path / "home", squire)
    damaged = home.history / f"{file}.jsonl"
    damaged.write_bytes(b'{"claim": 1, "quest"\n{"claim": 2}\n')
    assert start(daemon, home).wait(60) == os.EX_CONFIG
    assert f'event=cannot-start reason="{damaged}, line 1: ' in log_of(home, daemon).replace("\\", "")
    assert "mend the line by hand from a backup" in log_of(home, daemon)
    assert "Traceback" not in log_of(home, daemon)
    assert damaged.read_bytes().startswith(b'{"claim": 1, "quest"\n')


def test_a_history_torn_by_a_power_cut_is_no_damage(tmp_path: Path, squire: Path) -> None:
    home = small_home(tmp_path / "home", squire, quests=1)
    finish(home, 1)
    file = home.history / "trainer.jsonl"
    file.write_bytes(file.read_bytes() + b'{"claim": 2, "qu')
    put_quest(home, lines(20, first=900))
    finish(home, 2)
    assert [one.claim for one in history(home)] == [1, 2]


def test_realm_up_whose_reader_has_gone_ends_all_daemons_cleanly(tmp_path: Path, squire: Path) -> None:
    """As behind `| head`: the first word after that is one too many."""
    home = Home(tmp_path / "home")
    home.create()
    shutil.copytree(squire, home.models / "squire")
    up = subprocess.Popen(
        [*REALM, "--home", str(home.root), "up"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    locks = [home.locks / "trainer.lock", home.locks / "queue-watcher.lock"]
    try:
        eventually(lambda: all(lock.exists() and is_locked(lock) for lock in locks) or up.poll() is not None, 120)
        assert up.stdout
        up.stdout.close()
        (home.inbox / "x.jsonl").write_bytes(lines(20))
        up.wait(120)
        assert up.stderr
        assert "Traceback" not in up.stderr.read()
        eventually(lambda: not any(is_locked(lock) for lock in locks), 60, "no daemon is left")
        for name in ("trainer", "queue-watcher"):
            assert "event=end" in (home.logs / f"{name}.log").read_text()
    finally:
        up.kill()
        up.wait()
