"""The stream is a function of bytes, seed and cursor; it loses nothing and repeats nothing."""

import random
import tempfile
from collections import Counter
from pathlib import Path

import msgspec
import orjson
import pytest

from realm.arena.battle import stream
from realm.arena.battle.chat import IGNORED, ChatTokenizer, Example
from realm.arena.battle.holdout import held_out_lines, holdout_rule
from realm.arena.battle.specs import BadLine, get_spec
from realm.arena.battle.stream import Counts, Cursor, StreamedStep, cut_passes, deal
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


def streamed(
    content: bytes, chat: ChatTokenizer, cursor: Cursor | None = None, **changes: object
) -> list[StreamedStep]:
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as file:
        file.write(content)
        file.flush()
        return streamed_file(Path(file.name), chat, cursor, **changes)


def streamed_file(quest: Path, chat: ChatTokenizer, cursor: Cursor | None, **changes: object) -> list[StreamedStep]:
    training = msgspec.structs.replace(TRAINING, **changes)
    return list(
        stream.steps(
            quest,
            cursor or Cursor(claim=1),
            chat=chat,
            spec=get_spec("chat_sft_v1"),
            training=training,
            held_out=holdout_rule(training.holdout),
        )
    )


def examples_of(all_steps: list[StreamedStep]) -> Counter[tuple[int, ...]]:
    return Counter(tuple(example.ids) for one in all_steps for rows in one.passes for example in rows)


def counts_of(all_steps: list[StreamedStep]) -> Counts:
    return sum((one.counts for one in all_steps), start=Counts())


def test_every_line_is_trained_once_or_held_out(chat: ChatTokenizer, tmp_path: Path) -> None:
    content = quest(500)
    steps = streamed(content, chat, holdout=0.1)
    trained, counts = examples_of(steps), counts_of(steps)
    assert max(trained.values()) == 1
    assert trained.total() + counts.held_out == 500
    assert counts.trained == trained.total()
    file = tmp_path / "quest.jsonl"
    file.write_bytes(content)
    kept_back = held_out_lines([file], holdout_rule(0.1), 1000)
    assert len(kept_back) == counts.held_out > 20


def test_resuming_at_any_cursor_gives_the_rest_of_the_same_steps(
    chat: ChatTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "WINDOW_LINES", 64)
    content = quest(300)
    whole = streamed(content, chat)
    assert len({one.after.window for one in whole}) > 3
    for number, one in enumerate(whole):
        rest = streamed(content, chat, one.after)
        assert rest == whole[number + 1 :]
        assert counts_of(rest) + counts_of(whole[: number + 1]) == counts_of(whole)


def test_windows_end_at_their_byte_limit_too(chat: ChatTokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "WINDOW_BYTES", 1000)
    content = quest(100)
    whole = streamed(content, chat, holdout=0.0)
    assert examples_of(whole).total() == 100
    assert whole[-1].after.offset == len(content) == whole[-1].bytes_done
    assert whole[-1].after.line == 101


def test_order_depends_on_seed_claim_and_nothing_else(chat: ChatTokenizer) -> None:
    content = quest(200)
    assert streamed(content, chat) == streamed(content, chat)
    assert streamed(content, chat) != streamed(content, chat, seed=2)
    assert streamed(content, chat)[0].passes != streamed(content, chat, Cursor(claim=2))[0].passes
    assert examples_of(streamed(content, chat)) == examples_of(streamed(content, chat, seed=2))


def test_steps_of_a_window_are_of_nearly_equal_size_and_no_pass_is_over_its_budget(
    chat: ChatTokenizer,
) -> None:
    all_steps = streamed(quest(400), chat)
    sizes = [sum(len(example.ids) for rows in one.passes for example in rows) for one in all_steps]
    assert max(sizes) - min(sizes) <= 2 * TRAINING.max_length
    assert max(sizes) <= TRAINING.tokens_per_step + TRAINING.max_length
    for one in all_steps:
        for rows in one.passes:
            assert len(rows) * max(len(example.ids) for example in rows) <= TRAINING.tokens_per_pass


def test_deal_keeps_the_order_and_makes_no_small_rest() -> None:
    examples = [Example([number] * 10, [number] * 10) for number in range(21)]
    dealt = deal(examples, 100)
    assert [example for step in dealt for example in step] == examples
    assert [len(step) for step in dealt] == [7, 7, 7]


def test_passes_are_cut_where_padding_costs_more_than_another_pass() -> None:
    short, long = Example([1] * 10, [1] * 10), Example([1] * 400, [1] * 400)
    assert [len(rows) for rows in cut_passes([short, long, short], 4096)] == [1, 2]
    assert [len(rows) for rows in cut_passes([short] * 5, 4096)] == [5]
    assert sorted(len(rows) for rows in cut_passes([short] * 5, 20)) == [1, 2, 2]


def test_an_example_longer_than_a_pass_still_gets_one_of_its_own() -> None:
    long = Example([1] * 100, [1] * 100)
    assert [len(rows) for rows in cut_passes([long, long], 64)] == [1, 1]


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
