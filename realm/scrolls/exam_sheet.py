"""What an exam asks a checkpoint, and what becomes of the answers, wherever they are made. Needs no torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from realm.arena.battle.chat import ChatTokenizer
from realm.core.checkpoint_ledger import read_record
from realm.guild.exams import Generation, Item, Paper, Report, paper, report
from realm.guild.skills import Trainer


class Written(NamedTuple):
    """An answer. `finished`: the hero ended it; else it was cut at the limit."""

    text: str
    finished: bool


class Sheet:
    """`chats[i]` is what item i asks, `prompts[i]` the same in tokens; an answer has at most `limit` tokens."""

    def __init__(self, checkpoint: Path, skill: str, trainer: Trainer, items: Sequence[Item]):
        """Raises OSError for a folder without a tokenizer, ValueError for a damaged one, SkillError."""
        self.checkpoint = checkpoint
        self._skill, self._trainer, self._items = skill, trainer, items
        self.chat = ChatTokenizer.load(checkpoint)
        turns = [trainer.to_chat(item)["messages"] for item in items]
        self.chats = [messages[:-1] for messages in turns]
        self.prompts = [self.chat.prompt(messages) for messages in self.chats]
        self.limit = max(len(example.ids) for example in self.chat.examples([messages[-1:] for messages in turns]))

    def graded(self, answers: Sequence[Written], digest: str, settings: Generation) -> tuple[Report, list[Paper]]:
        """`digest`: SHA-256 of the weights that answered; `settings`: where and how they did. Raises SkillError."""
        extractor = self._trainer.extractor
        papers = [
            paper(item, answer.text, answer.finished, self._trainer.score(answer.text, item), extractor)
            for item, answer in zip(self._items, answers, strict=True)
        ]
        record = read_record(self.checkpoint)
        generation = {"decoding": "greedy", "max_new_tokens": self.limit, **settings, "extractor": extractor}
        return report(
            papers,
            skill=self._skill,
            version=self._trainer.VERSION,
            checkpoint=record.canonical_name if record else self.checkpoint.name,
            digest=digest,
            generation=generation,
        ), papers


def paper_lines(papers: Sequence[Paper]) -> bytes:
    return b"".join(msgspec.json.encode(one) + b"\n" for one in papers)
