"""A failed quest without its bad lines, as a new drop; the failed one stays as it is.

A line is left out if the verdict names it, or if the queue-watcher would refuse it by the settings as they are now:
a verdict names no more than a hundred. The sidecar goes along, but for its count of examples.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from realm.arena.intake.copying import Shortage, require_space
from realm.arena.intake.gatekeepers.findings import Findings
from realm.arena.intake.gatekeepers.quick import Line, Quick, cut_lines
from realm.arena.intake.inbox import BULK_BYTES, QUEST_SUFFIXES
from realm.arena.intake.sidecars import KEPT_FILE
from realm.core.config import ConfigError, Gatekeepers, load_config
from realm.core.files import temporary_in, write_pieces
from realm.core.loopback import refusal
from realm.core.paths import Home
from realm.core.quests import QUEST_FILE, Finding, Quest, QuestMeta, QuestMetaError, read_meta
from realm.tavern.inbox_places import MODE, placed_with_sidecar
from realm.tavern.quest_cards import read_verdict

BLOCK = 2**18  # bytes
LONGEST_STEM = 150  # bytes of a name that are kept


def mended(home: Home, quest: Quest) -> dict[str, Any]:
    """{"file", "kept", "left_out"}: the new drop and its lines. Raises a refusal with 409 or 507, OSError."""
    try:
        verdict, meta = read_verdict(quest.path), read_meta(quest.path)
        size = (quest.path / QUEST_FILE).stat().st_size
        settings = load_config(home.config_file).gatekeepers
    except FileNotFoundError:
        raise refusal(404, f"{quest.name} has just left queue/{quest.state}, or has no meta.json: ask again") from None
    except (QuestMetaError, ConfigError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise refusal(409, f"{quest.name} cannot be mended here: {error}") from None
    findings = verdict.findings if verdict else []
    _check(quest, findings, size)
    sidecar = _sidecar_of(quest.path)
    lines = GoodLines(quest.path / QUEST_FILE, {one.line for one in findings}, sidecar.get("schema_id"), settings)
    folder = home.inbox / meta.priority
    hidden = temporary_in(folder)
    try:
        require_space(folder, ahead=size)
        write_pieces(hidden, lines.contents(), mode=MODE)
        if not lines.kept or not lines.left_out:
            what = "none of its lines is good" if not lines.kept else "each of its lines is good"
            raise refusal(409, f"{quest.name}: {what}, so leaving lines out does not mend it")
        file = placed_with_sidecar(hidden, sidecar, folder, _name_of(meta))
    except Shortage as shortage:
        raise refusal(507, str(shortage)) from None
    finally:
        hidden.unlink(missing_ok=True)
    return {"file": str(file.relative_to(home.root)), "kept": lines.kept, "left_out": lines.left_out}


class GoodLines:
    """Read once, one line at a time; `kept` and `left_out` are counted meanwhile, blank lines in neither."""

    def __init__(self, file: Path, named: set[int | None], schema_id: str | None, settings: Gatekeepers):
        self._file, self._named, self._schema_id = file, named, schema_id
        self._settings = settings
        self._quick = self._checker()
        self.kept = self.left_out = 0

    def contents(self) -> Iterator[bytes]:
        with self._file.open("rb") as stream:
            for line in cut_lines(iter(lambda: stream.read(BLOCK), b"")):
                if line.content is not None and (not line.content or line.content.isspace()):
                    continue
                if line.content is None or line.number in self._named or not self._is_good(line):
                    self.left_out += 1
                    continue
                self.kept += 1
                yield line.content + b"\n"

    def _is_good(self, line: Line) -> bool:
        if self._quick.spec is None:  # a bad line before must not decide what the others are
            self._quick = self._checker()
        before = self._findings.counts.total()
        return self._quick.messages(line) is not None and self._findings.counts.total() == before

    def _checker(self) -> Quick:
        self._findings = Findings(self._settings)
        return Quick(self._schema_id, self._findings)


def _check(quest: Quest, findings: list[Finding], size: int) -> None:
    """Raises a refusal with 409 for what no missing line would mend."""
    if whole := next((one for one in findings if one.line is None), None):
        raise refusal(409, f"{quest.name}: {whole.sentence}: the fault lies in no single line")
    if size > BULK_BYTES:
        raise refusal(409, f"{quest.name} has {size:,} bytes, up to {BULK_BYTES:,} are mended here: drop a mended file")


def _sidecar_of(folder: Path) -> dict[str, Any]:
    try:
        said = msgspec.json.decode((folder / KEPT_FILE).read_bytes(), type=dict[str, Any])
    except FileNotFoundError:
        return {}
    said.pop("example_count", None)
    return said


def _name_of(meta: QuestMeta) -> str:
    """x-mended.jsonl of x.jsonl.gz"""
    stem = meta.original_name
    for suffix in QUEST_SUFFIXES:
        stem = stem.removesuffix(suffix)
    short = os.fsencode(stem.removesuffix("-mended"))[:LONGEST_STEM].decode(errors="ignore")
    return f"{short}-mended.jsonl"
