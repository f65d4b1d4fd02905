"""`realm up` and `realm play`: real daemons below one parent, on real homes."""

import os
import shutil
import signal
from pathlib import Path

import orjson
import pytest

from realm.core.config import load_config
from realm.core.metrics import read_metrics
from realm.core.paths import Home
from realm.core.quests import QuestQueue
from realm.core.status import (
    QueueWatcherStatus,
    SchedulerStatus,
    TrainingStatus,
    WatchtowerStatus,
    is_locked,
    read_status,
)
from realm.guild.annals import read_annals
from realm.guild.presets import preset_of
from tests.arena.realm_home import log_of, make_home
from tests.arena.test_trainer import lines
from tests.cli.console import interrupt, start, started, until

DAEMONS = {
    "trainer": TrainingStatus,
    "queue-watcher": QueueWatcherStatus,
    "scheduler": SchedulerStatus,
    "watchtower": WatchtowerStatus,
}


@pytest.fixture
def whole(tmp_path: Path, squire: Path) -> Home:
    """A home with its hero."""
    return make_home(tmp_path / "home", squire)


def pid_of(home: Home, daemon: str) -> int | None:
    """Of the daemon that holds its lock now."""
    schema = DAEMONS[daemon]
    said = read_status(home.status / schema.FILE, schema)  # type: ignore[attr-defined]
    return said.writer.pid if said and is_locked(home.locks / f"{daemon}.lock") else None


def all_run(home: Home) -> bool:
    return all(pid_of(home, daemon) for daemon in DAEMONS)


def none_runs(home: Home) -> bool:
    return not any(is_locked(home.locks / f"{daemon}.lock") for daemon in DAEMONS)


def test_a_drop_is_trained_and_ctrl_c_ends_all_of_them_cleanly(whole: Home) -> None:
    (whole.inbox / "q.jsonl").write_bytes(lines(60))
    with started(whole, "up") as up:
        until(lambda: QuestQueue(whole).names("recently_completed"))
        assert interrupt(up) == 0
        told = up.stdout.read() if up.stdout else ""
    assert none_runs(whole)
    assert f"cp FILE.jsonl {whole.inbox}/" in told
    assert "http://127.0.0.1:8765/v1, " in told
    for text in ("q.jsonl waits, 60 lines", "is fought", "ended as it was told", "all daemons have ended"):
        assert text in told
    assert "event=end" in log_of(whole, "trainer")
    assert "event=end" in log_of(whole, "queue-watcher")


def test_one_that_dies_is_started_again_and_the_person_is_told(whole: Home) -> None:
    with started(whole, "up") as up:
        first = until(lambda: all_run(whole) and pid_of(whole, "queue-watcher"))
        os.kill(first, signal.SIGKILL)
        until(lambda: pid_of(whole, "queue-watcher") not in (None, first))
        assert interrupt(up) == 0
        told = up.stdout.read() if up.stdout else ""
    assert "queue-watcher ended with status -9 and is started again; why:" in told


def test_when_the_parent_is_killed_no_daemon_is_left_behind(whole: Home) -> None:
    with started(whole, "up") as up:
        until(lambda: all_run(whole))
        up.kill()
        until(lambda: none_runs(whole))


def test_a_second_one_ends_with_the_sentence_of_the_daemon_that_runs_already(whole: Home) -> None:
    with started(whole, "up") as first:
        until(lambda: all_run(whole))
        second = start(whole, "up")
        told, _ = second.communicate(timeout=60)
        assert second.returncode == 75
        assert "runs already" in told
        assert all_run(whole)
        assert interrupt(first) == 0


def test_a_file_that_a_person_must_mend_ends_all_of_them(whole: Home) -> None:
    shutil.rmtree(whole.models / "squire")
    process = start(whole, "up")
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 78
    assert "there is no such hero file" in told
    assert none_runs(whole)


def test_play_makes_everything_trains_and_goes_on_where_it_stood(tmp_path: Path) -> None:
    home = Home(tmp_path / "new")
    with started(home, "play") as play:
        until(lambda: read_metrics(home.metrics) if home.metrics.exists() else None)
        assert interrupt(play) == 0
    steps = len(read_metrics(home.metrics))
    assert orjson.loads(home.config_file.read_bytes())["model_name"] == "squire"
    assert preset_of(load_config(home.config_file).curriculum) == "bin_only"
    batches = list(read_annals(home))
    with started(home, "play") as play:
        until(lambda: len(read_metrics(home.metrics)) > steps)
        assert interrupt(play) == 0
    assert list(read_annals(home))[: len(batches)] == batches
    assert [row["step"] for row in read_metrics(home.metrics)][: steps + 1] == list(range(1, steps + 2))


def test_play_finishes_a_home_that_an_interrupted_start_left_without_its_hero(home: Home) -> None:
    with started(home, "play") as play:
        until(lambda: all_run(home))
        assert interrupt(play) == 0
    assert (home.models / "squire").is_dir()
