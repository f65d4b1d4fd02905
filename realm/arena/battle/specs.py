"""Dataset specs: what a line of a quest may look like. A line that matches no spec is refused with the reason."""

from dataclasses import dataclass
from typing import Any

import orjson

from realm.arena.battle.profiles import Message

ROLES = ("system", "user", "assistant")


class BadLine(ValueError):
    """A line that cannot be trained on: what is wrong with it, how to mend it, and the finding's name in tables.

    `line` is its number, from 1, once somebody knows it.
    """

    def __init__(self, text: str, how_to_mend: str = "", finding: str = "untrainable", line: int | None = None):
        where = f"line {line}: " if line else ""
        super().__init__(f"{where}{text}: {how_to_mend}" if how_to_mend else f"{where}{text}")
        self.text = text
        self.how_to_mend = how_to_mend
        self.finding = finding
        self.line = line


@dataclass(frozen=True)
class DatasetSpec:
    id: str
    columns: tuple[str, ...]
    mask_bounds: tuple[float, float]  # smallest and largest share of a batch's tokens that may carry loss


SPECS = {
    spec.id: spec
    for spec in (
        # A chat always has a prompt, so a batch with every token labelled is a broken mask; long documents with
        # one-word answers are legal, so the lower bound only catches an empty mask.
        DatasetSpec("chat_sft_v1", ("messages",), (0.001, 0.97)),
    )
}


def get_spec(spec_id: str) -> DatasetSpec:
    """Raises ValueError for an id that is not in SPECS."""
    if spec_id not in SPECS:
        raise ValueError(f"unknown schema_id {spec_id!r}: use one of {_known()}")
    return SPECS[spec_id]


def recognise(row: Any) -> DatasetSpec:
    """The spec of a parsed line: the one its metadata names, else the first whose columns it has. Raises BadLine."""
    if not isinstance(row, dict):
        raise _not_an_object(row)
    metadata = row.get("metadata")
    if isinstance(metadata, dict) and (stated := metadata.get("schema_id")) is not None:
        if not isinstance(stated, str) or stated not in SPECS:
            raise BadLine(f"unknown schema_id {stated!r} in its metadata", f"use one of {_known()}", "unknown_schema")
        return SPECS[stated]
    for spec in SPECS.values():
        if all(column in row for column in spec.columns):
            return spec
    expected = "; ".join(f"{spec.id} needs {', '.join(spec.columns)}" for spec in SPECS.values())
    raise BadLine(f"no dataset spec has the columns {', '.join(row) or '(none)'}", expected, "no_spec")


def parse_line(line: bytes, spec: DatasetSpec) -> list[Message]:
    """One JSONL line -> its messages in order. Raises BadLine."""
    row = parse_json(line)
    if not isinstance(row, dict):
        raise _not_an_object(row)
    if missing := [column for column in spec.columns if column not in row]:
        mend = f"a {spec.id} line needs the columns {', '.join(spec.columns)}"
        raise BadLine(f"no {missing[0]!r}", mend, "missing_column")
    return _messages(row["messages"])


def parse_json(line: bytes) -> Any:
    """Any JSON value. Raises BadLine."""
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        where = f"{error.msg}, column {error.colno}"
        raise BadLine(f"not valid JSON ({where})", "write one JSON object per line", "not_json") from None


def _messages(turns: Any) -> list[Message]:
    if not isinstance(turns, list) or not turns:
        mend = 'write "messages": [{"role": "user", "content": "..."}, ...]'
        raise BadLine("'messages' is not a non-empty list of {role, content} objects", mend, "no_messages")
    messages = [_message(number, turn) for number, turn in enumerate(turns, start=1)]
    if all(message["role"] != "assistant" for message in messages):
        mend = "there is nothing to learn; add one after the user's turn"
        raise BadLine("no assistant turn", mend, "no_assistant")
    return messages


def _message(number: int, turn: Any) -> Message:
    if not isinstance(turn, dict):
        mend = 'write {"role": "user", "content": "..."}'
        raise BadLine(f"message {number} is not an object with role and content", mend, "bad_message")
    role, content = turn.get("role"), turn.get("content")
    if role not in ROLES:
        raise BadLine(f"message {number} has role {role!r}", f"use one of {', '.join(ROLES)}", "unknown_role")
    if not isinstance(content, str):
        raise BadLine(f"message {number} has no text in 'content'", "give it a string", "no_text")
    return {"role": role, "content": content}


def _not_an_object(row: Any) -> BadLine:
    return BadLine(f"a {type(row).__name__} instead of an object", 'write {"messages": [...]}', "not_an_object")


def _known() -> str:
    return ", ".join(sorted(SPECS))
