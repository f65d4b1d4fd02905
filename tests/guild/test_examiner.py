"""The exam that is begun, and those that wait: what a newer checkpoint makes pointless is not sat."""

import sys
from pathlib import Path

import msgspec
import pytest

from realm.core.paths import Home
from realm.guild import examiner as examiner_module
from realm.guild.examiner import Due, Examiner
from realm.guild.tasks import TaskQueue, TaskText
from tests.arena.realm_home import eventually

OLD, NEW = "checkpoint-1-20260101-0001", "checkpoint-2-20260101-0002"
TELL_ARGUMENTS = (
    sys.executable,
    "-c",
    "import sys; from pathlib import Path; Path(sys.argv[2], 'told').write_text(sys.argv[3])",
)


@pytest.fixture
def tasks(home: Home) -> TaskQueue:
    queue = TaskQueue(home)
    queue.make_folders()
    return queue


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    return home


def waiting(tasks: TaskQueue) -> list[tuple[str, str]]:
    return [(task.text.arguments["checkpoint"], task.text.submitted_by) for task in tasks.all("normal", "low")]


def test_exams_of_an_older_checkpoint_are_withdrawn_unless_a_person_asked_for_them(
    home: Home, tasks: TaskQueue
) -> None:
    examiner = Examiner(home, tasks)
    examiner.submit([Due(OLD, "bin", 2, "normal"), Due(OLD, "bin", 1, "low")])
    tasks.submit(msgspec.structs.replace(Due(OLD, "bin", 7, "normal").text, submitted_by="person"))
    tasks.submit(TaskText(kind="other", arguments={"checkpoint": OLD}))
    examiner.withdraw_older(NEW)
    examiner.submit([Due(NEW, "bin", 2, "normal")])
    examiner.withdraw_older(NEW)
    assert waiting(tasks) == [(OLD, "person"), (OLD, "scheduler"), (NEW, "scheduler")]
    assert [task.text.kind for task in tasks.all("normal")] == ["exam", "other", "exam"]
    assert tasks.counts()["cancelled"] == 2


def test_the_worker_is_told_which_device_the_settings_ask_for(home: Home, tasks: TaskQueue) -> None:
    examiner = Examiner(home, tasks, TELL_ARGUMENTS)
    examiner.submit([Due(NEW, "bin", 1, "normal")])
    [task] = tasks.all("normal")
    assert examiner.begin_next("cpu") is None
    told = tasks.root / "running" / task.id / "told"
    eventually(told.exists)
    eventually(lambda: told.read_text() == "cpu")
    eventually(examiner.ended)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> str:
    """Of memory, for whichever exam."""
    monkeypatch.setattr(examiner_module, "exam_shortage", lambda weights: "an exam needs more")
    return "an exam needs more"


def test_where_memory_is_short_an_exam_begins_once_another_machine_can_answer(
    home: Home, tasks: TaskQueue, short: str
) -> None:
    looks = home.root / "looks"
    look = (sys.executable, "-c", f"import sys; open({str(looks)!r}, 'a').write(' '.join(sys.argv[1:]) + chr(10))")
    examiner = Examiner(home, tasks, TELL_ARGUMENTS, look)
    examiner.submit([Due(NEW, "bin", 1, "normal")])
    assert examiner.begin_next() == short
    eventually(lambda: examiner.begin_next() is None)
    assert looks.read_text() == f"{home.root} {NEW}\n"
    eventually(examiner.ended)


def test_where_memory_is_short_everywhere_an_exam_waits_and_the_others_are_seldom_asked(
    home: Home, tasks: TaskQueue, short: str
) -> None:
    looks = home.root / "looks"
    look = (sys.executable, "-c", f"import sys; open({str(looks)!r}, 'a').write('x'); sys.exit('nobody')")
    examiner = Examiner(home, tasks, TELL_ARGUMENTS, look)
    examiner.submit([Due(NEW, "bin", 1, "normal")])
    assert examiner.begin_next() == short
    eventually(lambda: (examiner.begin_next(), examiner._look)[1] is None)
    assert [examiner.begin_next() for _ in range(5)] == [short] * 5
    assert looks.read_text() == "x"
    assert not examiner.is_busy
