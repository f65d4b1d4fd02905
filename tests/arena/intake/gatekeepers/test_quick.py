"""QUICK on real bytes: lines cut out of pieces, and a finding for everything the trainer could not read."""

import json
from typing import Any

import pytest

from realm.arena.intake.gatekeepers.findings import FINDINGS, Findings
from realm.arena.intake.gatekeepers.quick import LONGEST_LINE, Line, Quick, cut_lines
from realm.core.config import Gatekeepers
from tests.arena.watcher import chat

GOOD = chat("2 + 2?", "4")


def examined(content: bytes, schema_id: str | None = None, **settings: Any) -> Findings:
    findings = Findings(Gatekeepers(**settings))
    quick = Quick(schema_id, findings)
    for line in cut_lines([content]):
        quick.messages(line)
    quick.end()
    return findings


def named(content: bytes, schema_id: str | None = None) -> list[tuple[int | None, str]]:
    return [(finding.line, finding.finding) for finding in examined(content, schema_id).rejecting]


# lines


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 1000])
@pytest.mark.parametrize("content", [b"", b"\n", b"ab", b"ab\n", b"ab\n\ncdefg\nh", b"\n\nab\r\n\n", b"abcdefgh\nij\n"])
def test_lines_are_the_same_whatever_pieces_they_arrive_in(content: bytes, size: int) -> None:
    pieces = [content[start : start + size] for start in range(0, len(content), size)]
    lines = list(cut_lines(pieces))
    assert b"".join((line.content or b"") + b"\n" for line in lines).rstrip(b"\n") == content.rstrip(b"\n")
    assert [line.number for line in lines] == list(range(1, len(lines) + 1))
    for line in lines:
        assert content[line.offset : line.offset + line.size] == line.content
    assert len(lines) == len(content.splitlines())


@pytest.mark.parametrize("size", [1, 4, 100])
def test_a_line_beyond_the_limit_is_counted_and_not_held(size: int) -> None:
    content = b"abcd\nabcde\nab\nabcdefghi"
    pieces = [content[start : start + size] for start in range(0, len(content), size)]
    assert list(cut_lines(pieces, longest=4)) == [
        Line(1, 0, 4, b"abcd"),
        Line(2, 5, 5, None),
        Line(3, 11, 2, b"ab"),
        Line(4, 14, 9, None),
    ]


# findings


def test_good_lines_pass() -> None:
    findings = examined(GOOD + b"\n  \n" + GOOD.replace(b"\n", b"\r\n") + GOOD.strip())
    assert not findings.reject
    assert findings.verdicts == {"quick@1": "passed"}


BAD = {
    b'{"messages": [': "not_json",
    b'{"messages": NaN}': "not_json",
    b"[" * 100_000: "not_json",
    b'{"messages": [{"role": "assistant", "content": "\xff"}]}': "not_utf8",
    b"\xff\xfe{\x00}\x00": "not_utf8",
    b"[1]": "not_an_object",
    b"17": "not_an_object",
    b'{"text": "hello"}': "missing_column",
    b'{"messages": []}': "no_messages",
    b'{"messages": "hello"}': "no_messages",
    b'{"messages": ["hello"]}': "bad_message",
    b'{"messages": [{"role": "robot", "content": "x"}]}': "unknown_role",
    b'{"messages": [{"role": ["user"], "content": "x"}]}': "unknown_role",
    b'{"messages": [{"role": "assistant", "content": null}]}': "no_text",
    b'{"messages": [{"role": "user", "content": "x"}]}': "no_assistant",
    b'{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": ""}]}': "empty_content",
    b'{"messages": [{"role": "user", "content": " \\n"}, {"role": "assistant", "content": "x"}]}': "empty_content",
    b" " * (LONGEST_LINE + 1): "long_line",
    b'{"messages": [' + b"{}," * 400_000 + b"{}]}": "long_line",
}


@pytest.mark.parametrize(("line", "finding"), BAD.items(), ids=[f"{line[:60]!r}" for line in BAD])
def test_a_bad_line_is_found_with_its_number_its_name_and_how_to_mend_it(line: bytes, finding: str) -> None:
    (found,) = examined(GOOD * 16 + line + b"\n" + GOOD).rejecting
    assert (found.line, found.finding) == (17, finding)
    assert found.text
    assert found.how_to_mend


def test_an_empty_file_and_one_of_blank_lines_have_names_of_their_own() -> None:
    assert named(b"") == [(None, "empty_file")]
    assert named(b"\n  \r\n\n") == [(None, "blank_file")]


def test_a_byte_order_mark_is_named_for_what_it_is() -> None:
    assert named(b"\xef\xbb\xbf" + GOOD + GOOD) == [(1, "byte_order_mark")]


def test_a_fault_far_inside_a_line_is_quoted() -> None:
    line = GOOD.rstrip(b"}\n") + b', "note": "' + b"x" * 1000 + b'", "level": one}\n'
    (found,) = examined(GOOD + line).rejecting
    assert found.text.endswith(', near xxxxxxxx", "level": one})')


@pytest.mark.parametrize("indent", [None, 1])
def test_a_file_that_is_one_array_is_named_for_what_it_is_once(indent: int | None) -> None:
    array = json.dumps([json.loads(GOOD), json.loads(GOOD)], indent=indent).encode()
    (found,) = examined(array).rejecting
    assert (found.line, found.finding) == (1, "json_array")
    assert "jq -c" in found.how_to_mend


def test_every_finding_is_counted_and_the_first_hundred_are_kept() -> None:
    findings = examined(GOOD + b"nonsense\n" * 250)
    assert findings.counts == {"not_json": 250}
    assert [finding.line for finding in findings.rejecting] == list(range(2, 102))
    assert findings.reason.startswith("line 2: not valid JSON (")
    assert findings.reason.endswith(", and 249 more findings")


def test_a_finding_does_not_quote_megabytes() -> None:
    (finding,) = examined(GOOD + json.dumps({"messages": [{"role": "x" * 10**6}]}).encode()).rejecting
    assert len(finding.text) <= 300


# the dataset spec


def test_the_spec_is_the_sidecars_then_the_first_lines_then_what_the_columns_say() -> None:
    by_columns = Quick(None, Findings(Gatekeepers()))
    by_columns.messages(Line(1, 0, len(GOOD), GOOD))
    assert by_columns.spec
    assert by_columns.spec.id == "chat_sft_v1"
    assert named(chat("q", metadata={"schema_id": "chat_sft_v1"})) == []
    assert named(chat("q", metadata={"schema_id": None})) == []
    assert named(GOOD, schema_id="chat_sft_v1") == []


@pytest.mark.parametrize(
    ("content", "schema_id", "finding"),
    [
        (GOOD * 3, "chat_sft_v9", (None, "unknown_schema")),
        (chat("q", metadata={"schema_id": "syllogism"}) * 3, None, (1, "unknown_schema")),
        (chat("q", metadata={"schema_id": ["a", "list"]}) * 3, None, (1, "unknown_schema")),
        (b'{"question": "x", "answer": "y"}\n' * 3, None, (1, "no_spec")),
        (b"{}\n" * 3, None, (1, "no_spec")),
    ],
)
def test_a_drop_of_no_known_spec_gets_one_finding_not_one_for_each_line(
    content: bytes, schema_id: str | None, finding: tuple[int | None, str]
) -> None:
    assert named(content, schema_id) == [finding]


def test_the_first_line_that_parses_decides_about_the_spec() -> None:
    assert named(b"{\n" + GOOD) == [(1, "not_json")]


PROMPT, TEXT = b'{"prompt": "2 + 2?", "completion": "4"}\n', b'{"text": "Once upon a time"}\n'
OF_OTHER_SPECS = [
    (PROMPT, b'{"prompt": "x"}', "missing_column", "no 'completion'"),
    (PROMPT, b'{"prompt": "x", "completion": ""}', "nothing_to_learn", "'completion' is empty"),
    (PROMPT, b'{"prompt": "x", "completion": " \\n"}', "empty_content", "'completion' has an empty text"),
    (PROMPT, b'{"prompt": "", "completion": "x"}', "empty_content", "'prompt' has an empty text"),
    (PROMPT, b'{"prompt": ["x"], "completion": "x"}', "no_text", "'prompt' is a list instead of a string"),
    (PROMPT, TEXT, "missing_column", "no 'prompt'"),
    (PROMPT, b"{", "not_json", "not valid JSON"),
    (TEXT, b'{"text": ""}', "nothing_to_learn", "'text' is empty"),
    (TEXT, b'{"text": "\\t"}', "empty_content", "'text' has an empty text"),
    (TEXT, b'{"text": 7}', "no_text", "'text' is no text"),
    (TEXT, GOOD, "missing_column", "no 'text'"),
    (TEXT, b'{"text": "\xff"}', "not_utf8", "not valid UTF-8"),
]


@pytest.mark.parametrize(("good", "line", "finding", "text"), OF_OTHER_SPECS)
def test_prompts_and_texts_are_looked_at_as_closely_as_chats(good: bytes, line: bytes, finding: str, text: str) -> None:
    assert named(good * 3) == []
    (found,) = examined(good * 16 + line + b"\n" + good).rejecting
    assert (found.line, found.finding) == (17, finding)
    assert found.text.startswith(text)
    assert found.how_to_mend


def test_the_sidecar_says_which_columns_are_meant() -> None:
    both = b'{"text": "Once upon a time", "prompt": "2 + 2?", "completion": ""}\n'
    assert named(both) == [(1, "nothing_to_learn")]
    assert named(both, schema_id="completion_v1") == []
    assert named(TEXT, schema_id="prompt_completion_v1") == [(1, "missing_column")]


# what it costs


def test_settings_say_what_an_empty_text_costs() -> None:
    line = b'{"messages": [{"role": "assistant", "content": ""}]}\n'
    assert examined(line * 3, empty_content="reject").counts == {"empty_content": 3}
    warned = examined(line * 3, empty_content="warn")
    assert not warned.reject
    assert warned.verdicts == {"quick@1": "warned"}
    assert warned.warnings == [
        "line 1: message 1 (assistant) has an empty text (give it a text or leave the line out), and 2 more like it"
    ]
    ignored = examined(line * 3, empty_content="off")
    assert (ignored.verdicts, ignored.warnings) == ({"quick@1": "passed"}, [])


def test_a_finding_without_a_meaning_is_refused() -> None:
    with pytest.raises(ValueError, match="name its meaning in FINDINGS"):
        Findings(Gatekeepers()).add("quick@1", "odd", "something odd")


def test_the_table_names_what_a_bad_line_may_be() -> None:
    assert set(BAD.values()) | {finding for _, _, finding, _ in OF_OTHER_SPECS} <= set(FINDINGS)
