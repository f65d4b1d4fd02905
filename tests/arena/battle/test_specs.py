"""What a line may look like, and what is said of one that looks otherwise."""

import json
from typing import Any

import pytest

from realm.arena.battle.profiles import Message
from realm.arena.battle.specs import SPECS, BadLine, get_spec, parse_line, recognise, recognise_first


def parsed(spec: str, **row: Any) -> list[Message]:
    return parse_line(json.dumps(row).encode(), get_spec(spec))


QUESTION, ANSWER = {"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"}


def test_a_prompt_and_its_completion_are_a_users_turn_and_the_assistants() -> None:
    assert parsed("prompt_completion_v1", prompt="2 + 2?", completion="4") == [QUESTION, ANSWER]
    empty = {"role": "user", "content": ""}
    assert parsed("prompt_completion_v1", prompt="", completion="4", id=7) == [empty, ANSWER]


def test_a_text_is_one_message_of_a_role_that_no_chat_may_use() -> None:
    assert parsed("completion_v1", text="Once upon") == [{"role": "text", "content": "Once upon"}]
    with pytest.raises(BadLine, match="role 'text': use one of system, user, assistant"):
        parsed("chat_sft_v1", messages=[{"role": "text", "content": "Once upon"}, ANSWER])


BAD: list[tuple[str, dict[str, Any], str, str]] = [
    ("prompt_completion_v1", {"prompt": "x"}, "missing_column", "no 'completion': a prompt_completion_v1 line needs"),
    ("prompt_completion_v1", {"prompt": "x", "completion": ""}, "nothing_to_learn", "'completion' is empty: there is"),
    ("prompt_completion_v1", {"prompt": None, "completion": "x"}, "no_text", "'prompt' is no text: give it a string"),
    ("prompt_completion_v1", {"prompt": "x", "completion": 4}, "no_text", "'completion' is no text: give it a string"),
    (
        "prompt_completion_v1",
        {"prompt": [QUESTION], "completion": [ANSWER]},
        "no_text",
        "'prompt' is a list instead of a string: write a chat as \"messages\": [",
    ),
    ("prompt_completion_v1", {"prompt": "x", "completion": [ANSWER]}, "no_text", "'completion' is a list instead"),
    ("completion_v1", {"texts": "x"}, "missing_column", "no 'text': a completion_v1 line needs the columns text"),
    ("completion_v1", {"text": ""}, "nothing_to_learn", "'text' is empty: there is nothing to learn"),
    ("completion_v1", {"text": {"de": "x"}}, "no_text", "'text' is no text: give it a string"),
    ("completion_v1", {"text": ["x"]}, "no_text", "'text' is a list instead of a string"),
]


@pytest.mark.parametrize(("spec", "row", "finding", "text"), BAD)
def test_a_line_of_the_wrong_shape_is_told_how_to_mend_it(
    spec: str, row: dict[str, Any], finding: str, text: str
) -> None:
    with pytest.raises(BadLine) as caught:
        parsed(spec, **row)
    assert str(caught.value).startswith(text)
    assert caught.value.finding == finding
    assert caught.value.how_to_mend


@pytest.mark.parametrize(
    ("row", "spec"),
    [
        ({"messages": []}, "chat_sft_v1"),
        ({"prompt": "x", "completion": "y"}, "prompt_completion_v1"),
        ({"text": "x"}, "completion_v1"),
        ({"text": "x", "messages": [], "prompt": "x", "completion": "y"}, "chat_sft_v1"),
        ({"text": "x", "prompt": "x", "completion": "y"}, "prompt_completion_v1"),
        ({"text": "x", "messages": [], "metadata": {"schema_id": "completion_v1"}}, "completion_v1"),
    ],
)
def test_a_line_is_recognised_by_what_it_says_and_then_by_its_columns(row: dict[str, Any], spec: str) -> None:
    assert recognise(row).id == spec


@pytest.mark.parametrize("row", [{"prompt": "x"}, {"completion": "x"}, {"instruction": "x", "output": "y"}, {}])
def test_what_no_spec_has_is_refused_with_all_there_are(row: dict[str, Any]) -> None:
    with pytest.raises(BadLine, match="completion_v1 needs text; `realm scroll convert` reads ShareGPT and Alpaca"):
        recognise(row)


def test_the_first_line_that_is_not_blank_tells_a_files_spec() -> None:
    assert recognise_first([b"\n", b" \n", b'{"text": "x"}\n', b"nonsense"]) is SPECS["completion_v1"]
    with pytest.raises(BadLine, match="line 3: not valid JSON"):
        recognise_first([b"\n", b"\n", b"nonsense", b'{"text": "x"}\n'])
    with pytest.raises(BadLine, match="it has no lines: write one JSON object per line"):
        recognise_first([b"\n"])
