"""The watchtower over HTTP, on loopback. Every answer is read from files; nothing can be asked for but looks.

GET /health               {"status": "ok"}
GET /metrics              figures for Prometheus
GET /api/health           what the last inspection found, and when
GET /api/events?limit=    the newest events of all daemons, oldest of them first
"""

import bottle
from msgspec import to_builtins

from realm.core.events import tail
from realm.core.loopback import answer, json_app, number, refusal
from realm.core.paths import DAEMONS, Home
from realm.core.status import StatusError, WatchtowerStatus, read_status
from realm.watchtower.prometheus import CONTENT_TYPE, exposition

MOST_EVENTS = 1000


class WatchtowerApi:
    """Holds nothing: each request looks at the files as they are."""

    def __init__(self, home: Home):
        self._home = home
        self.app = json_app()
        self.app.get("/health", callback=lambda: answer({"status": "ok"}))
        self.app.get("/metrics", callback=self._metrics)
        self.app.get("/api/health", callback=self._health)
        self.app.get("/api/events", callback=self._events)

    def _metrics(self) -> bottle.HTTPResponse:
        return bottle.HTTPResponse(exposition(self._home), content_type=CONTENT_TYPE, cache_control="no-store")

    def _health(self) -> bottle.HTTPResponse:
        try:
            said = read_status(self._home.status / WatchtowerStatus.FILE, WatchtowerStatus)
        except StatusError as error:
            raise refusal(503, str(error)) from None
        if said is None or said.checked_at is None:
            raise refusal(503, "the realm has not been inspected yet: ask again in a minute")
        return answer({"checked_at": said.checked_at, "findings": to_builtins(said.findings)})

    def _events(self) -> bottle.HTTPResponse:
        limit = number("limit", 200, 1, MOST_EVENTS)
        files = [self._home.events / f"{daemon}.jsonl" for daemon in DAEMONS]
        return answer({"events": tail([file for file in files if file.exists()], limit)})
