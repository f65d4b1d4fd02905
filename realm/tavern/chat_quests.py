"""A chat as a quest: what an oracle answered well becomes what the hero learns.

POST /oracle/quest  {"name", "chats": [[{"role", "content"}, ...]], "priority", "answers": [...]} -> 201 {"file"}

Each chat is a line of a chat_sft_v1 quest and ends with an answer. The sidecar says which models gave the answers.
"""

from datetime import UTC, datetime
from typing import Annotated, Any

import bottle
import msgspec
from msgspec import Meta, Struct, to_builtins

from realm.arena.intake.copying import Shortage, require_space
from realm.core.files import temporary_in, write_pieces
from realm.core.loopback import answer, refusal
from realm.core.paths import Home
from realm.core.quests import Priority
from realm.tavern.inbox_places import MODE, check_name, placed_with_sidecar
from realm.tavern.oracle_chat import Name, Turn
from realm.tavern.wishes import wish, writing

GENERATOR, VERSION = "oracle-chat", "1"
SPEC = "chat_sft_v1"


class Source(Struct, frozen=True, forbid_unknown_fields=True):
    """Who gave an answer."""

    model: Name
    digest: Annotated[str, Meta(max_length=64)] | None
    host: Name
    seed: int
    temperature: float


class Saved(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    chats: Annotated[list[list[Turn]], Meta(min_length=1, max_length=100)]
    priority: Priority = "normal"
    answers: list[Source] = []


def add_routes(app: bottle.Bottle, home: Home) -> None:
    """Chats that become quests."""
    app.post("/oracle/quest", callback=lambda: _save(home))


def _save(home: Home) -> bottle.HTTPResponse:
    asked = wish(Saved)
    name = asked.name.removesuffix(".jsonl") + ".jsonl"
    check_name(name)
    for number, chat in enumerate(asked.chats, start=1):
        _check(chat, number)
    lines = [msgspec.json.encode({"messages": to_builtins(chat)}) + b"\n" for chat in asked.chats]
    folder = home.inbox / asked.priority
    hidden = temporary_in(folder)
    try:
        with writing():
            require_space(folder, ahead=sum(map(len, lines)))
            write_pieces(hidden, lines, mode=MODE)
            file = placed_with_sidecar(hidden, _sidecar(asked), folder, name)
    except Shortage as shortage:
        raise refusal(507, str(shortage)) from None
    finally:
        hidden.unlink(missing_ok=True)
    return answer({"file": str(file.relative_to(home.root))}, 201)


def _check(chat: list[Turn], number: int) -> None:
    """Raises a refusal with 400."""
    if not chat or chat[-1].role != "assistant":
        raise refusal(400, f"chat {number} does not end with an answer: there is nothing to learn from it")


def _sidecar(asked: Saved) -> dict[str, Any]:
    return {
        "schema_id": SPEC,
        "generator_id": GENERATOR,
        "generator_version": VERSION,
        "generated_at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "params": {"answers": to_builtins(asked.answers)},
        "example_count": len(asked.chats),
    }
