"""All that the tavern answers, in one place; who may ask is the guard's to say."""

from pathlib import Path

import bottle

from realm.core.loopback import answer, refused
from realm.core.paths import Home
from realm.tavern import (
    challenges,
    champion_api,
    chat_quests,
    control_api,
    curriculum_api,
    events_api,
    game,
    ladders_api,
    lineage_api,
    oracle_api,
    oracle_chat,
    pages,
    pulse,
    quests_api,
    served_files,
    upload_parts,
    uploads,
    votes,
)
from realm.tavern.guard import Guard

APIS = (
    pulse,
    served_files,
    events_api,
    lineage_api,
    ladders_api,
    game,
    quests_api,
    uploads,
    upload_parts,
    control_api,
    curriculum_api,
    oracle_api,
    oracle_chat,
    challenges,
    votes,
    chat_quests,
    champion_api,
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def tavern_app(home: Home, www: Path, guard: Guard) -> bottle.Bottle:
    app = bottle.Bottle()
    app.add_hook("before_request", guard.check)
    app.add_hook("after_request", lambda: bottle.response.headers.update(HEADERS))
    app.default_error_handler = refused
    app.get("/health", callback=lambda: answer({"status": "ok"}))
    app.get("/enter", callback=guard.enter)
    for api in APIS:
        api.add_routes(app, home)
    pages.add_routes(app, www)
    return app
