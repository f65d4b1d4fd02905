"""Quests over HTTP: what waits, what is trained, how each ended; and wishes, which become orders of the queue-watcher.

GET  /api/quests?limit=           counts, names in the inbox, and the first of each state
GET  /api/quests/<name>           one quest with its meta, verdict, findings, and the beginning of its lines
GET  /api/quests/<name>/census    lines that repeat, lines that an exam asks, lengths: counted when asked for
POST /api/quests/<name>/move      {"priority"} -> 202 {"daemon", "order"}
POST /api/quests/<name>/retry     {} -> 202
POST /api/quests/<name>/remove    {"name": the name again} -> 202
POST /api/quests/<name>/mend      {} -> 201 {"file", "kept", "left_out"}: a new drop without the bad lines
"""

import heapq
import os
import threading
from collections.abc import Iterator, Set
from contextlib import suppress
from datetime import datetime
from itertools import chain, islice
from operator import itemgetter
from typing import Any, NamedTuple, NoReturn

import bottle
import msgspec
from msgspec import Struct

from realm.arena.intake.inbox import QUEST_SUFFIXES, printable
from realm.core.control import Control
from realm.core.history import ENDERS, DamagedHistory
from realm.core.loopback import answer, number, refusal
from realm.core.paths import Home
from realm.core.quests import (
    ENDED,
    PRIORITIES,
    QUEST_FILE,
    STATES,
    Ended,
    Priority,
    Quest,
    QuestQueue,
    State,
    valid_name,
)
from realm.core.queue_look import QueueLook
from realm.tavern.following import Growing
from realm.tavern.mending import mended
from realm.tavern.quest_cards import card, details, read_verdict, shown_state
from realm.tavern.quest_census import census
from realm.tavern.quest_exams import exams_around
from realm.tavern.wishes import wish, writing

WATCHER = "queue-watcher"
LISTING = 0.1  # of the time may go into listing one folder, so that a board of 10,000 quests is a second old at most
SHOWN, MOST_SHOWN = 50, 500  # quests of each state
SHOWN_INBOX = 50


class Move(Struct, frozen=True, forbid_unknown_fields=True):
    priority: Priority


class Retry(Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing is to be said."""


class Mend(Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing is to be said."""


class Remove(Struct, frozen=True, forbid_unknown_fields=True):
    name: str  # the quest's name again


def add_routes(app: bottle.Bottle, home: Home) -> None:
    """Quests, and the orders about them."""
    board = Board(home)
    app.get("/api/quests", callback=lambda: answer(board.listing(number("limit", SHOWN, 1, MOST_SHOWN))))
    app.get("/api/quests/<name>", callback=lambda name: answer(board.detail(name)))
    app.get("/api/quests/<name>/census", callback=board.census)
    app.post("/api/quests/<name>/move", callback=board.move)
    app.post("/api/quests/<name>/retry", callback=board.retry)
    app.post("/api/quests/<name>/remove", callback=board.remove)
    app.post("/api/quests/<name>/mend", callback=board.mend)


class Newest(NamedTuple):
    """Names of quests that ended, the last first, and what they follow from."""

    state: tuple[object, ...]
    names: list[str]


class Board:
    """Reads only what is shown: folders that have not changed are not listed again, history is read as it grows."""

    def __init__(self, home: Home):
        self._home = home
        self._queue = QuestQueue(home)
        self._look = QueueLook(self._queue, LISTING)
        self._ends = [Ends(home.history / f"{daemon}.jsonl") for daemon in ENDERS]
        self._known: dict[Ended, Newest] = {}
        self._looking = threading.Lock()

    # Looking

    def listing(self, limit: int) -> dict[str, Any]:
        with self._looking:
            problems = self._look_at_history()
            quests: dict[str, list[tuple[State, str]]] = {
                "waiting": [*islice(self._look.waiting(), limit)],
                "processing": [("processing", name) for name in self._look.names("processing")[:limit]],
                **{shown_state(end): [(end, name) for name in self._newest(end)[:limit]] for end in ENDED},
            }
            counts = {shown_state(state): len(self._look.names(state)) for state in STATES}
        cards = {key: [self._card(name, state) for state, name in found] for key, found in quests.items()}
        return {
            "counts": counts,
            "inbox": list(islice(self._inbox(), SHOWN_INBOX)),
            **{key: [one for one in found if one] for key, found in cards.items()},
            "problems": problems,
        }

    def detail(self, name: str) -> dict[str, Any]:
        quest = self._found(name)
        with self._looking:
            self._look_at_history()
        with suppress(FileNotFoundError):
            known = self._card(name, quest.state)
            if known:
                told = details(quest.path)
                return {**known, **told, "exams": self._exams(known, told["result"])}
        raise refusal(404, f"{name} has just left queue/{quest.state}: ask again")

    def _exams(self, known: dict[str, Any], result: Any) -> dict[str, Any] | None:
        """Of the quest's skill, before and after it; None for one that teaches none, or that was never trained."""
        match known, result:
            case {"skill": str(skill)}, {"first_step": int(first), "steps": int(steps)}:
                return exams_around(self._home, skill, first, first + steps)
        return None

    def census(self, name: str) -> bottle.HTTPResponse:
        quest = self._readable(name)
        try:
            return answer(census(self._home, quest.path))
        except FileNotFoundError:
            raise refusal(404, f"{name} has just left queue/{quest.state}: ask again") from None

    def _look_at_history(self) -> list[str]:
        """Sentences about what cannot be read: when those quests ended is unknown then."""
        problems = []
        for ends in self._ends:
            try:
                ends.look()
            except (DamagedHistory, OSError) as error:
                problems.append(str(error))
        return problems

    def _newest(self, end: Ended) -> list[str]:
        """Those that ended last, worked out anew when the folder or a history is another than at the last look."""
        state = (self._look.members(end), *(ends.lines for ends in self._ends))
        known = self._known.get(end)
        if known is None or known.state != state:
            known = self._known[end] = Newest(state, self._newest_of(self._look.members(end)))
        return known.names

    def _newest_of(self, names: frozenset[str]) -> list[str]:
        """One that has no line in history yet has ended just now."""
        unwritten = sorted(names.difference(*(ends.ended_at for ends in self._ends)), reverse=True)
        merged = heapq.merge(*(ends.newest_of(names) for ends in self._ends), key=itemgetter(1), reverse=True)
        return list(islice(chain(unwritten, (name for name, _ in merged)), MOST_SHOWN))

    def _ended_at(self, name: str) -> datetime | None:
        return next((at for ends in self._ends if (at := ends.ended_at.get(name))), None)

    def _card(self, name: str, state: State) -> dict[str, Any] | None:
        return card(self._home.queue / state / name, state, self._ended_at(name))

    def _inbox(self) -> Iterator[str]:
        """Paths below inbox/ of drops that lie there, the urgent first."""
        folders = [self._home.inbox / priority for priority in PRIORITIES]
        for folder in [*folders, self._home.inbox]:
            with os.scandir(folder) as entries:
                names = sorted(entry.name for entry in entries if entry.is_file(follow_symlinks=False))
            for name in names:
                if name.endswith(QUEST_SUFFIXES) and not name.startswith("."):
                    yield printable(str((folder / name).relative_to(self._home.inbox)))

    # Wishes

    def move(self, name: str) -> bottle.HTTPResponse:
        asked = wish(Move)
        quest = self._found(name)
        if quest.priority is None:
            raise refusal(409, f"{name} lies in queue/{quest.state}: only a waiting quest has another priority")
        return self._order("move", {"quest": name, "priority": asked.priority})

    def retry(self, name: str) -> bottle.HTTPResponse:
        wish(Retry)
        quest = self._found(name)
        if quest.state not in ENDED:
            raise refusal(409, f"{name} lies in queue/{quest.state}: it has not ended")
        try:
            verdict = read_verdict(quest.path)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise refusal(409, f"how {name} ended cannot be read: {error}") from None
        if verdict and verdict.is_refusal:
            raise refusal(409, f"{name} was never admitted: mend its lines and drop the file again")
        return self._order("retry", {"quest": name})

    def remove(self, name: str) -> bottle.HTTPResponse:
        asked = wish(Remove)
        quest = self._found(name)
        if asked.name != name:
            raise refusal(400, f"name is {asked.name[:100]!r}: to delete {name}, state its whole name")
        if quest.state == "processing":
            raise refusal(409, f"{name} is being trained: skip it first")
        return self._order("remove", {"quest": name})

    def mend(self, name: str) -> bottle.HTTPResponse:
        wish(Mend)
        quest = self._readable(name)
        if quest.state != "failed":
            raise refusal(409, f"{name} lies in queue/{quest.state}: only a failed quest is mended")
        with writing():
            return answer(mended(self._home, quest), 201)

    def _order(self, action: str, arguments: dict[str, Any]) -> bottle.HTTPResponse:
        with writing():
            order = Control(self._home).place_order(WATCHER, action, arguments)
        return answer({"daemon": WATCHER, "order": order}, 202)

    def _readable(self, name: str) -> Quest:
        quest = self._found(name)
        file = quest.path / QUEST_FILE
        if file.is_symlink() or not file.is_file():
            raise refusal(409, f"{name} has no lines that could be read: drop a mended file")
        return quest

    def _found(self, name: str) -> Quest:
        if not valid_name(name):
            raise refusal(400, f"{name[:100]!r} is no quest's name: GET /api/quests lists them")
        return self._queue.find(name) or _nowhere(name)


class _End(Struct):
    """What of a line of history counts here."""

    quest: str
    ended_at: datetime


class Ends(Growing):
    """When each quest of one history ended last."""

    def begin(self) -> None:
        super().begin()
        self.ended_at: dict[str, datetime] = {}  # in the order of their ends
        self._decoder = msgspec.json.Decoder(_End)

    def take(self, line: bytes, number: int) -> None:
        try:
            end = self._decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise DamagedHistory(f"{self.path}, line {number}: {error}") from None
        self.ended_at.pop(end.quest, None)
        self.ended_at[end.quest] = end.ended_at

    def newest_of(self, names: Set[str]) -> Iterator[tuple[str, datetime]]:
        """The one that ended last first."""
        left = len(names)
        for name, at in reversed(self.ended_at.items()):
            if not left:
                return
            if name in names:
                left -= 1
                yield name, at


def _nowhere(name: str) -> NoReturn:
    raise refusal(404, f"{name} is nowhere in the queue: it was deleted, or pruned by the limits of the settings")
