"""Dataset specs: what a line of a quest may look like. A line that matches no spec is refused with the reason."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from realm.arena.battle.profiles import Message

ROLES = ("system", "user", "assistant")
TEXT = "text"  # the role of a plain text: no chat, and never a role in `messages`
NEAR = 20  # characters before and after a fault that are quoted

Row = dict[str, Any]


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

    def at(self, line: int) -> "BadLine":
        return BadLine(self.text, self.how_to_mend, self.finding, line)


@dataclass(frozen=True)
class DatasetSpec:
    id: str
    columns: tuple[str, ...]
    loss_on: Literal["answers", "all"]  # the assistant's turns, or every token of a text
    mask_bounds: tuple[float, float]  # smallest and largest share of a batch's tokens that may carry loss
    read: Callable[[Row], list[Message]]  # a line that has the columns -> its messages; raises BadLine

    def part(self, number: int, message: Message) -> str:
        """What a person calls the line's message of this number, from 1."""
        is_chat = self.columns == ("messages",)
        return f"message {number} ({message['role']})" if is_chat else repr(self.columns[number - 1])


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
    mend = f"{expected}; `realm scroll convert` reads ShareGPT and Alpaca"
    raise BadLine(f"no dataset spec has the columns {', '.join(row) or '(none)'}", mend, "no_spec")


def recognise_first(lines: Iterable[bytes]) -> DatasetSpec:
    """The spec of a file, by the first of its lines that is not blank. Raises BadLine with the line's number."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                return recognise(parse_json(line))
            except BadLine as error:
                raise error.at(number) from None
    raise BadLine("it has no lines", "write one JSON object per line", "blank_file")


def parse_line(line: bytes, spec: DatasetSpec) -> list[Message]:
    """One JSONL line -> its messages in order; a plain text is one message of the role TEXT. Raises BadLine."""
    row = parse_json(line)
    if not isinstance(row, dict):
        raise _not_an_object(row)
    if missing := [column for column in spec.columns if column not in row]:
        mend = f"a {spec.id} line needs the columns {', '.join(spec.columns)}"
        raise BadLine(f"no {missing[0]!r}", mend, "missing_column")
    return spec.read(row)


def parse_json(line: bytes) -> Any:
    """Any JSON value. Raises BadLine."""
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        near = error.doc[max(0, error.pos - NEAR) : error.pos + NEAR]  # a long line is not shown whole anywhere
        where = f"{error.msg}, column {error.colno}" + (f", near {near}" if near else "")
        raise BadLine(f"not valid JSON ({where})", "mend it there: one JSON object per line", "not_json") from None


def _chat(row: Row) -> list[Message]:
    turns = row["messages"]
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


def _prompt_and_completion(row: Row) -> list[Message]:
    prompt, completion = _string(row, "prompt"), _string(row, "completion")
    if not completion:
        raise BadLine("'completion' is empty", "there is nothing to learn; give it a text", "nothing_to_learn")
    return [{"role": "user", "content": prompt}, {"role": "assistant", "content": completion}]


def _text(row: Row) -> list[Message]:
    text = _string(row, "text")
    if not text:
        raise BadLine("'text' is empty", "there is nothing to learn; give it a text", "nothing_to_learn")
    return [{"role": TEXT, "content": text}]


def _string(row: Row, column: str) -> str:
    value = row[column]
    if isinstance(value, list):
        mend = 'write a chat as "messages": [{"role": "user", "content": "..."}, ...], without the other columns'
        raise BadLine(f"{column!r} is a list instead of a string", mend, "no_text")
    if not isinstance(value, str):
        raise BadLine(f"{column!r} is no text", "give it a string", "no_text")
    return value


def _not_an_object(row: Any) -> BadLine:
    return BadLine(f"a {type(row).__name__} instead of an object", 'write {"messages": [...]}', "not_an_object")


def _known() -> str:
    return ", ".join(sorted(SPECS))


# In the order in which a line's columns are compared. Every chat has headers without loss, so a batch of chats with
# every token labelled is a broken mask; one-word answers to long documents and long answers to one word are legal.
CHAT_BOUNDS = (0.00005, 0.9999)
SPECS = {
    spec.id: spec
    for spec in (
        DatasetSpec("chat_sft_v1", ("messages",), "answers", CHAT_BOUNDS, _chat),
        DatasetSpec("prompt_completion_v1", ("prompt", "completion"), "answers", CHAT_BOUNDS, _prompt_and_completion),
        DatasetSpec("completion_v1", ("text",), "all", (1.0, 1.0), _text),
    )
}
