"""Examines a checkpoint on a skill: greedy answers, graded by the skill, papers kept."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import torch
from transformers import AutoModelForCausalLM

from realm.arena.battle.chat import ChatTokenizer
from realm.core.checkpoint_ledger import read_record
from realm.core.files import sha256_of, write_whole
from realm.guild.exams import EXTRACTOR, Paper, Report, accuracy_by, paper, wilson_interval
from realm.guild.trainers import Trainer, get_trainer
from realm.oracle.generation import greedy


def sit(
    checkpoint: Path,
    skill: str,
    levels: Sequence[int],
    count: int,
    *,
    first_index: int = 0,
    papers: Path | None = None,
) -> Report:
    """Raises ValueError for an unknown skill or level, FileExistsError if the papers' file is there."""
    if papers and papers.exists():
        raise FileExistsError(f"{papers} exists: papers are never overwritten, choose another --papers")
    trainer = get_trainer(skill)
    items = [trainer.make(levels[n % len(levels)], "exam", first_index + n // len(levels)) for n in range(count)]
    chat = ChatTokenizer.load(checkpoint)
    turns = [trainer.to_chat(item)["messages"] for item in items]
    limit = max(len(example.ids) for example in chat.examples([messages[-1:] for messages in turns]))
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype="auto")
    answers = greedy(
        model,
        [chat.prompt(messages[:-1]) for messages in turns],
        max_new_tokens=limit,
        stop=chat.turn_end,
        pad=chat.pad,
    )
    texts = [chat.decode(answer.ids) for answer in answers]
    graded = [
        paper(item, text, answer.finished, trainer.score(text, item))
        for item, text, answer in zip(items, texts, answers, strict=True)
    ]
    if papers:
        papers.parent.mkdir(parents=True, exist_ok=True)
        write_whole(papers, b"".join(msgspec.json.encode(one) + b"\n" for one in graded))
    return _report(checkpoint, skill, trainer, levels, graded, limit, str(model.dtype))


def _report(
    checkpoint: Path,
    skill: str,
    trainer: Trainer,
    levels: Sequence[int],
    graded: list[Paper],
    limit: int,
    dtype: str,
) -> Report:
    correct = sum(one.score for one in graded)
    record = read_record(checkpoint)
    return Report(
        skill=skill,
        skill_version=trainer.VERSION,
        levels=list(levels),
        checkpoint=record.canonical_name if record else checkpoint.name,
        checkpoint_digest=sha256_of(checkpoint / "model.safetensors"),
        generation={
            "decoding": "greedy",
            "max_new_tokens": limit,
            "dtype": dtype,
            "threads": torch.get_num_threads(),
            "extractor": EXTRACTOR,
        },
        count=len(graded),
        correct=correct,
        accuracy=correct / len(graded),
        interval=wilson_interval(correct, len(graded)),
        by_level=accuracy_by(graded, "level"),
        by_difficulty=accuracy_by(graded, "difficulty"),
        spaces={str(one.level): f"{one.space_size:,} problems, split: {one.split}" for one in graded},
    )
