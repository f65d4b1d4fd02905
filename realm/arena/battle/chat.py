"""Chats and plain texts to token ids and labels.

A chat is ChatML, with loss on the assistant's turns only. Every turn is tokenised by itself, as it is when the hero
answers, and control tokens are placed by id: text that spells `<|im_end|>` inside a message stays text and can never
open or close a turn. A plain text has no template: its own tokens and the end of the text, all of them with loss.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from realm.arena.battle.profiles import Message
from realm.arena.battle.specs import ROLES, TEXT

IGNORED = -100  # the label of a token that carries no loss, as in torch's cross_entropy
TURN_START, TURN_END, TEXT_END = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
LONGEST_PIECE = 2**16  # characters of a text that are tokenised at once
BATCH = 2**20  # characters in one call of the tokenizer: an encoding takes up to 250 bytes a token until it is read


@dataclass(frozen=True)
class Example:
    """One tokenised chat, or a piece of a text. labels[i] is ids[i] where the token carries loss, else IGNORED."""

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
        self.turn_start, self.turn_end, self.text_end = map(self._control, (TURN_START, TURN_END, TEXT_END))
        self.pad = self.text_end
        self.line_end = self._encode(["\n"])[0]
        self.turn_starts = {role: [self.turn_start, *self._encode([role])[0], *self.line_end] for role in ROLES}
        self.answer_start = self.turn_starts["assistant"]

    @classmethod
    def load(cls, model_folder: Path) -> "ChatTokenizer":
        """Raises OSError for a folder without a tokenizer, ValueError for a file that is none."""
        file = model_folder / "tokenizer.json"
        text = file.read_text(encoding="utf-8")
        try:
            return cls(Tokenizer.from_str(text))
        except Exception as error:  # noqa: BLE001 - `tokenizers` raises bare Exception, and names no file
            raise ValueError(f"{file}: {error}") from None

    def examples(self, chats: Sequence[Sequence[Message]]) -> list[Example]:
        """Tokenises many chats and texts, each of its whole length."""
        contents = iter(self._encode([message["content"] for chat in chats for message in chat]))
        return [self._example(chat, [next(contents) for _ in chat]) for chat in chats]

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """The ids after which the hero writes its answer."""
        return [*self.examples([messages])[0].ids, *self.answer_start]

    def decode(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=False))

    def _example(self, chat: Sequence[Message], contents: list[list[int]]) -> Example:
        if [message["role"] for message in chat] == [TEXT]:
            return self._text(contents[0])
        ids: list[int] = []
        labels: list[int] = []
        for message, content in zip(chat, contents, strict=True):
            header = self.turn_starts[message["role"]]
            body = [*content, self.turn_end]
            ids += [*header, *body, *self.line_end]
            learned = body if message["role"] == "assistant" else [IGNORED] * len(body)
            labels += [*[IGNORED] * len(header), *learned, *[IGNORED] * len(self.line_end)]
        return Example(ids, labels)

    def _text(self, content: list[int]) -> Example:
        ids = [*content, self.text_end]
        return Example(ids, ids)

    def _encode(self, texts: list[str]) -> list[list[int]]:
        """The ids of each text."""
        ids: list[list[int]] = [[] for _ in texts]
        for batch in _batches((number, piece) for number, text in enumerate(texts) for piece in _pieces(text)):
            encodings = self.tokenizer.encode_batch_fast([piece for _, piece in batch], add_special_tokens=False)
            for (number, _), encoding in zip(batch, encodings, strict=True):
                ids[number] += encoding.ids
        return ids

    def _control(self, token: str) -> int:
        token_id = self.tokenizer.token_to_id(token)
        if token_id is None:
            raise ValueError(f"the tokenizer has no {token!r}: heroes speak ChatML and need it as a control token")
        return int(token_id)


def _pieces(text: str) -> Iterator[str]:
    """Cut before a space, where a tokenizer cuts anyway; a text that has none is cut where the piece is full."""
    start = 0
    while len(text) - start > LONGEST_PIECE:
        space = text.rfind(" ", start + 1, start + LONGEST_PIECE)
        end = space if space > start else start + LONGEST_PIECE
        yield text[start:end]
        start = end
    yield text[start:]


def _batches(pieces: Iterable[tuple[int, str]]) -> Iterator[list[tuple[int, str]]]:
    batch: list[tuple[int, str]] = []
    size = 0
    for number, piece in pieces:
        batch.append((number, piece))
        size += len(piece)
        if size >= BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
