"""`realm migrate`: to made-up formats, refused, killed at each system call, and of homes that older versions made."""

import os
import shutil
import subprocess
import sys
from itertools import count
from pathlib import Path

import msgspec
import pytest

from realm.arena.battle.journal import Journal, Position
from realm.core import paths
from realm.core.history import read_history
from realm.core.instance import InstanceLock
from realm.core.locked import read_locked
from realm.core.metrics import read_metrics
from realm.core.paths import Home
from realm.core.quests import QuestQueue
from realm.sentinels import migration
from realm.sentinels.durable import journal_lines, newest_whole
from realm.sentinels.migration import RECORD, CannotMigrate, Record, Step, migrate
from tests.arena.realm_home import log_of, put_quest, running
from tests.arena.test_trainer import lines
from tests.cli.console import picture, realm, until
from tests.sentinels import formats
from tests.sentinels.conftest import Unpack, troubles

STRACE = shutil.which("strace")
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch) -> None:
    """This realm knows format 3."""
    monkeypatch.setattr(paths, "FORMAT_VERSION", formats.NEWEST)
    monkeypatch.setattr(migration, "FORMAT_VERSION", formats.NEWEST)
    monkeypatch.setattr(migration, "STEPS", dict(formats.STEPS))


def backups(home: Home) -> list[Path]:
    return sorted((home.vault / "backups").iterdir(), key=lambda path: path.name.partition("migrate")[2])


# A home of this format


def test_a_home_that_lacks_nothing_stays_as_it_is(home: Home) -> None:
    before = picture(home)
    assert realm(home, "migrate").stdout == f"🏰 {home.root} has format 1: nothing to do\n"
    assert picture(home) == before


def test_folders_of_a_later_version_are_made_with_their_modes(home: Home) -> None:
    for folder in (home.exams, home.queue / "high"):
        shutil.rmtree(folder)
    assert realm(home, "migrate").stdout == f"made: queue/high, exams\n🏰 {home.root} has format 1\n"
    assert (home.missing(), troubles(home)) == ([], [])


def test_what_is_no_home_or_of_an_unknown_format_is_refused_and_left_alone(home: Home, tmp_path: Path) -> None:
    nowhere = Home(tmp_path / "nowhere")
    assert "is no realm's home: `realm init` makes one" in realm(nowhere, "migrate", ends_with=1).stderr
    assert not nowhere.root.exists()
    for text, words in (
        ("2", "install the newer realm again"),
        ("two", "is a whole number"),
        ("0", "move format 0 on"),
    ):
        home.format_file.write_text(text)
        before = picture(home)
        assert words in realm(home, "migrate", ends_with=1).stderr
        assert picture(home) == before


# A home of an older format


@pytest.mark.usefixtures("newer")
def test_each_version_is_backed_up_changed_and_named(home: Home) -> None:
    old_config = home.config_file.read_bytes()
    old_history = {file.name: file.read_bytes() for file in home.history.iterdir()}
    home.exams.rmdir()
    told = realm(home, "migrate").stdout.splitlines()
    first, second = backups(home)
    assert told == [
        f"format 2: model_name is called hero; the backup lies in {first}",
        f"format 3: history by year; the backup lies in {second}",
        "made: exams",
        f"🏰 {home.root} has format 3",
    ]
    assert home.format_file.read_text() == "3\n"
    assert (first / "config.json").read_bytes() == old_config
    assert {file.name: file.read_bytes() for file in (second / "history").iterdir()} == old_history
    assert {file.name: file.read_bytes() for file in (home.history / "2026").iterdir()} == old_history
    record = msgspec.json.decode((first / RECORD).read_bytes(), type=Record)
    assert (record.from_version, record.to_version, record.copied) == (1, 2, ["config.json"])
    assert first.name.endswith("Z-migrate-1-2")
    before = picture(home)
    assert list(migrate(home)) == []
    assert picture(home) == before


@pytest.mark.usefixtures("newer")
@pytest.mark.parametrize("daemon", ["trainer", "tavern"])
def test_it_waits_for_nobody_while_a_daemon_runs(home: Home, daemon: str) -> None:
    lock = InstanceLock(daemon, home.locks)
    lock.acquire()
    refused = realm(home, "migrate", ends_with=1).stderr
    lock.release()
    assert f"{daemon} runs already" in refused
    assert "stop that one first" in refused
    assert (home.format_file.read_text(), backups(home)) == ("1\n", [])


@pytest.mark.usefixtures("newer")
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: the home is given to another account")
def test_root_is_sent_to_the_account_that_the_home_belongs_to(home: Home) -> None:
    os.chown(home.root, 54321, -1)
    assert "belongs to #54321: sudo -u #54321 realm" in realm(home, "migrate", ends_with=1).stderr
    assert (home.format_file.read_text(), backups(home)) == ("1\n", [])


@pytest.mark.usefixtures("newer")
def test_no_daemon_can_start_meanwhile(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(migration.STEPS, 1, Step("looks at locks", (), lambda home: looks.append(start_trainer(home))))
    looks: list[str] = []
    assert len(list(migrate(home))) == 2
    assert "trainer runs already" in looks[0]


def start_trainer(home: Home) -> str:
    with running("queue_watcher", home) as watcher:
        assert watcher.wait(60) == 75
    return log_of(home, "queue_watcher").replace("queue-watcher", "trainer")


@pytest.mark.usefixtures("newer")
def test_what_no_seal_covers_must_be_sealed_by_the_version_that_trained_it(unpack: Unpack) -> None:
    home = unpack("9f70af8-killed")
    before = picture(home)
    refused = realm(home, "migrate", ends_with=1).stderr
    assert "1 decisions in the journal are not covered by a seal that verifies" in refused
    assert "start the trainer of the version that made this home once more" in refused
    assert {path: seen for path, seen in picture(home).items() if "/locks" not in path} == {
        path: seen for path, seen in before.items() if "/locks" not in path
    }


@pytest.mark.usefixtures("newer")
def test_a_damaged_newest_seal_or_a_journal_with_a_hole_is_refused(home: Home) -> None:
    newest = newest_whole(home.seals)
    assert newest
    Journal(home.journal).append("config", Position(0, 0, -1, 0))
    with pytest.raises(CannotMigrate, match="1 decisions"):
        list(migrate(home))
    [segment] = home.journal.glob("*.log")
    segment.write_bytes(b"damaged\n" + segment.read_bytes())
    with pytest.raises(CannotMigrate, match="the journal has a hole"):
        list(migrate(home))
    segment.unlink()
    for seal in home.seals.iterdir():
        content = bytearray((seal / "state.json").read_bytes())
        content[0] ^= 1
        (seal / "state.json").write_bytes(content)
    assert list(migrate(home))[-1].to_version == 3  # nothing was decided that would be lost


@pytest.mark.usefixtures("newer")
def test_a_version_that_cannot_be_reached_is_refused_before_anything_is_done(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(migration.STEPS, 2)
    with pytest.raises(CannotMigrate, match="cannot move format 2 on: go through an older version"):
        list(migrate(home))
    assert (home.format_file.read_text(), backups(home)) == ("1\n", [])


@pytest.mark.usefixtures("newer")
def test_a_step_that_fails_leaves_the_version_and_its_backup(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(home: Home) -> None:
        home.config_file.write_text("half")
        raise OSError(28, "No space left on device", str(home.config_file))

    old_config = home.config_file.read_bytes()
    monkeypatch.setitem(migration.STEPS, 1, formats.STEPS[1]._replace(apply=fail))
    assert "No space left on device" in realm(home, "migrate", ends_with=1).stderr
    [backup] = backups(home)
    assert (backup / "config.json").read_bytes() == old_config
    assert home.format_file.read_text() == "1\n"
    home.config_file.write_bytes(old_config)
    monkeypatch.setitem(migration.STEPS, 1, formats.STEPS[1])
    assert [moved.to_version for moved in migrate(home)] == [2, 3]
    assert [path.name.partition("Z-")[2] for path in backups(home)] == ["migrate-1-2", "migrate-2-3"]


# Kills


def contents(home: Home) -> dict[str, bytes]:
    """All but stamps (in locks, and when backups were made), and the .tmp that a killed write may leave."""
    found = {}
    for path in sorted(home.root.rglob("*")):
        name = str(path.relative_to(home.root))
        is_stamp = name.startswith("locks/") or path.name == RECORD
        if path.is_file() and not is_stamp and path.suffix != ".tmp":
            place, _, rest = name.partition("Z-migrate")
            found[f"vault/backups/migrate{rest}" if rest and place.startswith("vault") else name] = path.read_bytes()
    return found


def killed_at(home: Home, call: str, number: int) -> bool:
    """Migrates with a kill at its `number`-th `call`; False if it came to its end before."""
    command = [str(STRACE), "-f", "-o", "/dev/null", "-e", f"trace={call}"]
    command += ["-e", f"inject={call}:signal=KILL:when={number}"]
    command += [sys.executable, "-B", "-m", "tests.sentinels.formats", str(home.root)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True).returncode != 0


@pytest.mark.skipif(STRACE is None, reason="strace is not installed")
@pytest.mark.parametrize(
    "call", ["write", "sendfile,copy_file_range", "fsync", "rename", "mkdir", "chmod,fchmod", "unlink,unlinkat,rmdir"]
)
def test_killed_at_any_call_it_is_finished_by_doing_it_again(
    home: Home, tmp_path: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "FORMAT_VERSION", formats.NEWEST)
    monkeypatch.setattr(migration, "FORMAT_VERSION", formats.NEWEST)
    monkeypatch.setattr(migration, "STEPS", dict(formats.STEPS))
    whole = Home(tmp_path / "whole")
    shutil.copytree(home.root, whole.root)
    assert len(list(migrate(whole))) == 2
    for number in count(1):
        cut = Home(tmp_path / f"cut-{number}")
        shutil.copytree(home.root, cut.root)
        was_killed = killed_at(cut, call, number)
        assert cut.format_file.read_text() in ("1\n", "2\n", "3\n")
        list(migrate(cut))
        assert contents(cut) == contents(whole), (call, number)
        assert list((cut.vault / "backups").glob(".*")) == []
        if not was_killed:
            break
    assert number > 1 or call.startswith(("unlink", "chmod")), f"no {call}: the kill hit nothing"


# Homes that an older version made: see old_home.py


def claims_in_history(home: Home) -> list[int | None]:
    return [ended.claim for ended in read_history(home.history / "trainer.jsonl")]


def test_a_home_of_the_previous_version_goes_on_where_it_ended(unpack: Unpack) -> None:
    home = unpack("9f70af8-ended")
    assert realm(home, "migrate").exit_code == 0
    sealed = newest_whole(home.seals)
    assert sealed
    old_history, old_rows = (home.history / "trainer.jsonl").read_bytes(), read_metrics(home.metrics)
    quest = put_quest(home, lines(60), "third.jsonl")
    with running("trainer", home):
        until(lambda: quest in QuestQueue(home).names("recently_completed"))
    assert (home.history / "trainer.jsonl").read_bytes().startswith(old_history)
    assert claims_in_history(home)[-1] == 3
    rows = read_metrics(home.metrics)
    assert rows[: sealed.step] == old_rows
    assert [row["step"] for row in rows] == list(range(1, len(rows) + 1))
    assert len(rows) > sealed.step
    assert read_locked(home.current_model)
    assert troubles(home, deep=True) == []


def test_a_home_whose_trainer_was_killed_in_the_previous_version_is_recovered_by_this_one(unpack: Unpack) -> None:
    """Of one format, journal and seals are read across versions."""
    home = unpack("9f70af8-killed")
    sealed, decided = newest_whole(home.seals), journal_lines(home.journal)
    assert sealed
    assert decided
    assert decided.last > sealed.journal_seq  # there is something to replay
    [quest] = QuestQueue(home).names("processing")
    assert realm(home, "migrate").stdout.endswith("has format 1: nothing to do\n")
    with running("trainer", home):
        until(lambda: quest in QuestQueue(home).names("recently_completed"))
    assert f"event=replay from_step={sealed.step}" in log_of(home)
    assert claims_in_history(home)[-1] == 2
    rows = [row["step"] for row in read_metrics(home.metrics)]
    assert rows == list(range(1, len(rows) + 1))
    assert troubles(home, deep=True) == []


def test_a_claim_that_ended_before_the_upgrade_is_counted_once(unpack: Unpack) -> None:
    """Lines of 9f70af8 name no campaign; gold is counted from lines."""
    home = unpack("9f70af8-ended")
    with running("trainer", home):
        until(lambda: (home.logs / "trainer.log").exists() and "event=ready" in log_of(home))
    assert claims_in_history(home) == [1, 2]
