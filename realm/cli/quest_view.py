"""What `realm quest show` prints: what a quest is, how it ended, and the lines that were refused."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from realm.cli import figures
from realm.cli.terminal import fields, printable, wrapped
from realm.core.quests import QUEST_FILE, Quest

KEPT = (QUEST_FILE, "original.gz", "original.zst")  # what was dropped, by the name it has in a quest's folder
SHOWN_FINDINGS = 10
LONGEST_LINE = 300  # characters shown of an offending line
BLOCK = 1 << 20

META = ("original_name", "bytes", "lines", "schema_id", "skill", "level", "epochs", "priority", "admitted_at")
LINEAGE = ("generator_id", "generator_version", "generated_at", "params", "validators", "sha256")
RESULT = ("outcome", "claim", "steps", "tokens", "examples", "first_loss", "last_loss", "mean_loss", "gold", "seal")
RESULT_NAMES = {"number": "claim", "claim": "number"}


def view(found: Quest, told: dict[str, Any]) -> Iterator[str]:
    """The lines to print; `told` is what --json would print."""
    yield click.style(found.name, bold=True)
    yield from fields([("state", found.state.replace("_", " ")), ("path", printable(str(found.path)))])
    meta = told["meta"] or {}
    yield ""
    yield from fields([*_pairs(meta, META), *_pairs(meta, LINEAGE)])
    yield from (
        click.style(wrapped(f"warning: {printable(str(one))}", 2), fg="yellow") for one in _list(meta, "warnings")
    )
    for verdict in (told["result"], told["error"]):
        if isinstance(verdict, dict):
            yield ""
            yield from _verdict(verdict, found.path / QUEST_FILE)
    if was_refused(told["error"]):
        yield ""
        yield f"It was never admitted: {how_to_go_on(found.path)}"


def was_refused(error: Any) -> bool:
    """By the queue-watcher; what the trainer gave up may be tried again."""
    return isinstance(error, dict) and str(error.get("schema", "")).startswith("refusal")


def how_to_go_on(refused: Path) -> str:
    """What a person does about the folder of a refused quest. A link has left no bytes."""
    kept = next((file for name in KEPT if (file := refused / name).exists()), None)
    which = f"your file, or {printable(str(kept))}," if kept else "your drop"
    return f"mend {which} and drop it again: realm quest drop FILE"


def _verdict(verdict: dict[str, Any], quest_file: Path) -> Iterator[str]:
    reason = [("reason", click.style(printable(str(verdict["reason"])), fg="red"))] if verdict.get("reason") else []
    numbered = {**verdict, "claim": verdict.get("number")}
    yield from fields([*reason, *_pairs(verdict, ("how_to_mend",)), *_pairs(numbered, RESULT)])
    findings = [one for one in _list(verdict, "findings") if isinstance(one, dict)]
    shown = findings[:SHOWN_FINDINGS]
    lines = lines_at(quest_file, {one["line"] for one in shown if isinstance(one.get("line"), int)})
    for one in shown:
        yield ""
        yield from _finding(one, lines)
    total = verdict.get("total")
    if isinstance(total, int) and total > len(shown):
        yield ""
        yield f"and {total - len(shown):,} more findings"


def _finding(one: dict[str, Any], lines: dict[int, str]) -> Iterator[str]:
    number = one.get("line")
    where = f"line {number:,}" if isinstance(number, int) else "the drop"
    yield f"{click.style(where, bold=True)}  {printable(str(one.get('text', '')))}"
    if number in lines:
        yield wrapped(f"  {click.style(lines[number], dim=True)}", 2)
    if mend := one.get("how_to_mend"):
        yield wrapped(f"  {printable(str(mend))}", 2)


def lines_at(file: Path, numbers: Iterable[int]) -> dict[int, str]:
    """The beginnings of some lines of a file, by number from 1; memory does not grow with a line."""
    wanted = set(numbers)
    found: dict[int, str] = {}
    if not wanted or not file.exists():
        return found
    with file.open("rb") as stream:
        number, begins = 1, True
        while number <= max(wanted) and (piece := stream.readline(BLOCK)):
            if begins and number in wanted:
                found[number] = _beginning(piece)
            begins = piece.endswith(b"\n")
            number += begins
    return found


def _beginning(line: bytes) -> str:
    text = line[: 4 * LONGEST_LINE].rstrip(b"\r\n").decode("utf-8", "backslashreplace")
    return printable(text[:LONGEST_LINE]) + ("…" if len(text) > LONGEST_LINE else "")


def _pairs(source: dict[str, Any], keys: Iterable[str]) -> list[tuple[str, str]]:
    return [(key.replace("_", " "), _value(key, source[key])) for key in keys if source.get(key) not in (None, {}, "")]


def _value(key: str, value: Any) -> str:
    if key == "bytes" and isinstance(value, int):
        return f"{figures.size(value)} ({value:,} bytes)" if value >= 1024 else figures.size(value)
    if isinstance(value, dict):
        return printable(", ".join(f"{name}: {one}" for name, one in value.items()))
    if isinstance(value, float):
        return figures.decimal(value)
    return f"{value:,}" if isinstance(value, int) else printable(str(value))


def _list(source: dict[str, Any], key: str) -> list[Any]:
    value = source.get(key)
    return value if isinstance(value, list) else []
