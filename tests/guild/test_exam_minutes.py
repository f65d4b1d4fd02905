"""Scheduler, queue-watcher and trainer together: a checkpoint is ordered, examined by a real model, and let go."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from realm.core.checkpoint_ledger import CheckpointLedger
from realm.core.config import Config
from realm.core.control import Control
from realm.core.paths import Home
from realm.core.status import SchedulerStatus, read_status
from realm.guild.annals import Graded, read_annals
from realm.guild.exam_book import read_report
from realm.sentinels.audit import broken
from tests.arena.realm_home import eventually, log_of, make_home, running

SCHEDULER = (
    "import sys; from pathlib import Path; from realm.guild import scheduler; "
    "scheduler.main(Path({home!r}), worker=(sys.executable, '-m', 'tests.guild.prompt_exam'), port=0)"
)


@pytest.fixture
def home(tmp_path: Path, squire: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """No checkpoint comes by its steps, and only the newest two and the best are kept."""
    home = make_home(tmp_path / "home", squire, checkpoint_steps=1_000_000)
    monkeypatch.setenv("REALM_HOME", str(home.root))
    curriculum = {"enabled": True, "batch": 200, "exam_minutes": 0.1}
    config = msgspec.json.decode(home.config_file.read_bytes())
    config |= {"retention": {"last": 2}, "curriculum": curriculum}
    home.config_file.write_bytes(msgspec.json.encode(msgspec.convert(config, Config)))
    return home


@contextmanager
def scheduler(home: Home) -> Iterator[None]:
    with (home.logs / "scheduler.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", SCHEDULER.format(home=str(home.root))], stdout=log, stderr=log
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait(60)
    assert process.returncode == 0, log_of(home, "scheduler")


def graded(home: Home) -> list[Graded]:
    return [line for line in read_annals(home) if isinstance(line, Graded)]


def kept(home: Home) -> set[str]:
    return {record.canonical_name for record in CheckpointLedger(home.current_model).list_all()}


def answered(home: Home) -> dict[str, str]:
    """Order -> the checkpoint that it was answered with."""
    orders = [path.stem for path in (home.orders / "trainer" / "done").glob("*.json")]
    answers = {order: Control(home).answer_to("trainer", order) for order in orders}
    return {order: answer.result["checkpoint"] for order, answer in answers.items() if answer and answer.result}


@pytest.mark.timeout(600)
def test_a_checkpoint_is_made_by_order_examined_and_gone_when_no_rule_keeps_it(home: Home) -> None:
    def has_gone() -> bool:
        return bool({one.checkpoint for one in graded(home)} - kept(home))

    with running("queue_watcher", home), running("trainer", home), scheduler(home):
        eventually(has_gone, 480, "an examined checkpoint that was let go")
    exams = graded(home)
    assert {one.checkpoint for one in exams} <= set(answered(home).values())
    assert len({one.exam for one in exams}) == len(exams)
    for one in exams:
        report = read_report(home, one.exam)
        assert (report.checkpoint, report.count, report.correct) == (one.checkpoint, 50, one.correct)
        assert report.generation["device"] in ("cpu", "cuda")
        assert (home.exams / one.exam / "papers.jsonl").read_bytes().count(b"\n") == 50
    ledger = CheckpointLedger(home.current_model)
    best = [*ledger.list_all(limit=2), *(ledger.get_best(metric) for metric in ("train_loss", "val_loss"))]
    assert kept(home) == {record.canonical_name for record in best if record}
    shown = read_status(home.status / SchedulerStatus.FILE, SchedulerStatus)
    assert shown
    assert (shown.exams, shown.last_exam) == (len(exams), exams[-1].exam)
    assert broken(home, deep=True, removed=()) == []
    assert (shown.last_exam_place or "").partition(":")[0] in ("cpu", "cuda")
