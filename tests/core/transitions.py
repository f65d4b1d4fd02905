"""Every transition of the file protocol, so that it can be killed or starved at each of its system calls.

As a program (`python -m tests.core.transitions HOME`) it carries out each transition in a process of its own,
which a tracer may hit, and prints the name of each that did not come to its end.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from realm.core.control import Control
from realm.core.paths import Home
from realm.core.quests import ERROR_FILE, QUEST_FILE, RESULT_FILE, QuestQueue

LINES = b'{"text": "a line"}\n' * 100
VERDICT = b'{"outcome": "as told"}'


@dataclass(frozen=True)
class Transition:
    start: str  # the folder the quest lies in before
    end: str  # and after; empty: it is gone
    act: Callable[[QuestQueue, str], object]
    verdict: str = ""  # file that is there before it begins


def staged(queue: QuestQueue, name: str) -> Path:
    return queue.home.staging / name


QUEST_TRANSITIONS = {
    "publish": Transition(".staging", "normal", lambda q, n: q.publish(staged(q, n), n, "normal")),
    "refuse": Transition(".staging", "failed", lambda q, n: q.refuse(staged(q, n), n, VERDICT)),
    "claim": Transition("low", "processing", lambda q, n: q.claim(n)),
    "reclaim": Transition("recently_completed", "processing", lambda q, n: q.reclaim(n), RESULT_FILE),
    "release": Transition("processing", "high", lambda q, n: q.release(n, "high")),
    "complete": Transition("processing", "recently_completed", lambda q, n: q.complete(n, VERDICT)),
    "fail": Transition("processing", "failed", lambda q, n: q.fail(n, VERDICT), RESULT_FILE),
    "move": Transition("low", "high", lambda q, n: q.move(n, "high")),
    "retry": Transition("failed", "normal", lambda q, n: q.retry(n, "normal"), ERROR_FILE),
    "remove": Transition("low", "", lambda q, n: q.remove(n)),
}


def name_of(title: str) -> str:
    return f"20260101T000000.000000Z-{title}-0123abcd"


def folder_of(home: Home, state: str, title: str) -> Path:
    return (home.staging if state == ".staging" else home.queue / state) / name_of(title)


def lay(folder: Path, *files: str) -> None:
    """A quest with its lines, and further files."""
    folder.mkdir()
    (folder / QUEST_FILE).write_bytes(LINES)
    for name in files:
        (folder / name).write_bytes(VERDICT)


def prepare(home: Home) -> None:
    """A home with one quest for each transition, and one order."""
    home.create()
    for title, transition in QUEST_TRANSITIONS.items():
        lay(folder_of(home, transition.start, title), *filter(None, [transition.verdict]))
    Control(home).place_order("oracle", "load", {"step": 7})


def answer_order(home: Home) -> None:
    control = Control(home)
    if order := control.next_order("oracle"):
        control.answer(order, {"loaded": 7})


def actions(home: Home) -> dict[str, Callable[[], object]]:
    queue, control = QuestQueue(home), Control(home)
    moves = {
        title: (lambda act=transition.act, title=title: act(queue, name_of(title)))
        for title, transition in QUEST_TRANSITIONS.items()
    }
    return moves | {
        "answer": lambda: answer_order(home),
        "raise": lambda: control.raise_flag("pause", "a person asked"),
        "hold": lambda: control.place_hold("guardian", "disk full"),
    }


def main() -> None:
    for title, act in actions(Home(Path(sys.argv[1]))).items():
        child = os.fork()
        if child == 0:
            try:
                act()
            except OSError:
                os._exit(1)
            os._exit(0)
        if os.waitpid(child, 0)[1]:
            os.writev(1, [f"{title}\n".encode()])  # a call of its own: a fault in write(2) is meant for the child


if __name__ == "__main__":
    main()
