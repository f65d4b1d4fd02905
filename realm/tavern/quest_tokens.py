"""How long a quest's examples are in the hero's tokens, and the largest forward pass that they can make."""

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from realm.arena.battle.chat import ChatTokenizer
from realm.arena.battle.specs import DatasetSpec
from realm.arena.intake.gatekeepers.standard import Sample, token_lengths
from realm.armory.calibration import model_of
from realm.armory.heroes import HeroError
from realm.armory.settings import hero_of
from realm.armory.vram import Model, need
from realm.core.config import ConfigError, Training, load_config, training_of
from realm.core.paths import Home

SAMPLED = 2_000  # lines at most
MOST_BINS = 16


def tokens_of(home: Home, file: Path, sample: Sample, spec: DatasetSpec | None, lines: int) -> dict[str, Any]:
    """Of a sample of the file's `lines`, with the tokenizer and the settings of now; `problem` says why not."""
    if spec is None:
        return {"problem": "no line could be read as an example"}
    try:
        config = load_config(home.config_file)
        hero = hero_of(home, config)
        training, model = training_of(config, hero.training, home.config_file), model_of(hero, home, config)
        chat = ChatTokenizer.load(home.models / config.model_name)
    except (ConfigError, HeroError, ValueError, OSError) as error:
        return {"problem": f"its examples cannot be counted in tokens: {error}"}
    lengths = token_lengths(file, sample, spec, chat, pulse=lambda: None)
    return {"problem": None, "sampled": len(lengths), **_counted(lengths, training, model, lines)}


def _counted(lengths: list[int], training: Training, model: Model, lines: int) -> dict[str, Any]:
    """`histogram`: {most tokens of a bin: examples in it}; `largest_pass`: with its padding, and no example longer, and
    the bytes that a step with it takes on an accelerator.
    """
    width = 1 << max(0, (lengths[-1] - 1).bit_length() - MOST_BINS.bit_length() + 1)
    bins = Counter(-(-length // width) * width for length in lengths)
    trained = {min(length, training.max_length) for length in lengths}
    length = max(trained, key=lambda one: one * min(lines, training.tokens_per_pass // one))
    examples = min(lines, training.tokens_per_pass // length)
    largest = msgspec.structs.replace(training, batch_size=examples, max_length=length)
    return {
        "bin": width,
        "histogram": {str(end): bins[end] for end in range(width, max(bins) + 1, width)},
        "max_length": training.max_length,
        "tokens_per_pass": training.tokens_per_pass,
        "largest_pass": {"examples": examples, "length": length, "bytes": need(model, largest).total},
    }
