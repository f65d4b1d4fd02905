"""Kill, starve or fail every transition at each system call that changes a file: nothing lost, twice, torn or stuck.

`python -m tests.protocol` does the same by hand.
"""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from realm.core.control import Control
from realm.core.paths import Home
from realm.core.quests import QUEST_FILE, QuestQueue
from tests.protocol import queue_subjects
from tests.protocol.every_call import calm_calls, prepared
from tests.protocol.injection import FAULTS, Bench, Striker
from tests.protocol.side_by_side import SideBySide
from tests.protocol.subject import folder_of, name_of
from tests.protocol.table import lines
from tests.protocol.workbench import REFUSED, Order

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SideBySide]:
    with SideBySide(tmp_path_factory.mktemp("rows")) as running:
        yield running


@pytest.mark.timeout(600)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_transition_that_is_cut_anywhere_is_finished_by_the_next_start(
    runs: SideBySide, tables: dict[str, Sequence[str]], fault: str
) -> None:
    rows, said, status = runs.wait_for(fault)
    tables[f"{fault} at every call that changes a file"] = lines(rows)
    assert status == 0, said
    assert all(row.points for row in rows), "a transition changes no file: nothing was tried"


def test_content_is_durable_before_it_is_named_and_every_rename_is_made_durable(memory_path: Path) -> None:
    assert unordered(memory_path) == []


def unordered(folder: Path, environment: dict[str, str] | None = None) -> list[str]:
    """Renames in the queue without the syncs that they need, in the order of the calls."""
    made = prepared(list(queue_subjects.SUBJECTS), folder / "made")
    traces = calm_calls(made, folder, environment)
    wrong = []
    for subject in queue_subjects.SUBJECTS:
        calls = traces[subject].points
        for index, call in enumerate(calls):
            if call.name != "renameat2":
                continue
            source, target = (Path(text) for text in call.about.split('"')[1::2])
            before = "".join(one.about for one in calls[:index] if one.name == "fsync")
            after = "".join(one.about for one in calls[index:] if one.name == "fsync")
            wanted = [(target.parent, after), (source.parent, after)]
            if source.parent == Home.staging:
                wanted += [(source / QUEST_FILE, before), (source, before)]
            wrong += [f"{subject}: {path}" for path, synced in wanted if f"<{path}>" not in synced]
    return wrong


def test_where_the_kernel_lacks_the_flag_a_rename_still_works_and_replaces_nothing(memory_path: Path) -> None:
    made = prepared(["move", "claim"], memory_path / "made")
    in_the_way = folder_of(Home(made["move"]), "high")
    in_the_way.mkdir()  # plain rename(2) would replace an empty folder
    with Bench("-o", "/dev/null", "-e", "inject=renameat2:error=EINVAL") as nfs:  # what it answers
        assert nfs.carry_out(Order("move", str(made["move"]))).status == REFUSED
        assert nfs.carry_out(Order("claim", str(made["claim"]))).status == 0
    assert folder_of(Home(made["move"]), "low").exists()
    assert list(in_the_way.iterdir()) == []
    found = QuestQueue(Home(made["claim"])).find(name_of("quest"))
    assert found
    assert found.state == "processing"


def test_an_order_that_was_answered_before_a_kill_is_not_given_again(memory_path: Path) -> None:
    made = prepared(["answer an order"], memory_path / "made")
    traces = calm_calls(made, memory_path)
    trace = traces["answer an order"]
    (clearing,) = [point for point in trace.points if point.name == "unlink"]
    counts = sum((one.counts for one in traces.values()), start=trace.counts)
    striker = Striker("SIGKILL", counts, memory_path / "hits")
    with striker.bench:
        assert striker.strike("answer an order", made["answer an order"], clearing).status == -9
    home = Home(made["answer an order"])
    assert len(list(home.orders.glob("oracle/*.json"))) == 1
    assert Control(home).next_order("oracle") is None
    assert list(home.orders.glob("oracle/*.json")) == []
