"""The oracles over HTTP: where they are, what they have in memory, and which model shall come there.

GET  /oracle/hosts            {"hosts": [{"id", "name", "is_reachable", "problem", ...}], "problem": of the registry}
GET  /oracle/status?host=     one of them: models in memory, the one that is being loaded, the budget
GET  /oracle/models?host=     what it can be asked, joined with this home's ledger and exams
POST /oracle/load             {"step" or "model", "host"} -> 202 {"model", "host"}
POST /oracle/unload           {"model", "host"} -> {"model", "host"}

Without a host: this machine's own oracle while it runs, else the registry's only other one.
"""

from dataclasses import dataclass
from typing import Annotated

import bottle
from msgspec import Meta, Struct, structs

from realm.core.history import DamagedHistory
from realm.core.loopback import answer, refusal
from realm.core.paths import Home
from realm.oracle.client import Model, OracleRefused, OracleUnreachable
from realm.tavern.oracle_chat import Name
from realm.tavern.oracle_hosts import GLANCE, Oracles, looked
from realm.tavern.oracle_models import Known, LoadRates, known_models, own_name
from realm.tavern.wishes import wish


class Load(Struct, frozen=True, forbid_unknown_fields=True):
    """One of the two."""

    step: Annotated[int, Meta(ge=0)] | None = None
    model: Name | None = None
    host: Name | None = None


class Unload(Struct, frozen=True, forbid_unknown_fields=True):
    model: Name
    host: Name | None = None


def add_routes(app: bottle.Bottle, home: Home) -> None:
    """Hosts and models."""
    api = OracleApi(home, Oracles(home), LoadRates())
    app.get("/oracle/hosts", callback=api.hosts)
    app.get("/oracle/status", callback=api.status)
    app.get("/oracle/models", callback=api.models)
    app.post("/oracle/load", callback=api.load)
    app.post("/oracle/unload", callback=api.unload)


@dataclass(frozen=True)
class OracleApi:
    home: Home
    oracles: Oracles
    rates: LoadRates

    # Looking

    def hosts(self) -> bottle.HTTPResponse:
        names, looks = self.oracles.hosts(), self.oracles.look_round()
        told = [{"id": host, "name": names.get(host, host), **looked(look)} for host, look in looks.items()]
        return answer({"hosts": told, "problem": self.oracles.problem()})

    def status(self) -> bottle.HTTPResponse:
        host = self.oracles.meant(bottle.request.query.get("host"))
        with self.oracles.asking(host):
            look = self.oracles.look(host)
        self.rates.seen(host, look)
        return answer({"host": host, **looked(look)})

    def models(self) -> bottle.HTTPResponse:
        host = self.oracles.meant(bottle.request.query.get("host"))
        with self.oracles.asking(host):
            look = self.oracles.look(host)
            try:
                models = known_models(self.home, look, self._told(host))
            except DamagedHistory as error:
                raise refusal(409, str(error)) from None
        return answer({"host": host, "problem": look.problem, "models": [self._timed(host, one) for one in models]})

    def _told(self, host: str) -> list[Model] | None:
        try:
            return self.oracles.of(host, GLANCE).models()
        except (OracleRefused, OracleUnreachable):
            return None

    def _timed(self, host: str, model: Known) -> Known:
        return structs.replace(model, load_seconds=self.rates.seconds(host, model.bytes) if model.bytes else None)

    # Loading

    def load(self) -> bottle.HTTPResponse:
        asked = wish(Load)
        if (asked.step is None) == (asked.model is None):
            raise refusal(400, "state one of step and model")
        name = own_name(self.home, asked.model or f"step:{asked.step}")
        host = self.oracles.meant(asked.host)
        with self.oracles.asking(host):
            return answer({"model": self.oracles.of(host).load(name), "host": host}, 202)

    def unload(self) -> bottle.HTTPResponse:
        asked = wish(Unload)
        host = self.oracles.meant(asked.host)
        with self.oracles.asking(host):
            return answer({"model": self.oracles.of(host).unload(own_name(self.home, asked.model)), "host": host})
