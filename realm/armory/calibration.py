"""What a home says to the formula of vram.py: its model, and what finished battles measured on its accelerator."""

from collections.abc import Iterator

import msgspec
from msgspec import Struct

from realm.armory.heroes import Hero, HeroError
from realm.armory.vram import Battle, Model
from realm.core.config import Config, Training
from realm.core.paths import Home
from realm.core.quests import RESULT_FILE


class _Result(Struct):
    training: Training
    peak_device_bytes: int | None = None


def model_of(hero: Hero, home: Home, config: Config) -> Model:
    """Raises HeroError: how many words a built hero has is known once it stands there."""
    return Model(
        hero.model.architecture,
        _vocabulary(hero, home),
        config.lora_rank,
        coded_moments=config.optimizer == "adamw_8bit",
        shards=config.devices if config.sharded else 1,
    )


def _vocabulary(hero: Hero, home: Home) -> int:
    if hero.model.architecture.vocab_size:
        return hero.model.architecture.vocab_size
    try:
        return int(msgspec.json.decode((home.models / hero.id / "config.json").read_bytes())["vocab_size"])
    except FileNotFoundError:
        raise HeroError(f"{hero.id} is not built, so its words are not counted: `realm hero build {hero.id}`") from None


def finished_battles(home: Home) -> Iterator[Battle]:
    """Those whose result has a measurement; results of other versions and quests without one are passed over."""
    for file in home.completed.glob(f"*/{RESULT_FILE}"):
        try:
            result = msgspec.json.decode(file.read_bytes(), type=_Result)
        except (OSError, msgspec.DecodeError):
            continue
        if result.peak_device_bytes is not None:
            yield Battle(result.training, result.peak_device_bytes)
