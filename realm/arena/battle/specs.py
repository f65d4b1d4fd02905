"""Dataset specs: what a line of a quest may look like. A line that matches no spec is refused with the reason."""

from dataclasses import dataclass
from typing import Any

import orjson

from realm.arena.battle.profiles import Message

ROLES = ("system", "user", "assistant")


class BadLine(ValueError):
    """A line that cannot be trained on; the text says why and how to mend it."""


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
        raise ValueError(f"unknown schema_id {spec_id!r}: use one of {', '.join(sorted(SPECS))}")
    return SPECS[spec_id]


def parse_line(line: bytes, spec: DatasetSpec) -> list[Message]:
    """One JSONL line -> its messages in order. Raises BadLine."""
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise BadLine(f"not valid JSON ({error}): write one JSON object per line") from None
    if not isinstance(row, dict):
        raise BadLine(f'a {type(row).__name__} instead of an object: write {{"messages": [...]}}')
    if missing := [column for column in spec.columns if column not in row]:
        raise BadLine(f"no {missing[0]!r}: a {spec.id} line needs the columns {', '.join(spec.columns)}")
    return _messages(row["messages"])


def _messages(turns: Any) -> list[Message]:
    if not isinstance(turns, list) or not turns:
        raise BadLine("'messages' is not a non-empty list of {role, content} objects")
    messages = [_message(number, turn) for number, turn in enumerate(turns, start=1)]
    if all(message["role"] != "assistant" for message in messages):
        raise BadLine("no assistant turn: there is nothing to learn; add one after the user's turn")
    return messages


def _message(number: int, turn: Any) -> Message:
    if not isinstance(turn, dict):
        raise BadLine(f"message {number} is not an object with role and content")
    role, content = turn.get("role"), turn.get("content")
    if role not in ROLES:
        raise BadLine(f"message {number} has role {role!r}: use one of {', '.join(ROLES)}")
    if not isinstance(content, str):
        raise BadLine(f"message {number} has no text in 'content'")
    return {"role": role, "content": content}
