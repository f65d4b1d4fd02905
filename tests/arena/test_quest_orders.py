"""Orders about quests, obeyed by the real queue-watcher: carried out or refused with a sentence, and once."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from realm.arena.quest_orders import QuestOrders
from realm.core.control import Answer, Control
from realm.core.log import Log
from realm.core.paths import Home
from realm.core.quests import QuestQueue, State
from tests.arena.realm_home import put_quest
from tests.arena.watcher import Watcher, chat, immutable, needs_root, small_disk, until

WATCHER = "queue-watcher"
LINE = chat("2 + 2?", "4")
FAILED = b'{"reason": "line 1: broken", "outcome": "failed", "findings": [], "total": 0}'
REFUSED = b'{"schema": "refusal@1", "reason": "no lines", "findings": [], "total": 0, "counts": {}}'


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    return home


@pytest.fixture
def watcher(home: Home) -> Iterator[Watcher]:
    watcher = Watcher(home)
    until(lambda: "event=ready" in watcher.log, "ready")
    yield watcher
    watcher.kill()


def failed(home: Home, verdict: bytes = FAILED, priority: str = "low") -> str:
    name = put_quest(home, LINE, priority=priority)
    QuestQueue(home).claim(name)
    QuestQueue(home).fail(name, verdict)
    return name


def told(home: Home, action: str, **arguments: Any) -> Answer:
    """Gives an order, and waits for its answer."""
    order = Control(home).place_order(WATCHER, action, arguments)
    return until(lambda: Control(home).answer_to(WATCHER, order), f"{action} is answered")


def state(home: Home, name: str) -> State | None:
    found = QuestQueue(home).find(name)
    return found.state if found else None


def orders(home: Home) -> QuestOrders:
    return QuestOrders(WATCHER, Control(home), QuestQueue(home), Log(WATCHER))


def test_orders_are_obeyed_at_once(home: Home, watcher: Watcher) -> None:
    name, ended = put_quest(home, LINE), failed(home)
    answer = told(home, "move", quest=name, priority="high")
    assert (answer.error, answer.result) == (None, {"quest": name, "priority": "high"})
    assert state(home, name) == "high"
    assert told(home, "retry", quest=ended).result == {"quest": ended, "priority": "low"}
    assert state(home, ended) == "low"
    for _ in range(2):  # one that is gone already is what was asked for
        assert told(home, "remove", quest=name).result == {"quest": name}
        assert state(home, name) is None
    assert watcher.log.count("event=order") == 4
    until(lambda: not list((home.orders / WATCHER).glob("*.json")), "orders are cleared")


def test_what_cannot_be_is_refused_and_the_next_order_is_obeyed(home: Home, watcher: Watcher) -> None:
    waiting, claimed, refused = put_quest(home, LINE), put_quest(home, LINE * 2), failed(home, REFUSED)
    QuestQueue(home).claim(claimed)
    gone = "20260101T000000.000000Z-gone-0a1b2c3d"
    for action, arguments, said in (
        ("dance", {}, "'dance' is unknown: the queue-watcher knows move, retry and remove"),
        ("move", {"quest": claimed, "priority": "low"}, "processing"),
        ("move", {"quest": waiting, "priority": "soon"}, "Invalid enum value 'soon'"),
        ("move", {"quest": waiting}, "missing required field `priority`"),
        ("move", {"quest": "../../inbox", "priority": "low"}, "is no quest's name"),
        ("move", {"quest": gone, "priority": "low"}, "it is nowhere"),
        ("retry", {"quest": claimed}, "is not where it can become normal"),
        ("retry", {"quest": gone}, "is nowhere in the queue"),
        ("retry", {"quest": refused}, "was never admitted"),
        ("retry", {"quest": refused, "priority": "high"}, "unknown field `priority`"),
        ("remove", {"quest": claimed}, "is being trained: skip it first"),
        ("remove", {"quest": ".."}, "is no quest's name"),
    ):
        answer = told(home, action, **arguments)
        assert answer.error, (action, arguments)
        assert said in answer.error, (action, arguments)
        assert answer.result is None
    assert told(home, "move", quest=waiting, priority="low").error is None
    assert (state(home, claimed), state(home, refused)) == ("processing", "failed")


def test_an_order_that_came_while_nobody_watched_is_obeyed_by_the_next(home: Home, watcher: Watcher) -> None:
    watcher.kill()
    name = put_quest(home, LINE)
    order = Control(home).place_order(WATCHER, "move", {"quest": name, "priority": "high"})
    watcher.start_again()
    assert until(lambda: Control(home).answer_to(WATCHER, order)).error is None
    assert state(home, name) == "high"


@pytest.mark.parametrize(
    ("action", "ends"), [("move", "high"), ("retry", "low"), ("remove", None)], ids=["move", "retry", "remove"]
)
def test_after_a_kill_before_the_answer_the_order_is_obeyed_again(home: Home, action: str, ends: State | None) -> None:
    name = put_quest(home, LINE) if action == "move" else failed(home)
    order = Control(home).place_order(
        WATCHER, action, {"quest": name, **({"priority": ends} if action == "move" else {})}
    )
    transition: dict[str, Callable[[QuestQueue], object]] = {
        "move": lambda queue: queue.move(name, "high"),
        "retry": lambda queue: queue.retry(name, "low"),
        "remove": lambda queue: queue.remove(name),
    }
    transition[action](QuestQueue(home))  # all that was done before the kill
    assert orders(home).obey()
    answer = Control(home).answer_to(WATCHER, order)
    assert answer
    assert answer.error is None
    assert state(home, name) == ends


def test_a_retry_is_not_obeyed_a_second_time_by_a_quest_that_was_trained_since(home: Home) -> None:
    name, queue = failed(home), QuestQueue(home)
    order = Control(home).place_order(WATCHER, "retry", {"quest": name})
    seen = (home.orders / WATCHER / f"{order}.json").stat().st_ctime_ns
    queue.retry(name, "low")  # then a kill; and the trainer goes on meanwhile
    queue.claim(name)

    def ended_later() -> bool:
        queue.complete(name, b'{"outcome": "completed"}')
        return (home.completed / name / "result.json").stat().st_ctime_ns > seen

    until(ended_later, "the clock of the disk has moved on")
    assert orders(home).obey()
    answer = Control(home).answer_to(WATCHER, order)
    assert answer
    assert "ended after this order was given" in (answer.error or "")
    assert state(home, name) == "recently_completed"


def test_somebodys_copy_is_not_replaced(home: Home) -> None:
    name = put_quest(home, LINE, priority="normal")
    (home.queue / "low" / name).mkdir()
    order = Control(home).place_order(WATCHER, "move", {"quest": name, "priority": "low"})
    assert orders(home).obey()
    answer = Control(home).answer_to(WATCHER, order)
    assert answer
    assert "is there already: one of the two is a copy" in (answer.error or "")
    assert (home.queue / "normal" / name / "quest.jsonl").exists()


@needs_root
def test_a_folder_that_may_not_be_moved_is_told_and_holds_up_nobody(home: Home, watcher: Watcher) -> None:
    stuck, name = put_quest(home, LINE), put_quest(home, LINE * 2)
    with immutable(home.queue / "normal" / stuck):
        assert "Operation not permitted" in (told(home, "move", quest=stuck, priority="low").error or "")
        assert told(home, "move", quest=name, priority="low").error is None


def fill(disk: Path) -> None:
    with (disk / "ballast").open("wb", buffering=0) as ballast, suppress(OSError):
        while ballast.write(b"0" * 4096):
            pass


@needs_root
def test_while_a_full_disk_keeps_answers_away_orders_wait(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=4m") as disk:
        home = Home(disk / "home")
        home.create()
        name = put_quest(home, LINE)
        order = Control(home).place_order(WATCHER, "move", {"quest": name, "priority": "high"})
        fill(disk)
        obeyer = orders(home)
        assert obeyer.obey()
        assert "orders wait: " in (obeyer.problem or "")
        assert "free some space" in (obeyer.problem or "")
        (disk / "ballast").unlink()
        assert obeyer.obey()
        assert obeyer.problem is None
        assert Control(home).answer_to(WATCHER, order)
        assert state(home, name) == "high"


def test_many_orders_do_not_keep_drops_waiting(home: Home, watcher: Watcher) -> None:
    names = [put_quest(home, LINE * count) for count in range(1, 80)]
    orders = [Control(home).place_order(WATCHER, "move", {"quest": name, "priority": "low"}) for name in names]
    (home.inbox / "mine.jsonl").write_bytes(chat("mine"))
    last = until(lambda: Control(home).answer_to(WATCHER, orders[-1]), "all orders are obeyed")
    (admitted,) = until(lambda: watcher.events("quest.admitted"), "the drop is let in")
    assert datetime.fromisoformat(admitted["at"]) < last.answered_at
