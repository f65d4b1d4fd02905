"""Chats to token ids and labels: ChatML, loss on assistant turns only.

Every turn is tokenised by itself, as it is when the hero answers, and control tokens are placed by id: text that
spells `<|im_end|>` inside a message stays text and can never open or close a turn.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from realm.arena.battle.profiles import Message
from realm.arena.battle.specs import ROLES

IGNORED = -100  # the label of a token that carries no loss, as in torch's cross_entropy
TURN_START, TURN_END, PAD = "<|im_start|>", "<|im_end|>", "<|endoftext|>"


@dataclass(frozen=True)
class Example:
    """One tokenised chat. labels[i] is ids[i] where the token carries loss, else IGNORED."""

    ids: list[int]
    labels: list[int]
    line: int | None = None  # of the quest's file, from 1


class ChatTokenizer:
    """ChatML over a `tokenizer.json`.

    Raises ValueError if the tokenizer lacks one of the three control tokens.
    """

    def __init__(self, tokenizer: Tokenizer):
        self.tokenizer = tokenizer
        self.tokenizer.encode_special_tokens = True
        self.turn_start, self.turn_end, self.pad = (self._control(token) for token in (TURN_START, TURN_END, PAD))
        self.line_end = self._encode(["\n"])[0]
        self.turn_starts = {role: [self.turn_start, *self._encode([role])[0], *self.line_end] for role in ROLES}
        self.answer_start = self.turn_starts["assistant"]

    @classmethod
    def load(cls, model_folder: Path) -> "ChatTokenizer":
        return cls(Tokenizer.from_file(str(model_folder / "tokenizer.json")))

    def examples(self, chats: Sequence[Sequence[Message]]) -> list[Example]:
        """Tokenises many chats in one call of the tokenizer."""
        contents = iter(self._encode([message["content"] for chat in chats for message in chat]))
        return [self._example(chat, [next(contents) for _ in chat]) for chat in chats]

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """The ids after which the hero writes its answer."""
        return [*self.examples([messages])[0].ids, *self.answer_start]

    def decode(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=False))

    def _example(self, chat: Sequence[Message], contents: list[list[int]]) -> Example:
        ids: list[int] = []
        labels: list[int] = []
        for message, content in zip(chat, contents, strict=True):
            header = self.turn_starts[message["role"]]
            body = [*content, self.turn_end]
            ids += [*header, *body, *self.line_end]
            learned = body if message["role"] == "assistant" else [IGNORED] * len(body)
            labels += [*[IGNORED] * len(header), *learned, *[IGNORED] * len(self.line_end)]
        return Example(ids, labels)

    def _encode(self, texts: list[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self.tokenizer.encode_batch(texts, add_special_tokens=False)]

    def _control(self, token: str) -> int:
        token_id = self.tokenizer.token_to_id(token)
        if token_id is None:
            raise ValueError(f"the tokenizer has no {token!r}: heroes speak ChatML and need it as a control token")
        return int(token_id)
