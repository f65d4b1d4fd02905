"""Orders about quests, carried out and answered by the queue-watcher."""

from typing import Any

from realm.arena.quest_orders import QuestOrders
from realm.core.control import Control
from realm.core.log import Log
from realm.core.paths import Home
from realm.core.quests import ERROR_FILE, QuestQueue, State
from tests.protocol.subject import Complaint, Complaints, Subject, folder_of, lay, lies_only_in, name_of

WATCHER = "queue-watcher"
QUEST = name_of("quest")


def obey(home: Home) -> None:
    orders = QuestOrders(WATCHER, Control(home), QuestQueue(home), Log(WATCHER))
    orders.obey()
    if orders.problem:
        raise OSError(orders.problem)  # the daemon tries again at its next look


def order(start: State, end: State | None, action: str, result: dict[str, Any], *verdicts: str, **more: Any) -> Subject:
    """`result`: what the one answer says."""

    def prepare(home: Home) -> None:
        lay(folder_of(home, start), *verdicts)
        Control(home).place_order(WATCHER, action, {"quest": QUEST, **more})

    def check(home: Home) -> Complaints:
        yield from lies_only_in(home, end)
        if list((home.orders / WATCHER).glob("[!.]*.json")):
            yield Complaint("stuck", "the order waits still")
        ids = [path.stem for path in (home.orders / WATCHER / "done").glob("[!.]*.json")]
        told = [answer.result for one in ids if (answer := Control(home).answer_to(WATCHER, one))]
        if told != [{"quest": QUEST, **result}]:
            yield Complaint("lost", f"the answers are {told}")

    return Subject(prepare=prepare, act=obey, check=check)


SUBJECTS = {
    "order to move": order("low", "high", "move", {"priority": "high"}, priority="high"),
    "order to retry": order("failed", "low", "retry", {"priority": "low"}, ERROR_FILE),
    "order to remove": order("low", None, "remove", {}),
}
