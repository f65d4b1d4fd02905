"""Settings, daemons, seals, journal, queue and machine, as doctor sees them. Everything it reads is written by the code
that writes it in a realm."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from realm.arena.battle.journal import SEGMENT_BYTES, Journal, Position
from realm.arena.battle.seal import retain, write_seal
from realm.core.control import Control
from realm.core.daemon import boot_id
from realm.core.files import write_whole
from realm.core.locked import read_locked
from realm.core.paths import Home
from realm.core.starts import Starts
from realm.core.status import TrainingStatus, Writer, write_status
from realm.sentinels.checks import daemons
from realm.sentinels.checks.units import of_service
from realm.sentinels.durable import journal_lines, seals
from realm.sentinels.finding import Finding
from realm.sentinels.patient import Patient
from tests.arena.realm_home import put_quest, running
from tests.cli.console import LINE, alive, header, picture, until
from tests.sentinels.conftest import fines, notes, of, troubles

HERE = Position(0, 0, -1, 0)


def newest_seal(home: Home) -> Path:
    return max(home.seals.glob("[0-9]*"), key=lambda path: int(path.name.rpartition("-")[2]))


# Settings


def test_each_wrong_key_of_config_json_is_named(home: Home) -> None:
    home.config_file.write_text('{"device": "tpu", "sealz": 1}')
    assert [one.partition(":")[0] for one in troubles(home)] == ["config.json", "config.json"]
    assert any("sealz is unknown" in one for one in troubles(home))
    home.config_file.write_text("{")
    assert any("not valid JSON" in one for one in troubles(home))


def test_another_value_of_a_locked_key_is_trouble_with_the_way_to_unlock_it(home: Home) -> None:
    with running("trainer", home):  # whoever starts first locks
        locked = until(lambda: read_locked(home.current_model))
    assert troubles(home) == []
    home.config_file.write_text(home.config_file.read_text().replace('"max_length": 128', '"max_length": 256'))
    [found] = of(home, "trouble")
    assert found.what.startswith(f"training.max_length is locked at {locked.max_length}")
    assert "`realm config unlock training.max_length 256`" in found.how_to_mend
    write_whole(home.current_model / "locked.json", b"{")
    assert any("locked.json" in one for one in troubles(home))


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_hero_that_transformers_could_not_load_is_trouble(home: Home, name: str) -> None:
    folder = home.models / "squire"
    (folder / name).unlink()
    assert troubles(home) == [f"hero squire: {folder} lacks {name}"]
    shutil.rmtree(folder)
    [found] = of(home, "trouble")
    assert (found.what, found.how_to_mend) == (f"hero squire: {folder} does not exist", "realm hero build squire")


def test_a_hero_in_shards_needs_every_one_of_them(home: Home) -> None:
    folder = home.models / "squire"
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    index = '{"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}'
    (folder / "model.safetensors.index.json").write_text(index)
    assert troubles(home) == [f"hero squire: {folder} lacks model-00002-of-00002.safetensors"]


def test_a_hero_of_another_base_model_is_trouble(home: Home) -> None:
    home.config_file.write_text('{"model_name": "squire", "base_model": "elsewhere"}')
    assert any("was made from random weights, but base_model" in one for one in troubles(home))


def test_more_threads_than_cores_are_told(home: Home) -> None:
    home.config_file.write_text('{"threads": 1024}')
    assert any(one.startswith("threads is 1024, this machine has") for one in notes(home))


# Daemons


def say(home: Home, **changes: object) -> None:
    said = TrainingStatus(**header("trainer", **changes))  # type: ignore[arg-type]
    assert write_status(home.status, said) is None


def of_trainer(home: Home) -> list[Finding]:
    return [one for severity in ("fine", "note", "trouble") for one in of(home, severity) if "trainer " in one.what]


def test_a_daemon_that_works_is_fine_and_one_that_was_ended_is_told(home: Home) -> None:
    say(home)
    with alive(home, "trainer"):
        assert of_trainer(home)[0].what.startswith("trainer runs: working, step, heard ")
        assert of_trainer(home)[0].severity == "fine"
    [down] = [one for one in of_trainer(home) if "down" in one.what]
    assert (down.severity, "ended cleanly at" in down.what) == ("note", True)


def test_a_daemon_that_was_killed_is_trouble_until_it_runs_again(home: Home) -> None:
    with running("queue_watcher", home) as watcher:
        until(lambda: any("queue-watcher runs: idle" in one for one in fines(home)))
        watcher.kill()
        watcher.wait()
    assert troubles(home) == ["queue-watcher is down; unclean ends in a row: 1"]
    (home.staging / ".begun").mkdir()
    assert f"half-made, in {home.staging}: 1" in notes(home)
    with running("queue_watcher", home):
        until(lambda: any("queue-watcher runs: idle" in one for one in fines(home)))
        assert troubles(home) == []
        assert not any("half-made" in one for one in notes(home))


def test_a_daemon_that_holds_its_lock_and_is_silent_or_hangs_is_trouble(home: Home) -> None:
    with alive(home, "trainer"):
        say(home, age=60)
        assert "trainer holds its lock and has said nothing for 60 s (it promised every 5 s)" in troubles(home)
        say(home, ticked_at=datetime.now(UTC) - timedelta(seconds=500))
        [hangs] = of(home, "trouble")
        assert hangs.what.startswith("trainer hangs: this step has lasted 499 s, its limit is 120 s")
        assert "kill -ABRT 1" in hangs.how_to_mend
        say(home, age=-3600)
        assert any("in the future" in one for one in notes(home))


def test_a_stopped_process_is_found_by_its_silence(home: Home) -> None:
    with running("queue_watcher", home) as watcher:
        until(lambda: any("queue-watcher runs: idle" in one for one in fines(home)))
        watcher.send_signal(signal.SIGSTOP)
        later = datetime.now(UTC) + timedelta(minutes=1)
        [found] = daemons.running(Patient(home, ("queue-watcher",), later))
        watcher.send_signal(signal.SIGCONT)
    assert found.severity == "trouble"
    assert "holds its lock and has said nothing for" in found.what


def test_unclean_ends_another_version_and_problems_of_a_running_daemon_are_told(home: Home) -> None:
    starts = Starts("trainer", home.locks)
    starts.unclean_ends = 4
    starts.began()
    told_at = datetime.now(UTC)
    writer = Writer(daemon="trainer", pid=1, boot_id="b", started_at=told_at, version="0.0.1", config_hash="")
    say(home, writer=writer, problems=["seal not written: Read-only file system"])
    with alive(home, "trainer"):
        told = {one.what: one.how_to_mend for one in of(home, "note")}
    assert "trainer runs; unclean ends in a row before this start: 4" in told
    assert any(one.startswith("trainer runs as realm 0.0.1, installed is ") for one in told)
    assert "systemctl cat realm-trainer" in told["trainer: seal not written: Read-only file system"]
    assert troubles(home) == ["trainer is down; unclean ends in a row: 5"]


def test_what_a_person_asked_is_told_with_its_reason(home: Home) -> None:
    Control(home).raise_flag("pause", "lunch")
    Control(home).place_hold("guardian", "too hot")
    assert ".pause holds training still: lunch" in notes(home)
    assert "a hold of guardian holds training still: too hot" in notes(home)


def test_training_that_cannot_be_sealed_for_too_long_is_trouble(home: Home) -> None:
    home.config_file.write_text("{}")
    said = TrainingStatus(**header("trainer"), unsealed_minutes=61.0)
    assert write_status(home.status, said) is None
    with alive(home, "trainer"):
        assert troubles(home) == ["training has been unsealed for 61 minutes, the limit is 60"]
        home.config_file.write_text('{"seals": {"minutes": 31}}')
        assert troubles(home) == []  # as it is told to
    home.config_file.write_text("{}")
    assert not any("unsealed" in one for one in troubles(home))


# Seals and journal


def test_a_seal_with_other_bytes_is_found_by_its_size_or_by_reading_it(home: Home) -> None:
    seal = newest_seal(home)
    weights = seal / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    before = picture(home)
    assert troubles(home) == []
    assert troubles(home, deep=True) == [f"seal {seal.name}: {weights.name} does not have the digest of its manifest"]
    assert picture(home) == before
    weights.write_bytes(content[:-1])
    assert "its manifest says" in troubles(home)[0]
    (seal / "manifest.json").unlink()
    assert "manifest.json" in troubles(home)[0]


def test_seals_that_are_gone_or_set_aside_are_told(home: Home) -> None:
    older, newest = sorted(home.seals.iterdir(), key=lambda path: int(path.name.rpartition("-")[2]))
    older.rename(older.with_name(f"corrupt-{older.name}"))
    assert f"a damaged seal was set aside: {older.with_name(f'corrupt-{older.name}')}" in notes(home)
    assert "1 seal is kept instead of 2" in notes(home)
    shutil.rmtree(newest)
    assert troubles(home)[0] == "no seal is there, though something was trained"


def test_before_the_first_step_nothing_is_missing(tmp_path: Path) -> None:
    fresh = Home(tmp_path / "home")
    fresh.create()
    assert {"no seal yet: nothing was trained", "no journal yet"} <= set(fines(fresh))


def journal_of(folder: Path, *lines_of_segment: int) -> Journal:
    """Real segments with so many lines each."""
    shutil.rmtree(folder)
    folder.mkdir()
    journal = Journal(folder)
    for count in lines_of_segment:
        journal.begin_segment()
        for _ in range(count):
            journal.append("config", HERE, changes={"learning_rate": 0.1})
    return journal


def test_the_journal_is_read_as_it_was_written(home: Home) -> None:
    journal_of(home.journal, 3, 4, 2)
    assert journal_lines(home.journal) == (1, 9)
    assert any(one == "the journal is whole up to line 9, 6 of them after the newest seal" for one in fines(home))


def test_a_torn_tail_is_no_fault_and_damage_in_the_middle_is(home: Home) -> None:
    journal_of(home.journal, 5)
    [segment] = home.journal.glob("*.log")
    content = bytearray(segment.read_bytes())
    end = content.rindex(b"\n")
    content[end - 3 : end + 1] = bytes(4)
    segment.write_bytes(content)
    assert journal_lines(home.journal) == (1, 4)
    assert troubles(home) == []
    content[100] ^= 1
    segment.write_bytes(content)
    assert troubles(home)[0] == f"the journal has a hole: {segment.name}: line 1 is damaged, with whole lines behind it"


def test_zeros_before_a_whole_line_are_damage(home: Home) -> None:
    """As the trainer's own reader has it."""
    journal_of(home.journal, 2)
    [segment] = home.journal.glob("*.log")
    first, second = segment.read_bytes().split(b"\n")[:2]
    segment.write_bytes((first + b"\n" + bytes(64) + second + b"\n").ljust(SEGMENT_BYTES, b"\0"))
    assert "line 2 is damaged" in troubles(home)[0]


def test_a_segment_that_is_missing_is_a_hole_and_one_before_the_seal_is_none(home: Home) -> None:
    journal_of(home.journal, 3, 4, 2)
    first, middle, _ = sorted(home.journal.glob("*.log"))
    first.unlink()  # the newest seal covers line 3
    assert troubles(home) == []
    journal_of(home.journal, 3, 4, 2)
    middle.unlink()
    assert troubles(home) == ["the journal has a hole: 00000000000000000008.log: the lines 4 to 7 are missing"]
    first.unlink()
    assert troubles(home) == ["the journal begins with line 8, the newest seal covers lines up to 3"]


def test_segments_that_a_seal_makes_needless_between_two_reads_make_no_hole(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, read = journal_of(home.journal, 3, 4, 2), Path.read_bytes

    def read_then_forget(path: Path) -> bytes:
        content = read(path)
        journal.forget(7)
        return content

    monkeypatch.setattr(Path, "read_bytes", read_then_forget)
    assert journal_lines(home.journal) == (8, 9)


def test_reading_beside_a_trainer_that_writes_and_forgets_never_sees_a_hole(home: Home) -> None:
    """New segments, lines and seals come and go while they are read."""
    ended = threading.Event()

    def write() -> None:
        journal = journal_of(home.journal, 1)
        for number in range(10, 60):
            for _ in range(5):
                journal.append("config", HERE)
            write_seal(home.seals, number, number, journal.last_seq, {"part": [b"bytes"] * 100})
            kept = retain(home.seals)
            journal.begin_segment()
            journal.forget(kept[0].journal_seq)
        ended.set()

    writer = threading.Thread(target=write)
    writer.start()
    looks = 0
    try:
        while not ended.is_set():
            journal_lines(home.journal)
            assert [seal.problem for seal in seals(home.seals, deep=True) if seal.problem] == []
            looks += 1
    finally:
        writer.join()
    assert looks > 10


# The queue


def test_what_is_no_quest_is_told_with_its_path(home: Home) -> None:
    (home.queue / "high" / "mine.jsonl").write_text("{}")
    (home.queue / "low" / ".hidden").mkdir()
    told = [one for one in notes(home) if one.endswith("is no quest")]
    assert told == [
        f"{home.queue / 'high' / 'mine.jsonl'} is no quest",
        f"{home.queue / 'low' / '.hidden'} is no quest",
    ]
    for number in range(7):
        (home.queue / "normal" / f"x{number}").touch()
    assert "and 4 more that are no quests" in notes(home)


def test_the_newest_failed_quest_gives_its_reason(home: Home) -> None:
    assert any("in queue/failed: 1; the newest: line 1: not valid JSON" in one for one in notes(home))
    newest = put_quest(home, LINE, "last.jsonl")
    (home.queue / "normal" / newest).rename(home.failed / newest)
    assert any("in queue/failed: 2; the newest: error.json cannot be read" in one for one in notes(home))


def test_a_damaged_history_is_trouble(home: Home) -> None:
    file = home.history / "trainer.jsonl"
    file.write_bytes(file.read_bytes().replace(b"claim", b"clam", 1))
    assert f"{file}, line 1" in troubles(home)[0]


# The machine


def test_threads_that_wait_otherwise_are_told_of_this_shell(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    monkeypatch.setenv("GOMP_SPINCOUNT", "0")
    assert "OMP_WAIT_POLICY=PASSIVE in the environment of this shell" in notes(home)
    assert "GOMP_SPINCOUNT=0 in the environment of this shell" in notes(home)


def test_threads_that_wait_otherwise_are_told_of_the_trainer_that_runs(home: Home) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"],
        env={"OMP_WAIT_POLICY": "ACTIVE"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert other.stdout
    other.stdout.readline()  # it is Python by now, not yet our own copy
    now = datetime.now(UTC)
    writer = Writer(daemon="trainer", pid=other.pid, boot_id=boot_id(), started_at=now, version="", config_hash="")
    say(home, writer=writer)
    with alive(home, "trainer"):
        told = notes(home)
    other.communicate()
    assert "OMP_WAIT_POLICY=ACTIVE in the environment of the trainer" in told
    assert not any("of the trainer" in one for one in notes(home))


def test_versions_inotify_and_leases_are_told(home: Home) -> None:
    told = fines(home)
    assert any(one.startswith("realm ") and "torch " in one for one in told)
    assert "inotify tells of drops at once" in told
    assert "leases tell when a drop is finished" in told


def test_without_inotify_it_says_how_drops_are_seen(home: Home) -> None:
    """In a user namespace that allows none, so that nobody else lacks any."""
    code = "import sys; from tests.sentinels.conftest import *; print('\\n'.join(notes(Home(Path(sys.argv[1])))))"
    script = 'echo 0 > /proc/sys/user/max_inotify_instances && exec "$@"'
    command = ["unshare", "--user", "--map-root-user", "sh", "-c", script, "sh", sys.executable, "-c", code]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([*command, str(home.root)], env=environment, capture_output=True, text=True)
    if "unshare:" in done.stderr or "max_inotify_instances" in done.stderr:
        pytest.skip(f"no user namespace with limits of its own: {done.stderr.strip()}")
    assert "no inotify: Too many open files" in done.stdout, done.stderr


# systemd: what `systemctl show` prints, as recorded

RUNNING = {
    "LoadState": "loaded",
    "ActiveState": "active",
    "Result": "success",
    "ExecMainStatus": "0",
    "UnitFileState": "enabled",
    "NeedDaemonReload": "no",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "StateDirectory": "realm",
    "ReadWritePaths": "",
    "ReadOnlyPaths": "-/var/lib/realm/exams -/var/lib/realm/tasks",
}
SYSTEM = Path("/var/lib/realm")


def service(home: Path = SYSTEM, **changes: str) -> list[Finding]:
    return list(of_service("trainer", RUNNING | changes, home, "systemctl"))


def test_a_service_that_runs_is_fine() -> None:
    assert service() == [Finding("fine", "realm-trainer.service is active")]
    assert service(LoadState="not-found")[0].severity == "fine"


@pytest.mark.parametrize(
    ("changes", "severity", "words"),
    [
        ({"ActiveState": "failed", "Result": "exit-code", "ExecMainStatus": "78"}, "trouble", "status 78"),
        ({"UnitFileState": "disabled"}, "note", "is not enabled"),
        ({"NeedDaemonReload": "yes"}, "note", "was changed on the disk"),
        ({"StateDirectory": ""}, "trouble", "ProtectSystem=strict in realm-trainer.service"),
        ({"ReadOnlyPaths": "-/var/lib/realm/metrics"}, "trouble", "ReadOnlyPaths=/var/lib/realm/metrics in realm-t"),
    ],
)
def test_a_service_that_is_not_as_it_should_be(changes: dict[str, str], severity: str, words: str) -> None:
    [found] = [one for one in service(**changes) if one.severity != "fine"]
    assert found.severity == severity
    assert words in found.what
    assert found.how_to_mend


def test_a_home_elsewhere_needs_a_line_of_its_own() -> None:
    there = Path("/home/me/realm")
    assert "ProtectSystem=strict" in service(there)[1].what
    assert "ProtectHome=yes" in service(there, ProtectSystem="no")[1].what
    assert len(service(there, ReadWritePaths="/home/me")) == 1
    assert len(service(Path("/srv/realm"), ProtectSystem="full")) == 1
