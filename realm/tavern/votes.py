"""history/votes.jsonl: which of two answers to one question was the better, as a person says. One line each.

POST /oracle/votes  {"left", "right", "messages", "seed", ..., "vote": left, right, both or neither, "blind"} -> 201
GET  /oracle/votes  {"pairs": [{"one", "other", "won_one", "won_other", "both", "neither", "blind"}]}

The line has all that the vote was about. The tavern is its only writer; it is never pruned.
"""

import threading
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import bottle
import msgspec
from msgspec import Meta, Struct

from realm.core.history import DamagedHistory
from realm.core.jsonl import append_lines
from realm.core.loopback import answer, refusal
from realm.core.paths import Home
from realm.tavern.following import Growing
from realm.tavern.oracle_chat import Name, Turn
from realm.tavern.wishes import wish, writing

FILE = "votes.jsonl"


class Answerer(Struct, frozen=True, forbid_unknown_fields=True):
    """Who gave an answer, and the answer."""

    model: Name
    digest: Annotated[str, Meta(max_length=64)] | None
    host: Name
    answer: str


class Vote(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`messages` up to the question; `blind`: it was not told who answers."""

    left: Answerer
    right: Answerer
    messages: Annotated[list[Turn], Meta(min_length=1)]
    seed: int
    temperature: float
    max_tokens: int
    vote: Literal["left", "right", "both", "neither"]
    blind: bool


class Cast(Vote, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """A line."""

    at: datetime


class Tally(Struct):
    """Votes between two models; `one` is the first by name. `blind` of them were blind."""

    one: str
    other: str
    won_one: int = 0
    won_other: int = 0
    both: int = 0
    neither: int = 0
    blind: int = 0


def add_routes(app: bottle.Bottle, home: Home) -> None:
    """Votes."""
    book = VoteBook(home)
    app.post("/oracle/votes", callback=book.vote)
    app.get("/oracle/votes", callback=book.tell)


class VoteBook(Growing):
    """Its tallies by pair of models."""

    def __init__(self, home: Home):
        self._decoder = msgspec.json.Decoder(Cast)
        self._lock = threading.Lock()
        super().__init__(home.history / FILE)

    def begin(self) -> None:
        super().begin()
        self.tallies: dict[tuple[str, str], Tally] = {}

    def take(self, line: bytes, number: int) -> None:
        try:
            vote = self._decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise DamagedHistory(f"{self.path}, line {number}: {error}") from None
        one, other = sorted((vote.left.model, vote.right.model))
        tally = self.tallies.setdefault((one, other), Tally(one, other))
        winner = {"left": vote.left.model, "right": vote.right.model}.get(vote.vote)
        tally.won_one += winner == one
        tally.won_other += winner == other
        tally.both += vote.vote == "both"
        tally.neither += vote.vote == "neither"
        tally.blind += vote.blind

    def vote(self) -> bottle.HTTPResponse:
        asked = wish(Vote)
        if asked.left.model == asked.right.model:
            raise refusal(400, f"both answers are of {asked.left.model}: a vote is between two models")
        line = msgspec.json.encode({**msgspec.to_builtins(asked), "at": datetime.now(UTC)}) + b"\n"
        with self._lock, writing():
            append_lines(self.path, line, durable=True)
        return answer(self._told(), 201)

    def tell(self) -> bottle.HTTPResponse:
        return answer(self._told())

    def _told(self) -> dict[str, Any]:
        try:
            with self._lock:
                self.look()
                return {"pairs": [msgspec.to_builtins(tally) for tally in self.tallies.values()]}
        except DamagedHistory as error:
            raise refusal(409, str(error)) from None
