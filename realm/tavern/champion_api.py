"""The champion: who wears the crown, how another checkpoint does beside it on the same exam items, and crowning.

GET  /oracle/champion?model=  {"champion", "comparison": of that checkpoint with it, "doubt": why that is not enough}
POST /oracle/champion         {"model", "reason"} -> 201 {"champion"}; 409 without evidence for it and without a reason

The first crown is free. The scheduler tells the chronicle of each.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import bottle
import msgspec
from msgspec import Meta, Struct, to_builtins

from realm.core.checkpoint_ledger import CheckpointLedger, CheckpointRecord
from realm.core.crown import Crown, DamagedCrown, place_crown, read_crown
from realm.core.loopback import answer, refusal
from realm.core.paths import Home
from realm.guild.comparison import Comparison, compare
from realm.oracle.shelf import WEIGHTS
from realm.tavern.oracle_chat import Name
from realm.tavern.wishes import wish, writing

NAME = "tavern"


class Crowning(Struct, frozen=True, forbid_unknown_fields=True):
    model: Name
    reason: Annotated[str, Meta(min_length=1, max_length=500)] | None = None  # why, where the evidence does not say so


def add_routes(app: bottle.Bottle, home: Home) -> None:
    """The champion."""
    api = ChampionApi(home)
    app.get("/oracle/champion", callback=api.show)
    app.post("/oracle/champion", callback=api.crown)


@dataclass(frozen=True)
class ChampionApi:
    home: Home

    def show(self) -> bottle.HTTPResponse:
        name = bottle.request.query.get("model")
        champion = self._champion()
        if not name or champion is None or name == champion.checkpoint:
            return answer({"champion": champion, "comparison": None, "doubt": None})
        compared = self._compared(self._record(name), champion)
        return answer({"champion": champion, "comparison": _told(compared), "doubt": compared.doubt})

    def crown(self) -> bottle.HTTPResponse:
        asked = wish(Crowning)
        record, champion = self._record(asked.model), self._champion()
        if champion and champion.checkpoint == record.canonical_name:
            raise refusal(409, f"{record.canonical_name} wears the crown already")
        compared = self._compared(record, champion) if champion else None
        if compared and compared.doubt and not asked.reason:
            raise refusal(409, f"{compared.doubt}; state a reason to crown it all the same")
        with writing():
            crown = place_crown(
                self.home,
                record.canonical_name,
                record.manifest[WEIGHTS],
                by=NAME,
                reason=asked.reason,
                evidence=compared.evidence if compared and compared.pairs else None,
            )
        return answer({"champion": crown}, 201)

    def _champion(self) -> Crown | None:
        try:
            return read_crown(self.home)
        except DamagedCrown as error:
            raise refusal(409, str(error)) from None

    def _record(self, name: str) -> CheckpointRecord:
        found = next(
            (one for one in CheckpointLedger(self.home.current_model).list_all() if one.canonical_name == name), None
        )
        if found is None or WEIGHTS not in found.manifest:
            raise refusal(404, f"{name[:80]!r} is no checkpoint of this home's ledger: only those are crowned")
        return found

    def _compared(self, record: CheckpointRecord, champion: Crown) -> Comparison:
        try:
            return compare(self.home, record.canonical_name, champion.checkpoint)
        except (OSError, msgspec.MsgspecError) as error:
            raise refusal(409, f"the papers of an exam cannot be read: {error}") from None


def _told(compared: Comparison) -> dict[str, Any] | None:
    if not compared.pairs:
        return None
    of_both = {"accuracies": compared.accuracies, "intervals": compared.intervals, "is_better": compared.is_better}
    return {"new": compared.new, **to_builtins(compared.evidence), **of_both}
