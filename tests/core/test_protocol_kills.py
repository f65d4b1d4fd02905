"""Kill, starve or fail every transition at each system call that changes a file: nothing lost, torn or stuck."""

import json
import shutil
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

from realm.core.control import Control
from realm.core.paths import Home
from realm.core.quests import QUEST_FILE, STATES, VERDICTS, QuestQueue
from tests.core import transitions
from tests.core.transitions import LINES, QUEST_TRANSITIONS, folder_of, name_of

STRACE = shutil.which("strace")
REPOSITORY = Path(__file__).parents[2]
KILL, FULL, BROKEN = "signal=KILL", "error=ENOSPC", "error=EIO"
FAULTS = [
    *(
        (call, KILL)
        for call in ("write", "fchmod", "fsync", "rename", "renameat2", "unlink", "unlinkat", "rmdir", "chmod")
    ),
    *((call, FULL) for call in ("write", "rename", "renameat2")),
    *((call, BROKEN) for call in ("write", "fsync")),
]

pytestmark = pytest.mark.skipif(STRACE is None, reason="strace is not installed")


@pytest.fixture(scope="module")
def made_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = Home(tmp_path_factory.mktemp("made") / "home")
    transitions.prepare(home)
    return home.root


def hit(home: Home, call: str, number: int, fault: str) -> list[str]:
    """Carries out every transition with a fault at its `number`-th `call`; returns those that it broke."""
    return traced(home, "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:{fault}:when={number}")


def traced(home: Home, *options: str) -> list[str]:
    """Carries out every transition under strace; returns those that did not come to their end."""
    command = [str(STRACE), "-f", *options, sys.executable, "-B", "-m", "tests.core.transitions", str(home.root)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def check_quest_after_fault(home: Home, title: str) -> None:
    present = [folder for state in (".staging", *STATES) if (folder := folder_of(home, state, title)).exists()]
    if title != "remove":
        assert len(present) == 1, title
    for folder in present:
        assert (folder / QUEST_FILE).read_bytes() == LINES
        for verdict in VERDICTS:
            if (folder / verdict).exists():
                assert json.loads((folder / verdict).read_bytes())


def check_everything_ended(home: Home) -> None:
    for title, transition in QUEST_TRANSITIONS.items():
        found = QuestQueue(home).find(name_of(title))
        assert (found.state if found else "") == transition.end, title
    assert QuestQueue(home).strangers() == []
    assert list(home.orders.glob("oracle/*.json")) == []
    (answer,) = home.orders.glob("oracle/done/[!.]*.json")
    assert json.loads(answer.read_bytes())["result"] == {"loaded": 7}
    flag = Control(home).flag("pause")
    assert flag is not None
    assert flag.reason == "a person asked"
    assert [hold.reason for hold in Control(home).holds()] == ["disk full"]


@pytest.mark.parametrize(("call", "fault"), FAULTS)
def test_a_transition_that_is_cut_anywhere_is_finished_by_doing_it_again(
    made_home: Path, tmp_path: Path, call: str, fault: str
) -> None:
    for number in count(1):
        home = Home(tmp_path / f"{number}")
        shutil.copytree(made_home, home.root)
        broken = hit(home, call, number, fault)
        for title in QUEST_TRANSITIONS:
            check_quest_after_fault(home, title)
        for title, act in transitions.actions(home).items():
            if title in broken:
                act()
        check_everything_ended(home)
        if not broken:
            break
    assert number > 1, f"no transition calls {call}: the fault hit nothing"


def test_where_the_kernel_lacks_the_flag_a_rename_still_works_and_replaces_nothing(
    made_home: Path, tmp_path: Path
) -> None:
    home = Home(tmp_path / "home")
    shutil.copytree(made_home, home.root)
    folder_of(home, "high", "move").mkdir()  # plain rename(2) would replace an empty folder
    broken = hit(home, "renameat2", 1, "error=EINVAL")  # what NFS answers
    assert broken == ["move"]
    assert folder_of(home, "low", "move").exists()
    assert list(folder_of(home, "high", "move").iterdir()) == []
    folder_of(home, "high", "move").rmdir()
    QuestQueue(home).move(name_of("move"), "high")
    check_everything_ended(home)


def test_an_order_that_was_answered_before_a_kill_is_not_given_again(made_home: Path, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    shutil.copytree(made_home, home.root)
    assert "answer" in hit(home, "unlink", 1, KILL)  # the clearing
    assert len(list(home.orders.glob("oracle/*.json"))) == 1
    assert Control(home).next_order("oracle") is None
    assert list(home.orders.glob("oracle/*.json")) == []


def test_content_is_durable_before_it_is_named_and_every_rename_is_made_durable(
    made_home: Path, tmp_path: Path
) -> None:
    home, log = Home(tmp_path / "home"), tmp_path / "log"
    shutil.copytree(made_home, home.root)
    assert traced(home, "-y", "-s", "4096", "-o", str(log), "-e", "trace=fsync,renameat2") == []
    calls = [line.split(None, 1) for line in log.read_text().splitlines()]  # process, call
    renames = [(index, *call) for index, call in enumerate(calls) if call[1].startswith("renameat2(")]
    assert len(renames) == len(QUEST_TRANSITIONS) + 1  # and the flag
    for index, process, rename in renames:
        source, target = (Path(text) for text in rename.split('"')[1::2])
        before = "".join(call for owner, call in calls[:index] if owner == process)
        after = "".join(call for owner, call in calls[index:] if owner == process)
        assert f"<{target.parent}>" in after
        assert f"<{source.parent}>" in after
        if source.parent == home.staging:
            assert f"<{source / QUEST_FILE}>" in before
            assert f"<{source}>" in before
