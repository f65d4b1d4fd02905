"""The audit of a climb that a real scheduler made: in order as it was left, and every damage is named."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from realm.core.files import write_whole
from realm.core.paths import Home
from realm.core.quests import QuestQueue
from realm.guild.tasks import TaskQueue, TaskText
from realm.sentinels.audit import audit, broken
from tests.arena.realm_home import eventually
from tests.arena.realm_home import running as daemon
from tests.cli.console import picture
from tests.guild.test_scheduler import climb, configure, graded, running
from tests.sentinels import audited_home
from tests.sentinels.audited_home import delete_line, edit, edit_line

EXAMS = 4  # of four checkpoints, and one of a mastered level


@pytest.fixture(scope="session")
def climbed(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Three batches are quests, two more lie in the inbox."""
    home = Home(tmp_path_factory.mktemp("climbed") / "home")
    home.create()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REALM_HOME", str(home.root))
        configure(home, strategy="focus", batch=40, min_queue_depth=3)
        with running(home, "perfect"):
            with daemon("queue_watcher", home):
                climb(home, 1, EXAMS)
                eventually(lambda: len(QuestQueue(home).names("low")) == 3 and not drops(home))
            configure(home, strategy="focus", batch=40, min_queue_depth=5)
            eventually(lambda: len(drops(home)) == 2)
    return home


@pytest.fixture
def home(climbed: Home, tmp_path: Path) -> Home:
    return audited_home.copy(climbed, tmp_path / "home")


def drops(home: Home) -> list[Path]:
    return sorted((home.inbox / "low").glob("*.jsonl"))


def annals(home: Home) -> Path:
    return home.history / "scheduler.jsonl"


def line_of(home: Home, kind: str, number: int = 0) -> int:
    """The line of the so many'th exam or batch, counted from 0."""
    lines = annals(home).read_text().splitlines()
    return [place for place, line in enumerate(lines) if f'"kind":"{kind}"' in line][number]


def found(home: Home, severity: str = "trouble", *, deep: bool = False) -> list[str]:
    """Of the climb alone: the checkpoints of this home were never trained."""
    findings = audit(home, deep=deep, removed=())["Climb"]
    return [one.what for one in findings if one.severity == severity]


def test_a_climb_is_in_order_and_all_of_it_is_counted(home: Home) -> None:
    before = picture(home)
    assert found(home, deep=True) == found(home) == found(home, "note") == []
    exams = len(graded(home))
    assert exams > EXAMS
    assert found(home, "fine", deep=True) == [
        f"{exams} exams graded, their papers were counted",
        "5 batches dispatched, 5 of them found",
        f"{exams} tasks",
    ]
    assert picture(home) == before


def test_a_home_without_a_climb_has_nothing_to_tell(tmp_path: Path) -> None:
    home = Home(tmp_path / "new")
    home.create()
    assert audit(home)["Climb"] == []
    assert broken(home, deep=True, removed=()) == []


def spoil_papers(home: Home) -> None:
    papers = home.exams / graded(home)[0].exam / "papers.jsonl"
    papers.write_bytes(b"".join(papers.read_bytes().splitlines(keepends=True)[1:]))


def two_run(home: Home) -> None:
    for name in ("one", "two"):
        (home.tasks / "running" / f"20260101T000000.000001Z-{name}-00000000").mkdir()


def teach_again(home: Home) -> None:
    edit_line(annals(home), line_of(home, "dispatched", 1), parts=[{"level": 1, "first_index": 39, "count": 40}])


def drop_again(home: Home) -> None:
    name = QuestQueue(home).names("low")[0].partition("-")[2].rpartition("-")[0]
    shutil.copy(drops(home)[0], home.inbox / f"{name}.jsonl")


def forget_exam(home: Home) -> None:
    shutil.rmtree(home.exams / graded(home)[0].exam)


DAMAGES: dict[str, tuple[Callable[[Home], object], str]] = {
    "an exam without its folder": (forget_exam, "the annals count it, exams/ has no folder of it"),
    "an exam that counts twice": (
        lambda home: annals(home).write_text(
            annals(home).read_text() + annals(home).read_text().splitlines()[line_of(home, "graded")] + "\n"
        ),
        "the annals count it 2 times",
    ),
    "an exam with another score": (
        lambda home: edit_line(annals(home), line_of(home, "graded"), correct=49.0),
        "report.json has another result than the annals",
    ),
    "an exam that lacks a paper": (spoil_papers, "49 papers of 50"),
    "a report that cannot be read": (
        lambda home: write_whole(home.exams / graded(home)[0].exam / "report.json", b"{"),
        "its report or papers cannot be read",
    ),
    "a batch that the annals leave out": (
        lambda home: delete_line(annals(home), line_of(home, "dispatched", 1)),
        "batch 2: follows 1 others",
    ),
    "a batch that is nowhere": (
        lambda home: drops(home)[0].unlink(),
        "quest curriculum-000003: was dispatched, and is nowhere",
    ),
    "a batch that was dropped again": (drop_again, "is 2 quests: "),
    "items that were taught twice": (teach_again, "batch 2: holds items of bin level 1 that batch "),
    "a task in two states": (
        lambda home: shutil.copytree(
            next(home.tasks.glob("done/*")), home.tasks / "failed" / next(home.tasks.glob("done/*")).name
        ),
        "lies in done and failed",
    ),
    "two that run": (two_run, "tasks: 2 run at once"),
    "a task whose exam lies nowhere": (
        lambda home: edit(next(home.tasks.glob("done/*")) / "result.json", data={"exam": "bin/never"}),
        "done, and its exam bin/never lies nowhere",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damage_is_named(home: Home, damage: str) -> None:
    make, what = DAMAGES[damage]
    make(home)
    [told] = found(home, deep=True)
    assert what in told


def test_what_the_scheduler_does_next_is_worth_knowing_and_no_trouble(home: Home) -> None:
    delete_line(annals(home), line_of(home, "graded", -1))
    drops(home)[-1].unlink()
    queue = TaskQueue(home)
    queue.submit(TaskText(kind="exam"))
    waiting = queue.next_waiting()
    assert waiting
    (waiting.path).rename(home.tasks / "running" / waiting.id)
    assert found(home, deep=True) == []
    notes = found(home, "note", deep=True)
    assert len(notes) == 3
    for text in ("is not in the annals", "batch 4: has no drop yet", "its scheduler is gone"):
        assert any(text in one for one in notes), notes
