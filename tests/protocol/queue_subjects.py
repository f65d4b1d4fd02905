"""Transitions of quests: one rename each."""

from collections.abc import Callable
from pathlib import Path

from realm.core.paths import Home
from realm.core.quests import ERROR_FILE, RESULT_FILE, QuestQueue, State
from tests.protocol.subject import VERDICT, Complaint, Complaints, Subject, folder_of, lay, lies_only_in, name_of

QUEST = name_of("quest")
LEFTOVER = f".removed-{name_of('older')}"


def transition(
    start: State, end: State | None, act: Callable[[QuestQueue], object], *, before: str = "", after: str = ""
) -> Subject:
    """`before`, `after`: the verdict that lies in the folder."""

    def check(home: Home) -> Complaints:
        yield from lies_only_in(home, end)
        if end and after and not (folder_of(home, end) / after).exists():
            yield Complaint("lost", f"{after} is missing")

    return Subject(
        prepare=lambda home: lay(folder_of(home, start), *filter(None, [before])),
        act=lambda home: act(QuestQueue(home)),
        check=check,
    )


def admission(end: State, admit: Callable[[QuestQueue, Path], object]) -> Subject:
    def act(home: Home) -> None:
        """The drop is still there: it is staged once more, unless it is a quest already."""
        staging = folder_of(home, ".staging")
        if not QuestQueue(home).find(QUEST):
            lay(staging)
        admit(QuestQueue(home), staging)

    return Subject(prepare=lambda home: None, act=act, check=lambda home: lies_only_in(home, end))


def lay_half_removed(home: Home) -> None:
    lay(folder_of(home, "failed"), ERROR_FILE)
    folder_of(home, "failed").rename(home.failed / LEFTOVER)


SUBJECTS = {
    "publish": admission("normal", lambda queue, staging: queue.publish(staging, QUEST, "normal")),
    "refuse": admission("failed", lambda queue, staging: queue.refuse(staging, QUEST, VERDICT)),
    "claim": transition("low", "processing", lambda queue: queue.claim(QUEST)),
    "reclaim": transition("recently_completed", "processing", lambda queue: queue.reclaim(QUEST), before=RESULT_FILE),
    "release": transition("processing", "high", lambda queue: queue.release(QUEST, "high")),
    "complete": transition(
        "processing", "recently_completed", lambda queue: queue.complete(QUEST, VERDICT), after=RESULT_FILE
    ),
    "fail": transition(
        "processing", "failed", lambda queue: queue.fail(QUEST, VERDICT), before=RESULT_FILE, after=ERROR_FILE
    ),
    "move": transition("low", "high", lambda queue: queue.move(QUEST, "high")),
    "retry": transition("failed", "normal", lambda queue: queue.retry(QUEST, "normal"), before=ERROR_FILE),
    "remove": transition("low", None, lambda queue: queue.remove(QUEST)),
    "prune": Subject(
        prepare=lambda home: lay(folder_of(home, "failed"), ERROR_FILE),
        act=lambda home: QuestQueue(home).prune("failed", keep=lambda name: False),
        check=lambda home: lies_only_in(home, None),
    ),
    "end of a removal": Subject(
        prepare=lay_half_removed,
        act=lambda home: QuestQueue(home).sweep(),
        check=lambda home: lies_only_in(home, None),
    ),
}
