"""The stream is a function of bytes, seed and cursor; it loses nothing and repeats nothing."""

import random
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
import orjson
import pytest

from realm.arena.battle import stream
from realm.arena.battle.chat import IGNORED, ChatTokenizer, Example
from realm.arena.battle.holdout import holdout_rule, validation_examples
from realm.arena.battle.specs import SPECS, BadLine, get_spec
from realm.arena.battle.stream import Counts, Cursor, StreamedStep, Window, cut_passes, deal, windows
from tests.settings import TRAINING


def quest(count: int, seed: int = 0) -> bytes:
    dice = random.Random(seed)
    rows = (
        {
            "messages": [
                {"role": "user", "content": f"q{i}"},
                {"role": "assistant", "content": "a" * dice.randint(1, 30)},
            ]
        }
        for i in range(count)
    )
    return b"".join(orjson.dumps(row) + b"\n" for row in rows)


def quest_of(spec: str, count: int, seed: int = 0) -> bytes:
    """Lines of any spec; one text in ten is longer than max_length."""
    dice = random.Random(seed)
    rows: dict[str, Callable[[int], object]] = {
        "prompt_completion_v1": lambda i: {"prompt": f"q{i}", "completion": "a" * dice.randint(1, 30)},
        "completion_v1": lambda i: {"text": f"{i} " + "t" * dice.choice([*range(1, 46, 5), 500])},
    }
    if spec == "chat_sft_v1":
        return quest(count, seed)
    return b"".join(orjson.dumps(rows[spec](i)) + b"\n" for i in range(count))


def streamed(
    content: bytes, chat: ChatTokenizer, cursor: Cursor | None = None, spec: str = "chat_sft_v1", **changes: object
) -> list[StreamedStep]:
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as file:
        file.write(content)
        file.flush()
        return streamed_file(Path(file.name), chat, cursor, spec, **changes)


def streamed_file(
    quest: Path, chat: ChatTokenizer, cursor: Cursor | None, spec: str = "chat_sft_v1", **changes: object
) -> list[StreamedStep]:
    training = msgspec.structs.replace(TRAINING, **changes)
    return list(
        stream.steps(
            quest,
            cursor or Cursor(claim=1),
            chat=chat,
            spec=get_spec(spec),
            training=training,
            held_out=holdout_rule(training.holdout),
        )
    )


def examples_of(all_steps: list[StreamedStep]) -> Counter[tuple[int, ...]]:
    return Counter(tuple(example.ids) for one in all_steps for rows in one.passes for example in rows)


def counts_of(all_steps: list[StreamedStep]) -> Counts:
    return sum((one.counts for one in all_steps), start=Counts())


def lines_of(all_steps: list[StreamedStep]) -> set[int | None]:
    return {example.line for one in all_steps for rows in one.passes for example in rows}


@pytest.mark.parametrize("spec", SPECS)
def test_every_line_is_trained_once_or_held_out(chat: ChatTokenizer, tmp_path: Path, spec: str) -> None:
    file = tmp_path / "quest.jsonl"
    file.write_bytes(quest_of(spec, 500))
    steps = streamed_file(file, chat, None, spec, holdout=0.1)
    counts, lines = counts_of(steps), lines_of(steps)
    assert counts.trained + counts.held_out == 500
    assert counts.trained == len(lines)
    assert (counts.overlong, counts.truncated) == (0, 0)
    whole = windows(file, Cursor(claim=0))
    kept_back = validation_examples(whole, holdout_rule(0.1), chat, get_spec(spec), TRAINING, limit=10_000)
    held_out = {example.line for example in kept_back}
    assert len(held_out) == counts.held_out > 20
    assert held_out.isdisjoint(lines)
    if spec != "completion_v1":
        assert examples_of(steps).total() == counts.trained
        assert max(examples_of(steps).values()) == 1


@pytest.mark.parametrize("spec", SPECS)
def test_resuming_at_any_cursor_gives_the_rest_of_the_same_steps(
    chat: ChatTokenizer, monkeypatch: pytest.MonkeyPatch, spec: str
) -> None:
    monkeypatch.setattr(stream, "WINDOW_LINES", 64)
    content = quest_of(spec, 300)
    whole = streamed(content, chat, spec=spec)
    assert len({one.after.window for one in whole}) > 3
    for number, one in enumerate(whole):
        rest = streamed(content, chat, one.after, spec=spec)
        assert rest == whole[number + 1 :]
        assert counts_of(rest) + counts_of(whole[: number + 1]) == counts_of(whole)


def test_windows_end_at_their_byte_limit_too(chat: ChatTokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "WINDOW_BYTES", 1000)
    content = quest(100)
    whole = streamed(content, chat, holdout=0.0)
    assert examples_of(whole).total() == 100
    assert whole[-1].after.offset == len(content) == whole[-1].bytes_done
    assert whole[-1].after.line == 101


@pytest.mark.parametrize("spec", SPECS)
def test_order_depends_on_seed_claim_and_nothing_else(chat: ChatTokenizer, spec: str) -> None:
    content = quest_of(spec, 200)
    assert streamed(content, chat, spec=spec) == streamed(content, chat, spec=spec)
    assert streamed(content, chat, spec=spec) != streamed(content, chat, spec=spec, seed=2)
    first, second = (streamed(content, chat, Cursor(claim), spec=spec) for claim in (1, 2))
    assert first[0].passes != second[0].passes
    assert examples_of(first) == examples_of(streamed(content, chat, spec=spec, seed=2))


def test_steps_of_a_window_are_of_nearly_equal_size_and_no_pass_is_over_its_budget(
    chat: ChatTokenizer,
) -> None:
    all_steps = streamed(quest(400), chat)
    sizes = [sum(len(example.ids) for rows in one.passes for example in rows) for one in all_steps]
    assert max(sizes) - min(sizes) <= 2 * TRAINING.max_length
    assert max(sizes) <= TRAINING.tokens_per_step + TRAINING.max_length
    for one in all_steps:
        for rows in one.passes:
            assert sum(len(example.ids) for example in rows) <= TRAINING.tokens_per_pass


def test_deal_keeps_the_order_and_makes_no_small_rest() -> None:
    examples = [Example([number] * 10, [number] * 10) for number in range(21)]
    dealt = deal(examples, 100)
    assert [example for step in dealt for example in step] == examples
    assert [len(step) for step in dealt] == [7, 7, 7]


def test_passes_are_cut_where_padding_costs_more_than_another_pass() -> None:
    short, long = Example([1] * 10, [1] * 10), Example([1] * 400, [1] * 400)
    assert [len(rows) for rows in cut_passes([short, long, short], 4096, packed=False)] == [1, 2]
    assert [len(rows) for rows in cut_passes([short] * 5, 4096, packed=False)] == [5]
    assert sorted(len(rows) for rows in cut_passes([short] * 5, 20, packed=False)) == [1, 2, 2]


def test_packed_passes_are_as_full_as_they_can_be() -> None:
    short, long = Example([1] * 10, [1] * 10), Example([1] * 400, [1] * 400)
    assert [len(row) for row in cut_passes([short, long, short], 4096, packed=True)] == [3]
    assert [len(row) for row in cut_passes([short, long, short], 410, packed=True)] == [2, 1]
    assert [len(row) for row in cut_passes([short] * 5, 25, packed=True)] == [2, 2, 1]


@pytest.mark.parametrize("packed", [True, False])
def test_an_example_longer_than_a_pass_still_gets_one_of_its_own(packed: bool) -> None:
    long = Example([1] * 100, [1] * 100)
    assert [len(rows) for rows in cut_passes([long, long], 64, packed=packed)] == [1, 1]


OVERLONG = orjson.dumps({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a" * 100}]})
ALL_PROMPT = orjson.dumps({"messages": [{"role": "user", "content": "q" * 100}, {"role": "assistant", "content": "a"}]})


def test_overlong_examples_are_dropped_and_counted(chat: ChatTokenizer) -> None:
    [one] = streamed(OVERLONG, chat, holdout=0.0)
    assert (one.passes, one.counts) == ((), Counts(overlong=1))


def test_overlong_examples_are_truncated_to_max_length_by_hand_written_labels(chat: ChatTokenizer) -> None:
    [one] = streamed(OVERLONG, chat, holdout=0.0, overlong="truncate")
    [[example]] = one.passes
    letter = chat.tokenizer.token_to_id("a")
    prompt = 6 + 3  # start user newline q end newline, start assistant newline
    assert example.labels == [IGNORED] * prompt + [letter] * (64 - prompt)
    assert one.counts == Counts(trained=1, truncated=1)


def test_a_truncated_example_without_a_label_is_dropped(chat: ChatTokenizer) -> None:
    [one] = streamed(ALL_PROMPT, chat, holdout=0.0, overlong="truncate")
    assert (one.passes, one.counts) == ((), Counts(overlong=1))


def test_overlong_fail_names_the_line_and_the_mend(chat: ChatTokenizer) -> None:
    with pytest.raises(BadLine, match="line 4: 111 tokens, max_length is 64: shorten it"):
        streamed(quest(3) + OVERLONG, chat, holdout=0.0, overlong="fail")


# texts


@pytest.mark.parametrize("overlong", ["drop", "truncate", "fail"])
def test_a_long_text_is_trained_in_pieces_that_know_their_line_and_counts_once(
    chat: ChatTokenizer, overlong: str
) -> None:
    content = orjson.dumps({"text": "short"}) + b"\n\n" + orjson.dumps({"text": "x" * 399})
    steps = streamed(content, chat, spec="completion_v1", holdout=0.0, overlong=overlong)
    examples = [example for one in steps for rows in one.passes for example in rows]
    assert Counter(example.line for example in examples) == {1: 1, 3: 7}
    assert sorted(len(example.ids) for example in examples if example.line == 3) == [57] * 6 + [58]
    assert all(example.labels == example.ids for example in examples)
    assert counts_of(steps) == Counts(trained=2)


@pytest.mark.parametrize("tokens", [2, 63, 64, 65, 66, 127, 128, 129, 1000])
def test_pieces_in_file_order_are_the_text_and_its_end_whatever_its_length(chat: ChatTokenizer, tokens: int) -> None:
    dice = random.Random(tokens)
    text = "".join(dice.choice("abcdefgh") for _ in range(tokens - 1))
    window = Window(Cursor(claim=1), (orjson.dumps({"text": text}),))
    examples, counts = stream.window_examples(window, chat, get_spec("completion_v1"), TRAINING, lambda line: False)
    assert chat.decode([token for example in examples for token in example.ids]) == text + "<|endoftext|>"
    assert len(examples) == -(-tokens // TRAINING.max_length)
    assert all(2 <= len(example.ids) <= TRAINING.max_length for example in examples)
    assert counts == Counts(trained=1)


def test_validation_takes_the_first_distinct_examples_and_names_a_bad_line(chat: ChatTokenizer) -> None:
    lines = (quest(3) * 2).splitlines() + [OVERLONG]
    training = msgspec.structs.replace(TRAINING, overlong="fail")

    def examples(content: list[bytes], limit: int = 100) -> list[Example]:
        window = Window(Cursor(claim=0), tuple(content))
        return validation_examples([window], lambda line: True, chat, get_spec("chat_sft_v1"), training, limit)

    assert [example.line for example in examples(lines)] == [1, 2, 3]
    assert len(examples(lines, limit=2)) == 2
    with pytest.raises(BadLine, match="line 8: not valid JSON"):
        examples([*lines, b"{"])


# bad lines


BAD_LINES = {
    b'{"messages": [': "not valid JSON",
    b"[1]": "a list instead of an object",
    b'{"text": "x"}': "no 'messages'",
    b'{"messages": []}': "not a non-empty list",
    b'{"messages": [{"role": "wizard", "content": "x"}]}': "role 'wizard'",
    b'{"messages": [{"role": "user", "content": null}]}': "no text in 'content'",
    b'{"messages": [{"role": "user", "content": "x"}]}': "no assistant turn",
    b'{"messages": ["x"]}': "message 1 is not an object",
    b'{"messages": [{"role": "assistant", "content": "\xff"}]}': "not valid JSON",
}


@pytest.mark.parametrize("line", BAD_LINES)
def test_a_bad_line_is_named_with_its_number(chat: ChatTokenizer, line: bytes) -> None:
    with pytest.raises(BadLine, match="line 3: .*") as caught:
        streamed(quest(2) + line + b"\n" + quest(2), chat, holdout=0.0)
    assert BAD_LINES[line] in str(caught.value)


def test_blank_lines_are_skipped(chat: ChatTokenizer) -> None:
    assert examples_of(streamed(b"\n" + quest(2) + b"  \n", chat, holdout=0.0)).total() == 2


def test_a_held_out_line_is_held_out_wherever_it_stands() -> None:
    rule = holdout_rule(0.5)
    lines = quest(100).splitlines()
    assert [rule(line) for line in lines] == [rule(line + b"\n") for line in lines]
    assert 20 < sum(map(rule, lines)) < 80
