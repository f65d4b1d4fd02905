"""What people ask of quests, as orders: move {quest, priority}, retry {quest}, remove {quest}.

Every transition may be made again after a kill. A retry alone could be obeyed twice, by a quest that was trained and
ended between the transition and its answer: a quest that ended after the order was given stays where it is.
"""

import time
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from realm.arena.intake.admission import Refusal
from realm.arena.intake.copying import SHORTAGES, Shortage
from realm.core.control import Control, Order
from realm.core.log import Log
from realm.core.quests import (
    ENDED,
    ERROR_FILE,
    VERDICTS,
    Priority,
    Quest,
    QuestBusy,
    QuestGone,
    QuestMetaError,
    QuestNameError,
    QuestQueue,
    read_meta,
)

TURN_SECONDS = 0.5  # orders are obeyed for so long; then drops have their turn


class Move(Struct, frozen=True, forbid_unknown_fields=True):
    quest: str
    priority: Priority


class Named(Struct, frozen=True, forbid_unknown_fields=True):
    quest: str


class Refused(Exception):
    """The order is not obeyed; the text says why."""


REFUSED = (Refused, QuestBusy, QuestGone, QuestMetaError, QuestNameError, msgspec.ValidationError)


class QuestOrders:
    """Obeys one daemon's orders, one after the other."""

    def __init__(self, daemon: str, control: Control, queue: QuestQueue, log: Log):
        self.problem: str | None = None  # why orders wait
        self._daemon = daemon
        self._control = control
        self._queue = queue
        self._log = log

    def obey(self) -> bool:
        """False if some are left for the next turn. While the disk is full or the like they wait, as `problem` says.

        Raises OSError for a broken disk.
        """
        self.problem = None
        turn_ends = time.monotonic() + TURN_SECONDS
        try:
            while order := self._control.next_order(self._daemon):
                self._obey(order)
                if time.monotonic() > turn_ends:
                    return False
        except OSError as error:
            self.problem = f"orders wait: {_shortage(error)}"
        return True

    def _obey(self, order: Order) -> None:
        try:
            result = self._carried_out(order)
        except REFUSED as error:
            self._refuse(order, str(error))
        except FileExistsError as error:
            self._refuse(order, f"{error.filename2 or error.filename} is there already: one of the two is a copy")
        except PermissionError as error:  # of this quest's folder: no other order waits for it
            self._refuse(order, _shortage(error))
        else:
            self._log("order", action=order.action, **result)
            self._control.answer(order, result)

    def _refuse(self, order: Order, reason: str) -> None:
        self._log("order", action=order.action, refused=reason)
        self._control.refuse(order, reason)

    def _carried_out(self, order: Order) -> dict[str, Any]:
        match order.action:
            case "move":
                asked = msgspec.convert(order.arguments, Move)
                self._queue.move(asked.quest, asked.priority)
                return {"quest": asked.quest, "priority": asked.priority}
            case "retry":
                return self._retry(order, msgspec.convert(order.arguments, Named).quest)
            case "remove":
                quest = msgspec.convert(order.arguments, Named).quest
                self._queue.remove(quest)  # one that is gone already is what was asked for
                return {"quest": quest}
        raise Refused(f"{order.action!r} is unknown: the {self._daemon} knows move, retry and remove")

    def _retry(self, order: Order, name: str) -> dict[str, Any]:
        """With the priority that it was admitted with."""
        quest = self._queue.find(name)
        if quest is None:
            raise Refused(f"{name} is nowhere in the queue")
        if quest.state in ENDED:
            _check_retry(quest, order)
        try:
            priority = read_meta(quest.path).priority
        except FileNotFoundError:
            raise Refused(f"{name} has no meta.json, or was moved just now: ask again") from None
        self._queue.retry(name, priority)
        return {"quest": name, "priority": priority}


def _check_retry(quest: Quest, order: Order) -> None:
    """Raises Refused."""
    verdicts = [file for name in VERDICTS if (file := quest.path / name).exists()]
    if any(_changed_at(file) > _changed_at(order.path) for file in verdicts):
        raise Refused(f"{quest.name} ended after this order was given: look how, and ask again")
    try:
        msgspec.json.decode((quest.path / ERROR_FILE).read_bytes(), type=Refusal)
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return  # it was trained
    raise Refused(f"{quest.name} was never admitted: mend its lines and drop the file again")


def _changed_at(file: Path) -> int:
    """Nanoseconds since 1970; 0 for a file that is gone."""
    try:
        return file.stat().st_ctime_ns
    except FileNotFoundError:
        return 0


def _shortage(error: OSError) -> str:
    """What a person or time mends. Raises the error if it is anything else."""
    if error.errno not in SHORTAGES:
        raise error
    return str(Shortage.of(error))
