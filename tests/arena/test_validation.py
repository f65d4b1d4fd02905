"""What is validated on: own.jsonl of any spec, else held-out lines; nothing in either stops a battle."""

import os
from pathlib import Path

import msgspec
import orjson
import pytest

from realm.arena.battle.chat import ChatTokenizer
from realm.arena.battle.holdout import VALIDATION_EXAMPLES
from realm.arena.battle.specs import get_spec
from realm.arena.battle.stream import WINDOW_BYTES
from realm.arena.validation import Battle, Validation
from tests.settings import TRAINING

CHAT = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}
OVERLONG = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a" * 100}]}


def jsonl(*rows: object) -> bytes:
    return b"".join(orjson.dumps(row) + b"\n" for row in rows)


class Field:
    """A quest that is trained, own.jsonl beside it, and what was told of it."""

    def __init__(self, folder: Path, chat: ChatTokenizer):
        self.chat = chat
        self.quest, self.own = folder / "quest.jsonl", folder / "own.jsonl"
        self.told: list[str] = []
        self.validation = Validation(self.own, self.told.append)

    def begin(self, spec: str = "chat_sft_v1", **changes: object) -> None:
        training = msgspec.structs.replace(TRAINING, **{"eval_steps": 1, "holdout": 0.5, **changes})
        self.validation.begin(Battle(self.quest, get_spec(spec), self.chat, training))

    def texts(self) -> list[str]:
        return sorted(self.chat.decode(example.ids) for rows in self.validation.passes for example in rows)


@pytest.fixture
def field(tmp_path: Path, chat: ChatTokenizer) -> Field:
    return Field(tmp_path, chat)


QUESTS = {
    "chat_sft_v1": [
        {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": f"a{n}"}]} for n in range(40)
    ],
    "prompt_completion_v1": [{"prompt": "q", "completion": f"a{n}"} for n in range(40)],
    "completion_v1": [{"text": f"t{n}"} for n in range(40)],
}


@pytest.mark.parametrize("spec", QUESTS)
def test_without_a_file_of_the_owner_held_out_lines_of_the_quests_own_spec_are_taken(field: Field, spec: str) -> None:
    field.quest.write_bytes(jsonl(*QUESTS[spec]))
    field.begin(spec)
    assert 5 < len(field.texts()) < 35
    assert field.validation.problem is None


@pytest.mark.parametrize("spec", QUESTS)
def test_the_owners_file_has_a_spec_of_its_own(field: Field, spec: str) -> None:
    field.quest.write_bytes(jsonl(CHAT))
    field.own.write_bytes(b"\n" + jsonl(*QUESTS[spec]))
    field.begin()
    assert len(field.texts()) == 40
    assert field.validation.problem is None


def test_no_more_is_taken_than_is_needed(field: Field) -> None:
    field.own.write_bytes(jsonl({"text": " ".join(map(str, range(10_000)))}))
    field.begin()
    assert len(field.texts()) == VALIDATION_EXAMPLES
    field.own.write_bytes(jsonl(*({"text": f"t{n}"} for n in range(400))) + b"nonsense that nobody reads")
    field.validation.look()
    assert len(field.texts()) == VALIDATION_EXAMPLES


def test_nothing_is_read_where_nothing_is_validated(field: Field) -> None:
    field.own.write_bytes(b"nonsense")
    field.begin(eval_steps=0)
    assert (field.validation.passes, field.validation.problem, field.told) == ((), None, [])


BAD = {
    "empty": (b"", "it has no lines: write one JSON object per line"),
    "no JSON": (b"nonsense", "line 1: not valid JSON"),
    "no UTF-8": (jsonl(CHAT) + b'{"messages": "\xff"}', "line 2: not valid JSON"),
    "no spec": (b'{"question": "x"}', "line 1: no dataset spec has the columns question"),
    "a bad line": (b"\n" + jsonl(CHAT, {"messages": []}), "line 3: 'messages' is not a non-empty list"),
    "two specs": (jsonl(CHAT, {"text": "x"}), "line 2: no 'messages': a chat_sft_v1 line needs"),
    "all too long": (jsonl(OVERLONG), "every line is longer than max_length (64 tokens): shorten some of them"),
    "an endless line": (b'{"text": "' + b"x" * WINDOW_BYTES, "its first line is longer than 16,777,216 bytes: write"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_of_the_owner_is_named_once_and_there_is_no_validation_until_it_is_mended(
    field: Field, case: str
) -> None:
    content, reason = BAD[case]
    field.quest.write_bytes(jsonl(*QUESTS["chat_sft_v1"]))
    field.own.write_bytes(content)
    field.begin(overlong="fail")
    assert field.validation.passes == ()
    assert str(field.validation.problem).startswith(f"no validation: {field.own}: {reason}")
    field.begin(overlong="fail")
    field.validation.look()
    assert field.told == [field.validation.problem]
    field.own.write_bytes(jsonl(CHAT))
    field.validation.look()
    assert (len(field.texts()), field.validation.problem) == (1, None)
    field.own.unlink()
    field.validation.look()
    assert len(field.texts()) > 1


def test_what_is_no_file_is_named_too(field: Field, tmp_path: Path) -> None:
    for make in (field.own.mkdir, lambda: os.mkfifo(field.own), lambda: field.own.symlink_to(tmp_path / "nowhere")):
        make()
        field.begin()
        assert field.validation.problem == (
            f"no validation: {field.own}: it is no regular file: put a .jsonl file there"
        )
        field.own.rmdir() if field.own.is_dir() else field.own.unlink()


def test_a_held_out_line_that_cannot_be_read_is_named_with_its_number(field: Field) -> None:
    field.quest.write_bytes(jsonl(*QUESTS["chat_sft_v1"]) + b"nonsense\n" + b"nonsense 2\n" + b"nonsense 3\n")
    field.begin()
    assert str(field.validation.problem).startswith(f"no validation: {field.quest}: line 4")


def test_a_quest_that_is_gone_is_no_problem_of_the_validation(field: Field) -> None:
    field.own.write_bytes(jsonl(CHAT))
    field.begin()
    field.own.unlink()
    field.validation.look()
    assert (field.validation.passes, field.validation.problem) == ((), None)
