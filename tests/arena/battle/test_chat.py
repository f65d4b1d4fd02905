"""Rendering and labels of chats and texts, against lists written by hand and against transformers' own rendering."""

import random
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import AutoTokenizer

from realm.arena.battle.chat import BATCH, IGNORED, LONGEST_PIECE, ChatTokenizer

START, END, NL = "<|im_start|>", "<|im_end|>", "Ċ"  # Ċ is how a byte-level tokenizer writes a newline

# chat -> (token, is it learned?), one after the other, by hand
BY_HAND = {
    "one turn": (
        [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}],
        [(START, 0), ("user", 0), (NL, 0), ("h", 0), ("i", 0), (END, 0), (NL, 0)]
        + [(START, 0), ("assistant", 0), (NL, 0), ("y", 1), ("o", 1), (END, 1), (NL, 0)],
    ),
    "system prompt and two turns": (
        [
            {"role": "system", "content": "b"},
            {"role": "user", "content": "⓪"},
            {"role": "assistant", "content": "①"},
            {"role": "user", "content": "u"},
            {"role": "assistant", "content": "a"},
        ],
        [(START, 0), ("system", 0), (NL, 0), ("b", 0), (END, 0), (NL, 0)]
        + [(START, 0), ("user", 0), (NL, 0), ("⓪", 0), (END, 0), (NL, 0)]
        + [(START, 0), ("assistant", 0), (NL, 0), ("①", 1), (END, 1), (NL, 0)]
        + [(START, 0), ("user", 0), (NL, 0), ("u", 0), (END, 0), (NL, 0)]
        + [(START, 0), ("assistant", 0), (NL, 0), ("a", 1), (END, 1), (NL, 0)],
    ),
    "empty answer: only the stop is learned": (
        [{"role": "user", "content": ""}, {"role": "assistant", "content": ""}],
        [(START, 0), ("user", 0), (NL, 0), (END, 0), (NL, 0)]
        + [(START, 0), ("assistant", 0), (NL, 0), (END, 1), (NL, 0)],
    ),
    "a plain text, which may spell control tokens": (
        [{"role": "text", "content": "yo <|im_end|>"}],
        [(c, 1) for c in ("y", "o", "Ġ", *"<|im_end|>", "<|endoftext|>")],
    ),
    "a user who spells the control tokens cannot open a turn": (
        [{"role": "user", "content": "<|im_end|>"}, {"role": "assistant", "content": "<|im_start|>"}],
        [(START, 0), ("user", 0), (NL, 0), *[(c, 0) for c in "<|im_end|>"], (END, 0), (NL, 0)]
        + [(START, 0), ("assistant", 0), (NL, 0), *[(c, 1) for c in "<|im_start|>"], (END, 1), (NL, 0)],
    ),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_labels_equal_the_list_written_by_hand(chat: ChatTokenizer, name: str) -> None:
    messages, expected = BY_HAND[name]
    ids = [chat.tokenizer.token_to_id(token) for token, _ in expected]
    [example] = chat.examples([messages])
    assert example.ids == ids
    assert example.labels == [token if learned else IGNORED for token, (_, learned) in zip(ids, expected, strict=True)]


def test_rendering_and_labels_equal_those_of_the_checkpoints_own_chat_template(
    chat: ChatTokenizer, squire: Path
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(squire)
    dice = random.Random(7)
    for _ in range(200):
        messages = [{"role": "system", "content": _text(dice)}] if dice.random() < 0.5 else []
        for _ in range(dice.randint(1, 3)):
            messages.append({"role": "user", "content": _text(dice)})
            messages.append({"role": "assistant", "content": _text(dice)})
        theirs = tokenizer.apply_chat_template(
            messages, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
        )
        [example] = chat.examples([messages])
        assert example.ids == theirs["input_ids"]
        assert [label != IGNORED for label in example.labels] == [bool(flag) for flag in theirs["assistant_masks"]]
        prompt = tokenizer.apply_chat_template(
            messages[:-1], tokenize=True, return_dict=True, add_generation_prompt=True
        )
        assert chat.prompt(messages[:-1]) == prompt["input_ids"]


def test_decoding_gives_the_text_back(chat: ChatTokenizer) -> None:
    dice = random.Random(8)
    for _ in range(200):
        text = _text(dice)
        [example] = chat.examples([[{"role": "assistant", "content": text}]])
        assert chat.decode([label for label in example.labels if label != IGNORED]) == text + END


def test_a_text_in_many_pieces_has_the_tokens_it_has_as_one(chat: ChatTokenizer) -> None:
    dice = random.Random(9)
    for text in (" ".join(_text(dice) for _ in range(20_000)), "⓪" * LONGEST_PIECE * 2 + "①", " " * LONGEST_PIECE * 3):
        assert len(text) > LONGEST_PIECE
        [example] = chat.examples([[{"role": "text", "content": text}]])
        assert example.ids == [*chat.tokenizer.encode(text, add_special_tokens=False).ids, chat.text_end]


def test_pieces_end_where_a_tokenizer_of_words_cuts_too() -> None:
    words = ["squire", "sword", "shield", "the", "a", "brings", "dragon's", "⓪", "\n"]
    dice = random.Random(10)
    text = " ".join(dice.choice(words) for _ in range(50_000))
    learned = Tokenizer(models.BPE())
    learned.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    control = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    learned.train_from_iterator([text], trainers.BpeTrainer(vocab_size=400, special_tokens=control))
    [example] = ChatTokenizer(learned).examples([[{"role": "text", "content": text}]])
    whole = learned.encode(text, add_special_tokens=False).ids
    assert len(whole) < len(text) / 2
    assert example.ids[:-1] == whole


def test_what_does_not_fit_one_call_of_the_tokenizer_keeps_its_order(chat: ChatTokenizer) -> None:
    texts = ["a" * (BATCH // 3), "", "b" * BATCH, "c", "d" * (BATCH // 2), "e"]
    examples = chat.examples([[{"role": "text", "content": text}] for text in texts])
    for text, example in zip(texts, examples, strict=True):
        assert chat.decode(example.ids) == text + "<|endoftext|>"


def _text(dice: random.Random) -> str:
    pieces = [
        "add",
        "⓪",
        "①",
        " ",
        "\n",
        "\n\n",
        "é",
        "漢字",
        "🛡️",
        "user",
        "assistant",
        "x",
        "(",
        "×",
        "[verify]",
    ]
    return "".join(dice.choice(pieces) for _ in range(dice.randint(0, 12)))
