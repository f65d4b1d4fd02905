"""What a page is told of one quest: its meta, how it ended, and the beginning of its lines."""

import os
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from realm.arena.intake.gatekeepers.quick import cut_lines
from realm.core.quests import (
    ENDED,
    ERROR_FILE,
    META_FILE,
    PRIORITIES,
    QUEST_FILE,
    RESULT_FILE,
    Finding,
    QuestMeta,
    QuestMetaError,
    State,
    read_meta,
)

RENDERED_FILE = "rendered.txt"  # the first examples as the hero reads them, if somebody has made it
HEAD_LINES, HEAD_CHARACTERS = 5, 2000
RENDERED_CHARACTERS = 8000
BLOCK = 2**20  # bytes that are read of a quest's lines at most
ROWS = 3  # lines that findings name and that are shown
LONGEST_ROW = 16 * 2**10  # bytes
SEARCHED, PIECE = 64 * 2**20, 2**18  # bytes that are searched for them, and read at a time

UNKNOWN = "unknown"


class Verdict(Struct, frozen=True):
    """What of result.json or error.json is shown. A refusal was never trained: it has a schema and no outcome."""

    schema: str = ""
    outcome: str | None = None
    reason: str | None = None
    how_to_mend: str | None = None
    steps: int | None = None
    tokens: int | None = None
    examples: int | None = None
    first_loss: float | None = None
    last_loss: float | None = None
    mean_loss: float | None = None
    gold: int | None = None
    total: int = 0
    findings: list[Finding] = []

    @property
    def is_refusal(self) -> bool:
        return self.schema.startswith("refusal@")


def shown_state(state: State) -> str:
    return "completed" if state == "recently_completed" else state


def card(folder: Path, state: State, ended_at: datetime | None) -> dict[str, Any] | None:
    """For a list; None if the quest has just moved on. `problem` says why something could not be read."""
    meta: QuestMeta | None = None
    verdict: Verdict | None = None
    problem = None
    try:
        meta = read_meta(folder)
        verdict = read_verdict(folder)
    except (OSError, QuestMetaError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        if not folder.exists():
            return None
        problem = str(error)
    return {
        "name": folder.name,
        "state": shown_state(state),
        "priority": state if state in PRIORITIES else meta and meta.priority,
        **_about(meta),
        **(_end(verdict or Verdict(), state, ended_at) if state in ENDED else {}),
        "problem": problem,
    }


def details(folder: Path) -> dict[str, Any]:
    """What `card` leaves out. Raises FileNotFoundError if the quest has moved on."""
    with os.scandir(folder) as entries:
        present = {entry.name for entry in entries if entry.is_file(follow_symlinks=False)}
    told = {name: _whole(folder / name) if name in present else None for name in (META_FILE, RESULT_FILE, ERROR_FILE)}
    lines = _beginning(folder / QUEST_FILE, BLOCK) if QUEST_FILE in present else b""
    rendered = _beginning(folder / RENDERED_FILE, 4 * RENDERED_CHARACTERS) if RENDERED_FILE in present else None
    verdict = told[RESULT_FILE] or told[ERROR_FILE]
    findings = verdict.get("findings", []) if isinstance(verdict, dict) else []
    return {
        "meta": told[META_FILE],
        "result": told[RESULT_FILE],
        "error": told[ERROR_FILE],
        "findings": findings,
        "rows": list(_rows(folder / QUEST_FILE, findings)) if QUEST_FILE in present else [],
        "head": [_text(line)[:HEAD_CHARACTERS] for line in lines.split(b"\n")[:HEAD_LINES] if line],
        "rendered": None if rendered is None else _text(rendered)[:RENDERED_CHARACTERS],
    }


def _rows(file: Path, findings: list[Any]) -> Iterator[dict[str, Any]]:
    """The first lines that findings name, as they are; text null where a line is too long to be shown."""
    named = {one.get("line") for one in findings if isinstance(one, dict)} - {None}
    wanted = sorted(line for line in named if isinstance(line, int))[:ROWS]
    with file.open("rb") as stream:
        pieces = iter(lambda: stream.read(PIECE), b"")
        for line in cut_lines(islice(pieces, SEARCHED // PIECE), LONGEST_ROW):
            if not wanted or line.number > wanted[-1]:
                return
            if line.number in wanted:
                yield {"line": line.number, "text": None if line.content is None else _text(line.content)}


def read_verdict(folder: Path) -> Verdict | None:
    """None for a quest that has not ended. Raises OSError, msgspec.MsgspecError, UnicodeDecodeError."""
    for name in (RESULT_FILE, ERROR_FILE):
        try:
            return msgspec.json.decode((folder / name).read_bytes(), type=Verdict)
        except FileNotFoundError:
            continue
    return None


def _about(meta: QuestMeta | None) -> dict[str, Any]:
    if meta is None:
        keys = ("title", "admitted_at", "lines", "bytes", "schema_id", "skill", "level", "epochs", "generator")
        return dict.fromkeys(keys)
    version = "" if meta.generator_version == UNKNOWN else f"@{meta.generator_version}"
    return {
        "title": meta.original_name,
        "admitted_at": meta.admitted_at,
        "lines": meta.lines,
        "bytes": meta.bytes,
        "schema_id": meta.schema_id,
        "skill": meta.skill,
        "level": meta.level,
        "epochs": meta.epochs,
        "generator": None if meta.generator_id == UNKNOWN else f"{meta.generator_id}{version}",
    }


def _end(verdict: Verdict, state: State, ended_at: datetime | None) -> dict[str, Any]:
    outcome = verdict.outcome or ("refused" if verdict.is_refusal else shown_state(state))
    measured = ("steps", "tokens", "examples", "first_loss", "last_loss", "mean_loss", "gold")
    mends = list(dict.fromkeys(one.how_to_mend for one in verdict.findings if one.how_to_mend))
    return {
        "outcome": outcome,
        "ended_at": ended_at,
        **{name: getattr(verdict, name) for name in measured},
        "reason": verdict.reason,
        "how_to_mend": verdict.how_to_mend or next(iter(mends), None),
        "findings_total": verdict.total,
    }


def _whole(file: Path) -> Any:
    """The JSON in the file; a sentence if it holds none."""
    content = file.read_bytes()
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return f"{file.name} is not valid JSON: {error}"


def _beginning(file: Path, size: int) -> bytes:
    """Memory does not grow with a line."""
    with file.open("rb") as stream:
        return stream.read(size)


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")
