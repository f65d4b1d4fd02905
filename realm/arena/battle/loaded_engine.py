"""One rank's engine, on that rank's device, from the model folder and what was kept of its training."""

from pathlib import Path
from typing import NamedTuple

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from realm.arena.battle import exactness
from realm.arena.battle.adapters import adapt
from realm.arena.battle.chat import ChatTokenizer
from realm.arena.battle.engine import Engine
from realm.arena.battle.fused_kernels import fuse
from realm.arena.battle.learner import NoAccelerator
from realm.arena.battle.precision import COMPUTE_DTYPES, cast
from realm.arena.battle.ranks import ALONE, Ranks
from realm.arena.battle.seal import Seal
from realm.arena.battle.sharding import shard
from realm.arena.battle.snapshot import Kept, restore_moments, restore_weights
from realm.armory.memory import keep_what_is_freed
from realm.core.config import Config, Training


class Origin(NamedTuple):
    """Where an engine is loaded from, again if need be."""

    folder: Path
    config: Config
    ranks: Ranks = ALONE

    @property
    def is_sharded(self) -> bool:
        return self.config.sharded and self.ranks.count > 1


def load_engine(origin: Origin, seal: Seal | None, training: Training) -> Engine:
    """All ranks load, and find each other.

    Raises OSError for a folder without a model, KeyError for a seal of another one, NoAccelerator, NotInstalled,
    HeroError.
    """
    config, ranks = origin.config, origin.ranks
    threads = config.threads or max(1, torch.get_num_threads() // ranks.count)
    exactness.enter(training, threads)
    keep_what_is_freed()
    kept = Kept.of_seal(seal) if seal else None
    engine = _engine(origin, kept, training)
    if config.compile:
        engine.compile()
    return engine


def adopted(engine: Engine, origin: Origin, training: Training) -> Engine:
    """The engine under other settings. Slices cannot become other numbers where they are: they are cut again."""
    if not origin.is_sharded or training.precision == engine.training.precision:
        engine.adopt(training)
        return engine
    return _engine(origin, engine.give_up(), training)


def _engine(origin: Origin, kept: Kept | None, training: Training) -> Engine:
    folder, config, ranks = origin
    device = device_of(config, ranks.rank)
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    if config.kernels == "liger":
        if device.type == "cpu":
            raise NoAccelerator("kernels liger run on GPUs alone, and this trainer on a cpu: set kernels torch")
        fuse(model)
    if config.lora_rank:
        adapt(model, config.lora_rank, training.seed)
    found = restore_weights(model, kept) if kept else frozenset()
    ranks.join()
    if origin.is_sharded:
        cast(model, training.precision)
        shard(model, device, ranks.count, COMPUTE_DTYPES[training.precision])
    model.to(device)  # type: ignore[arg-type]
    coded = config.optimizer == "adamw_8bit"
    engine = Engine(model, training, ChatTokenizer.load(folder).pad, ranks, coded_moments=coded)
    if kept:
        restore_moments(model, engine.optimizer, kept, found, coded=coded)
    return engine


def device_of(config: Config, rank: int) -> torch.device:
    """Raises NoAccelerator."""
    found = "cuda" if torch.cuda.is_available() else "cpu"
    if config.device == "cuda" and found == "cpu":
        raise NoAccelerator("config.json asks for device cuda, and torch sees none: mend the driver, or set device cpu")
    kind = found if config.device == "auto" else config.device
    if kind == "cpu":
        return torch.device("cpu")
    if (count := torch.cuda.device_count()) < config.devices:
        raise NoAccelerator(
            f"config.json asks for {config.devices} devices, and torch sees {count}: set devices {count}"
        )
    return torch.device("cuda", rank)
