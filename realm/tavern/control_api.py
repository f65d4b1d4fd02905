"""What people ask of daemons, over HTTP: flags, holds, and orders with their answers. All of them are files.

GET  /api/control                   flags that are up, holds, and orders that nobody has answered
GET  /api/orders/<daemon>/<id>      {"state": "sent"|"done"|"refused", "result", "error", "at"}
POST /api/control/pause|stop|skip|seal   {"reason"?} -> 202 {"flag"}
POST /api/control/resume            {} -> 200 {"lifted": [names]}
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import bottle
import msgspec
from msgspec import Meta, Struct

from realm.core.control import FLAGS, Answer, Control, ControlError, FlagName, OrderText
from realm.core.loopback import answer, refusal
from realm.core.paths import DAEMONS, Home
from realm.tavern.wishes import LONGEST, wish, writing

SHOWN_ORDERS = 200  # of each daemon


class Reason(Struct, frozen=True, forbid_unknown_fields=True):
    reason: Annotated[str, Meta(max_length=500, pattern=r"^[^\r\n]*\Z")] = ""


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing is to be said."""


def add_routes(app: bottle.Bottle, home: Home) -> None:
    """Flags, holds, orders."""
    api = ControlApi(home)
    app.get("/api/control", callback=api.show)
    app.get("/api/orders/<daemon>/<order_id>", callback=api.order)
    app.post("/api/control/resume", callback=api.resume)
    app.post("/api/control/<flag>", callback=api.place)


class ControlApi:
    """Holds nothing: each request looks at the files as they are."""

    def __init__(self, home: Home):
        self._home = home
        self._control = Control(home, wait=lambda seconds: None)  # only a daemon must not take what is half made

    def show(self) -> bottle.HTTPResponse:
        flags = [flag for name in FLAGS if (flag := self._control.flag(name))]
        return answer(
            {
                "flags": [{"name": one.name, "placed_at": one.placed_at, "reason": one.reason} for one in flags],
                "holds": [
                    {"daemon": one.daemon, "reason": one.reason, "placed_at": one.placed_at}
                    for one in self._control.holds()
                ],
                "orders": [order for daemon in DAEMONS for order in self._orders(daemon)],
            }
        )

    def order(self, daemon: str, order_id: str) -> bottle.HTTPResponse:
        """Looks for the answer twice: it may appear, and the order vanish, in between."""
        if (found := self._answer(daemon, order_id)) is None:
            if (self._home.orders / daemon / f"{order_id}.json").exists():
                return answer({"state": "sent", "result": None, "error": None, "at": None})
            found = self._answer(daemon, order_id)
        if found is None:
            raise refusal(404, f"{order_id} is no order to the {daemon}, or its answer was deleted since")
        state = "done" if found.error is None else "refused"
        return answer({"state": state, "result": found.result, "error": found.error, "at": found.answered_at})

    def place(self, flag: FlagName) -> bottle.HTTPResponse:
        if flag not in FLAGS:
            raise refusal(404, f"{flag[:40]!r} is no flag: {', '.join(FLAGS)}, or resume")
        asked = wish(Reason)
        with writing():
            self._control.raise_flag(flag, asked.reason)
        return answer({"flag": flag}, 202)

    def resume(self) -> bottle.HTTPResponse:
        wish(Nothing)
        with writing():
            lifted = self._control.resume()
        return answer({"lifted": [flag.name for flag in lifted]})

    def _answer(self, daemon: str, order_id: str) -> Answer | None:
        try:
            return self._control.answer_to(daemon, order_id)
        except ControlError as error:
            raise refusal(404, str(error)) from None

    def _orders(self, daemon: str) -> Iterator[dict[str, Any]]:
        """Those that lie there, oldest first; what is no order is refused by its daemon, not here."""
        files = sorted((self._home.orders / daemon).glob("[!.]*.json"))
        for file in files[:SHOWN_ORDERS]:
            try:
                text, placed_at = _read(file)
            except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
                continue
            yield {"daemon": daemon, "id": file.stem, **msgspec.to_builtins(text), "placed_at": placed_at}


def _read(file: Path) -> tuple[OrderText, datetime]:
    with file.open("rb") as stream:
        placed_at = datetime.fromtimestamp(os.fstat(stream.fileno()).st_ctime, UTC)
        return msgspec.json.decode(stream.read(LONGEST), type=OrderText), placed_at
