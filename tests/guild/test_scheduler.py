"""The scheduler as a process: it teaches, examines and climbs without a person, and each exam is graded once."""

import hashlib
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import orjson
import pytest

from realm.core.checkpoint_ledger import canonical_name, record_checkpoint
from realm.core.control import Control
from realm.core.crown import place_crown
from realm.core.events import Event, tail
from realm.core.files import publish_folder
from realm.core.paths import Home
from realm.core.status import SchedulerStatus, read_status
from realm.guild.annals import Annals, Dispatched, Graded, Part, read_annals
from realm.guild.progression import Standing, standing
from realm.guild.skills import get_skill
from tests.arena.realm_home import eventually, log_of

RUN = (
    "import sys; from pathlib import Path; from realm.guild import scheduler; scheduler.POLL = 0.02; "
    "scheduler.main(Path({home!r}), worker=(sys.executable, '-m', 'tests.guild.answerers', {answerer!r}), port=0)"
)
FIRST = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    monkeypatch.setenv("REALM_HOME", str(home.root))
    configure(home, strategy="focus", batch=40)
    return home


def configure(home: Home, **curriculum: object) -> None:
    home.config_file.write_bytes(msgspec.json.encode({"curriculum": {"enabled": True, **curriculum}}))


def start(home: Home, answerer: str) -> subprocess.Popen[bytes]:
    (home.locks / "scheduler.starts").unlink(missing_ok=True)  # no back-off after the kills of a test
    code = RUN.format(home=str(home.root), answerer=answerer)
    with (home.logs / "scheduler.log").open("ab") as log:
        return subprocess.Popen([sys.executable, "-c", code], stdout=log, stderr=log)


@contextmanager
def running(home: Home, answerer: str) -> Iterator[subprocess.Popen[bytes]]:
    process = start(home, answerer)
    begins = f"event=start pid={process.pid} "
    try:
        yield process
    finally:
        eventually(
            lambda: process.poll() is not None or "event=ready" in log_of(home, "scheduler").partition(begins)[2]
        )
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    assert process.returncode == 0, log_of(home, "scheduler")


def put_checkpoint(home: Home, number: int) -> str:
    """As the trainer publishes one."""
    saved_at = FIRST + timedelta(minutes=number)
    name = canonical_name(number, saved_at)
    staging = home.current_model / f".{name}"
    staging.mkdir()
    (staging / "model.safetensors").write_bytes(b"weights")
    record_checkpoint(
        staging,
        step=number,
        saved_at=saved_at,
        train_loss=1.0,
        val_loss=1.0,
        learning_rate=0.1,
        epoch=1.0,
        accuracy=None,
        training_files=[],
        skill_name=None,
        skill_level=None,
        total_examples=1,
        total_tokens=1,
        hero="squire",
        config_hash="0",
        fingerprint={},
    )
    publish_folder(staging, home.current_model / name)
    return name


def graded(home: Home) -> list[Graded]:
    return [line for line in read_annals(home) if isinstance(line, Graded)]


def bin_now(home: Home) -> Standing:
    return standing(get_skill("bin"), read_annals(home))


def is_examined(home: Home, checkpoint: str) -> bool:
    """At its training level, and at one that was mastered, if there is one that it has not sat."""
    now = bin_now(home)
    mine = [one for one in graded(home) if one.checkpoint == checkpoint]
    levels = {one.level for one in mine}
    looked_again = any(one.role == "mastered" for one in mine) or levels >= set(range(1, now.mastered_level + 1))
    return now.training_level in levels and looked_again


def climb(home: Home, first: int, checkpoints: int) -> None:
    for number in range(first, first + checkpoints):
        name = put_checkpoint(home, number)
        eventually(lambda name=name: is_examined(home, name), what=f"{name} examined")  # type: ignore[misc]


def test_a_perfect_answerer_climbs_untouched_with_its_evidence(home: Home) -> None:
    with running(home, "perfect"):
        climb(home, 1, 10)
    now = bin_now(home)
    assert now.mastered_level == len(now.level_ups) >= 3
    for earned in now.level_ups:
        assert all((home.exams / exam / "papers.jsonl").exists() for exam in earned.evidence)
    told = [event for event in tail([home.events / "scheduler.jsonl"], 500) if event.kind == "skill.level"]
    assert [event.data["level"] for event in told] == [one.level for one in now.level_ups]
    shown = read_status(home.status / SchedulerStatus.FILE, SchedulerStatus)
    assert shown
    assert (shown.state, shown.skills["bin"].mastered_level) == ("ended", now.mastered_level)


def test_a_random_one_stays_where_it_is(home: Home) -> None:
    with running(home, "random"):
        climb(home, 1, 5)
    assert (bin_now(home).mastered_level, len(graded(home))) == (0, 5)


def test_where_exams_cannot_be_sat_nothing_changes_and_it_is_said(home: Home) -> None:
    with running(home, "unreachable"):
        put_checkpoint(home, 1)
        eventually(lambda: any(e.kind == "exam.not_evaluated" for e in tail([home.events / "scheduler.jsonl"], 50)))
    assert graded(home) == []
    assert list(home.exams.iterdir()) == []


def test_a_worker_that_dies_each_time_is_told_with_its_last_words(home: Home) -> None:
    with running(home, "broken"):
        put_checkpoint(home, 1)
        eventually(lambda: any(e.kind == "exam.not_evaluated" for e in tail([home.events / "scheduler.jsonl"], 50)))
    log = log_of(home, "scheduler")
    assert log.count('reason="its process ended without a result: no such device; it is tried again"') == 2
    assert log.count('reason="its process ended 3 times without a result: no such device"') == 1
    assert graded(home) == []


def test_killed_again_and_again_it_grades_each_exam_once(home: Home) -> None:
    dice = random.Random(20)
    names = []
    for number in range(1, 9):
        names.append(put_checkpoint(home, number))
        for _ in range(3):
            process = start(home, "perfect")
            try:
                process.wait(dice.uniform(0.2, 0.9))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        with running(home, "perfect"):
            eventually(lambda: is_examined(home, names[-1]), what=names[-1])
    exams = Counter(one.exam for one in graded(home))
    assert set(exams.values()) == {1}
    assert {one.checkpoint for one in graded(home)} == set(names)
    assert sorted(f"{path.parent.name}/{path.name}" for path in home.exams.glob("*/*")) == sorted(exams)
    assert list(home.tasks.glob("running/*")) == []


def test_batches_are_dropped_while_few_quests_wait_and_no_item_twice(home: Home) -> None:
    configure(home, strategy="focus", batch=40, min_queue_depth=3)
    taken = []
    with running(home, "perfect"):
        for _ in range(4):
            eventually(lambda: len(list((home.inbox / "low").glob("*.jsonl"))) == 3)
            for file in sorted((home.inbox / "low").glob("*.jsonl")):
                taken.append(orjson.loads(file.with_name(file.name + ".meta.json").read_bytes()))
                lines = file.read_bytes().splitlines()
                assert len(lines) == taken[-1]["example_count"] == 40
                file.with_name(file.name + ".meta.json").unlink()
                file.unlink()
    numbers = [one["params"]["batch"] for one in taken]
    assert numbers == list(range(12))
    items = [
        (level, first + n) for one in taken for level, first, count in one["params"]["parts"] for n in range(count)
    ]
    assert len(items) == len(set(items)) == 12 * 40


def test_a_crown_is_told_once_however_often_it_starts(home: Home) -> None:
    place_crown(home, "checkpoint-1-20260101-0001", "0" * 64, by="a person", reason="it is kind")

    def crowned() -> list[Event]:
        return [event for event in tail([home.events / "scheduler.jsonl"], 50) if event.kind == "champion.crowned"]

    for _ in range(2):
        with running(home, "perfect"):
            eventually(crowned)
    (told,) = crowned()
    assert told.text == "checkpoint-1-20260101-0001 wears the crown: it is kind"


def test_a_person_takes_a_level_back(home: Home) -> None:
    with running(home, "perfect"):
        climb(home, 1, 3)
        order = Control(home).place_order("scheduler", "revert", {"skill": "bin", "level": 1, "why": "wrong papers"})
        eventually(lambda: Control(home).answer_to("scheduler", order))
        wrong = Control(home).place_order("scheduler", "revert", {"skill": "bin", "level": 9, "why": "?"})
        eventually(lambda: Control(home).answer_to("scheduler", wrong))
    assert bin_now(home).mastered_level == 0
    answer = Control(home).answer_to("scheduler", wrong)
    assert answer
    assert answer.error == "bin level 9 is not mastered: 0 levels are mastered"


def test_a_batch_whose_drop_a_kill_prevented_is_dropped_at_the_next_start_and_only_then(home: Home) -> None:
    with running(home, "perfect"):
        eventually(lambda: len(list((home.inbox / "low").glob("*.jsonl"))) == 2)
    files = sorted((home.inbox / "low").glob("*.jsonl"))
    before = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    files[-1].unlink()
    with running(home, "perfect"):
        eventually(files[-1].exists)
        eventually((home.inbox / "low" / files[0].name).exists)
    again = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in (home.inbox / "low").glob("*.jsonl")}
    assert again == before
    assert sum(isinstance(line, Dispatched) for line in read_annals(home)) == 2


def problems(home: Home) -> list[str]:
    said = read_status(home.status / SchedulerStatus.FILE, SchedulerStatus)
    return said.problems if said else []


def test_a_plan_of_an_unknown_skill_is_told_and_exams_go_on_when_it_is_mended(home: Home) -> None:
    configure(home, skills={"juggling": {}})
    name = put_checkpoint(home, 1)
    with running(home, "perfect"):
        eventually(lambda: any("names juggling" in one for one in problems(home)), what="the problem in the status")
        assert graded(home) == []
        configure(home, strategy="focus", batch=40)
        eventually(lambda: is_examined(home, name))
        eventually(lambda: problems(home) == [], what="no problem")


def test_a_drop_that_cannot_be_written_is_told_and_made_once_when_it_can(home: Home) -> None:
    low = home.inbox / "low"
    low.rmdir()
    low.touch()  # in the folder's place: whoever writes below it gets an OSError
    with running(home, "perfect"):
        eventually(lambda: any(str(low) in one for one in problems(home)), what="the problem in the status")
        low.unlink()
        low.mkdir()
        eventually(lambda: len(list(low.glob("*.jsonl"))) == 2)
    batches = [line for line in read_annals(home) if isinstance(line, Dispatched)]
    assert [line.number for line in batches] == [0, 1]
    assert sorted(path.name for path in low.glob("*.jsonl")) == [f"curriculum-00000{n}-bin-l1.jsonl" for n in (0, 1)]


def test_what_is_no_exam_is_told_and_keeps_no_other_from_being_graded(home: Home) -> None:
    notes = home.exams / "bin" / "notes"
    notes.mkdir(parents=True)
    (home.exams / "bin" / "half").mkdir()
    (home.exams / "bin" / "half" / "report.json").write_text("{")
    name = put_checkpoint(home, 1)
    with running(home, "perfect"):
        eventually(lambda: is_examined(home, name))
        eventually(lambda: any("is no exam, move it elsewhere" in one for one in problems(home)))
        notes.rmdir()
        (home.exams / "bin" / "half").rename(home.root / "half")
        eventually(lambda: problems(home) == [], what="no problem")
    assert [one.checkpoint for one in graded(home)] == [name]


@pytest.mark.parametrize("changes", [{"skill": "gone"}, {"version": "0.9.0"}])
def test_the_last_batch_of_a_skill_that_is_gone_or_another_version_now_is_left_alone(
    home: Home, changes: dict[str, str]
) -> None:
    batch = Dispatched(number=0, skill="bin", version="1.0.0", parts=(Part(1, 0, 40),), reason="", at="")
    Annals(home).append(msgspec.structs.replace(batch, **changes))
    with running(home, "perfect"):
        eventually(lambda: len(list((home.inbox / "low").glob("*.jsonl"))) == 2)
    numbers = sorted(path.name.split("-")[1] for path in (home.inbox / "low").glob("*.jsonl"))
    assert numbers == ["000001", "000002"]
