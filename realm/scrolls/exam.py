"""Examines a checkpoint on a skill: greedy answers, graded by the skill, papers kept."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM

from realm.arena.battle.chat import ChatTokenizer
from realm.core.files import sha256_of, write_whole
from realm.guild.exams import Generation, Item, Paper, Report
from realm.guild.skills import Trainer, get_trainer
from realm.oracle.generation import Answer, greedy
from realm.oracle.place import Place, place_for
from realm.scrolls.exam_sheet import Sheet, Written, paper_lines

COPIES = 3  # of a checkpoint's bytes: its weights, the keys and values, and what a pass holds meanwhile


def sit(
    checkpoint: Path,
    skill: str,
    levels: Sequence[int],
    count: int,
    *,
    seed: int | str = 0,
    papers: Path | None = None,
    device: str = "auto",
) -> Report:
    """`count` items, spread over the levels; `seed` draws those after the static ones.

    Raises ValueError for an unknown skill or level and for a damaged checkpoint, SkillError, OSError for a folder that
    holds none, FileExistsError if the papers' file is there.
    """
    if papers and papers.exists():
        raise FileExistsError(f"{papers} exists: papers are never overwritten, choose another --papers")
    trainer = get_trainer(skill)
    shares = [len(range(place, count, len(levels))) for place in range(len(levels))]
    items = [item for level, share in zip(levels, shares, strict=True) for item in trainer.exam(level, share, seed)]
    result, graded = examine(checkpoint, skill, trainer, items, device)
    if papers:
        papers.parent.mkdir(parents=True, exist_ok=True)
        write_whole(papers, paper_lines(graded))
    return result


def examine(
    checkpoint: Path, skill: str, trainer: Trainer, items: Sequence[Item], device: str = "auto"
) -> tuple[Report, list[Paper]]:
    """All items at once. Raises OSError for a folder that holds no checkpoint, ValueError for a damaged one."""
    sheet = Sheet(checkpoint, skill, trainer, items)
    model = _loaded(checkpoint)
    weights = (checkpoint / "model.safetensors").stat().st_size
    place = place_for("an exam", COPIES * weights, device)
    answer = partial(greedy, max_new_tokens=sheet.limit, stop=sheet.chat.turn_end, pad=sheet.chat.pad)
    try:
        answers = answer(model.to(place.device), sheet.prompts)
    except torch.OutOfMemoryError:
        place = Place("cpu", f"{place.device} ran out of memory")
        answers = answer(model.to(place.device), sheet.prompts)
    settings: Generation = {
        "dtype": str(model.dtype),
        "threads": torch.get_num_threads(),
        "device": place.device,
        "device_why": place.why,
    }
    written = [_written(one, sheet.chat) for one in answers]
    return sheet.graded(written, sha256_of(checkpoint / "model.safetensors"), settings)


def _written(answer: Answer, chat: ChatTokenizer) -> Written:
    """The end of the text ends an answer, as it does for who talks to the hero."""
    if chat.text_end in answer.ids:
        return Written(chat.decode(answer.ids[: answer.ids.index(chat.text_end)]), True)
    return Written(chat.decode(answer.ids), answer.finished)


def _loaded(checkpoint: Path) -> Any:
    try:
        return AutoModelForCausalLM.from_pretrained(checkpoint, dtype="auto")
    except SafetensorError as error:
        raise ValueError(f"{checkpoint}: its weights are damaged: {error}") from None
