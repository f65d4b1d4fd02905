"""Turns ShareGPT and Alpaca files into quests: chat_sft_v1 lines, and a sidecar that names the source.

An item that cannot be converted is named, and nothing is written, unless the items at fault are to be left out.
"""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, Literal, cast

import orjson

from realm.arena.battle.profiles import Message
from realm.arena.battle.specs import BadLine, Row, parse_json
from realm.core.files import sha256_of, write_pieces, write_whole

VERSION = "1"
LONGEST_LINE = 64 * 2**20  # bytes, as in a quest
SHOWN = 10  # bad items that are told in words

Form = Literal["sharegpt", "alpaca"]
SHAPES = {
    "sharegpt": '{"conversations": [{"from": "human", "value": "..."}, {"from": "gpt", "value": "..."}]}',
    "alpaca": '{"instruction": "...", "input": "...", "output": "..."}',
}
SPEAKERS = {"system": "system", "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant"}


@dataclass
class Conversion:
    """What became of the items. `bad` tells the first of those that were left out: which, why, and how to mend it."""

    converted: int = 0
    left_out: int = 0
    bad: list[str] = field(default_factory=list)


class NotConverted(ValueError):
    """The source cannot become a quest; the text says why, and `done` which items are at fault. Nothing was written."""

    def __init__(self, text: str, done: Conversion | None = None):
        super().__init__(text)
        self.done = done or Conversion()


def convert(form: Form, source: Path, out: Path, *, skip_bad: bool = False, system: str | None = None) -> Conversion:
    """Writes `out` and its sidecar, both or none. `system` is the system turn of items that have none.

    JSONL is read line by line, an array is held in memory whole. Raises NotConverted, FileExistsError, OSError.
    """
    sidecar = out.with_name(out.name + ".meta.json")
    if out.suffix != ".jsonl":
        raise NotConverted(f"{out.name} is no name for a quest: let it end with .jsonl")
    if not out.parent.is_dir():
        raise NotConverted(f"{out.parent} is no folder: make it first, or choose another --out")
    for file in (out, sidecar):
        if file.exists():
            raise FileExistsError(f"{file} exists: choose another --out")
    done = Conversion()
    write_pieces(out, _lines(form, source, skip_bad, system, done))
    try:
        write_whole(sidecar, orjson.dumps(_lineage(form, source, system, done), option=orjson.OPT_INDENT_2))
    except BaseException:
        out.unlink()
        raise
    return done


def _lines(form: Form, source: Path, skip_bad: bool, system: str | None, done: Conversion) -> Iterator[bytes]:
    """The quest's lines; NotConverted at the end, if they must not stay."""
    for where, item in _items(source):
        try:
            messages = _messages(form, item, system)
        except BadLine as error:
            done.left_out += 1
            if len(done.bad) < SHOWN:
                done.bad.append(f"{where}: {error}")
        else:
            done.converted += 1
            yield orjson.dumps({"messages": messages}, option=orjson.OPT_APPEND_NEWLINE)
    items = done.converted + done.left_out
    if items == 0:
        raise NotConverted(f"{source} has no items")
    if done.converted == 0:
        raise NotConverted(f"{source}: none of its {items:,} items can be converted: is it another form?", done)
    if done.left_out and not skip_bad:
        text = f"{source}: {done.left_out:,} of its {items:,} items cannot be converted"
        raise NotConverted(f"{text}: mend them, or leave them out with --skip-bad", done)


def _lineage(form: Form, source: Path, system: str | None, done: Conversion) -> Row:
    return {
        "schema_id": "chat_sft_v1",
        "generator_id": f"convert-{form}",
        "generator_version": VERSION,
        "generated_at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "params": {
            "source": source.name.encode(errors="replace").decode(),
            "source_sha256": sha256_of(source),
            "system": system,
            "left_out": done.left_out,
        },
        "example_count": done.converted,
    }


# Items


def _items(source: Path) -> Iterator[tuple[str, object]]:
    """(where it stands, JSON value), of one array or of one value on each line; of a broken line the BadLine.

    Raises NotConverted, OSError.
    """
    with cast(BinaryIO, gzip.GzipFile(source)) if source.suffix == ".gz" else source.open("rb") as file:
        try:
            begin = _first_byte(file)
            if begin not in (b"[", b"{", b""):
                mend = "save it as UTF-8 without byte order mark"
                raise NotConverted(f"{source} begins with {begin!r}, not with an array or object: {mend}")
            yield from _array(file) if begin == b"[" else _jsonl(file)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise NotConverted(f"{source} is no valid gzip file: {error}") from None


def _first_byte(file: BinaryIO) -> bytes:
    """The first that is not blank; the file is at its beginning again."""
    while (byte := file.read(1)).isspace():
        pass
    file.seek(0)
    return byte


def _array(file: BinaryIO) -> Iterator[tuple[str, object]]:
    try:
        items = orjson.loads(file.read())
    except orjson.JSONDecodeError as error:
        mend = "write one array, or one object on each line"
        raise NotConverted(f"{file.name} is not valid JSON ({error}): {mend}") from None
    for number, item in enumerate(items, start=1):
        yield f"item {number:,}", item


def _jsonl(file: BinaryIO) -> Iterator[tuple[str, object]]:
    number = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            text = f"{file.name}: line {number:,} is longer than {LONGEST_LINE:,} bytes"
            raise NotConverted(f"{text}: write one object on each line, or one array")
        if not line.isspace():
            yield f"line {number:,}", _parsed(line)


def _parsed(line: bytes) -> object:
    try:
        return parse_json(line)
    except BadLine as error:
        return error


# Forms


def _messages(form: Form, item: object, system: str | None) -> list[Message]:
    """Raises BadLine for an item that says something that a quest could not say."""
    if isinstance(item, BadLine):
        raise item
    if not isinstance(item, dict):
        raise BadLine(f"a {type(item).__name__} instead of an object", f"write {SHAPES[form]}")
    turns = _sharegpt(item) if form == "sharegpt" else _alpaca(item)
    _check_order(turns)
    own = _text(item, "system")
    if turns[0]["role"] != "system":
        stated = own or system
        return [{"role": "system", "content": stated}, *turns] if stated else turns
    if own:
        raise BadLine("it has a system turn and a 'system' text", "leave out one of them")
    return turns


def _sharegpt(item: Row) -> list[Message]:
    turns = item.get("conversations")
    if not isinstance(turns, list) or not turns:
        raise BadLine("no list of turns in 'conversations'", f"write {SHAPES['sharegpt']}")
    if item.get("tools"):
        raise BadLine("it offers tools, and a chat_sft_v1 line cannot", "leave it out")
    return [_turn(number, turn) for number, turn in enumerate(turns, start=1)]


def _turn(number: int, turn: object) -> Message:
    if not isinstance(turn, dict):
        raise BadLine(f"turn {number} is no object", f"write {SHAPES['sharegpt']}")
    speaker = turn.get("from")
    if not isinstance(speaker, str) or speaker not in SPEAKERS:
        raise BadLine(f"turn {number} is from {str(speaker)[:40]!r}", f"use one of {', '.join(SPEAKERS)}")
    if not (value := _text(turn, "value")):
        raise BadLine(f"turn {number} ({speaker}) is empty", "give its 'value' a text")
    return {"role": SPEAKERS[speaker], "content": value}


def _alpaca(item: Row) -> list[Message]:
    if "instruction" not in item or "output" not in item:
        raise BadLine("no 'instruction' and 'output'", f"write {SHAPES['alpaca']}")
    if item.get("history"):
        raise BadLine("it has a 'history' of earlier turns", "write it as a ShareGPT conversation")
    question = "\n\n".join(filter(None, (_text(item, "instruction"), _text(item, "input"))))
    answer = _text(item, "output")
    if not question:
        raise BadLine("'instruction' is empty", "give it a text")
    if not answer:
        raise BadLine("'output' is empty", "there is nothing to learn; give it a text")
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def _text(row: Row, column: str) -> str:
    """Empty for a column that is missing, null or blank."""
    value = row.get(column)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadLine(f"{column!r} is no text", "give it a string")
    return value if value.strip() else ""


def _check_order(turns: list[Message]) -> None:
    for number, (before, turn) in enumerate(pairwise(turns), start=2):
        if turn["role"] == "system":
            raise BadLine(f"turn {number} is a system turn", "only the first turn may be one")
        if turn["role"] == before["role"]:
            raise BadLine(f"turns {number - 1} and {number} are both of the {turn['role']}", "make one of them")
    if all(turn["role"] != "assistant" for turn in turns):
        raise BadLine("no assistant turn", "there is nothing to learn; add one after the user's turn")
