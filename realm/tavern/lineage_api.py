"""GET /api/lineage: what the queue-watcher counted of drops, by generator and by validator, each with its version."""

import bottle

from realm.core.loopback import refusal
from realm.core.paths import Home
from realm.tavern.served_files import JSON, answer_with

FILE = "data_lineage.json"


def add_routes(app: bottle.Bottle, home: Home) -> None:
    """The lineage."""
    app.get("/api/lineage", callback=lambda: _lineage(home))


def _lineage(home: Home) -> bottle.HTTPResponse:
    """The file as it is, with its ETag. Raises a refusal with 404 before there is one."""
    if not (home.status / FILE).exists():
        raise refusal(404, f"status/{FILE} is not there yet: the queue-watcher writes it as soon as it runs")
    return answer_with(home.status, FILE, JSON)
