"""A hero comes into memory: weights, optimizer and tokenizer, from its model folder and, if there is one, a seal."""

from pathlib import Path

from transformers import PreTrainedModel

from realm.arena.battle import exactness
from realm.arena.battle.chat import ChatTokenizer
from realm.arena.battle.crew import Crew, Crewed
from realm.arena.battle.learner import LoadedHero, Loader
from realm.arena.battle.loaded_engine import Origin, device_of, load_engine
from realm.arena.battle.peak import matmul_peak
from realm.arena.battle.precision import COMPUTE_DTYPES
from realm.arena.battle.seal import Seal
from realm.armory.heroes import HeroError
from realm.armory.memory import give_back
from realm.core.config import Config, Training


def load(folder: Path, seal: Seal | None, training: Training, config: Config) -> LoadedHero:
    """Raises HeroError, OSError for a folder without a model, KeyError for a seal of another one,
    NoAccelerator, NotInstalled.
    """
    device = device_of(config, rank=0)
    crew = Crew(folder, seal, training, config) if config.devices > 1 else None
    origin = crew.origin if crew else Origin(folder, config)
    engine = load_engine(origin, seal, training)
    model, chat = engine.model, ChatTokenizer.load(folder)
    _check_rows(folder, model, chat)
    attention = model.config._attn_implementation
    peak = matmul_peak(device, COMPUTE_DTYPES[training.precision])
    return LoadedHero(
        learner=Crewed(engine, origin, crew) if crew else engine,
        chat=chat,
        fingerprint=exactness.fingerprint(training, device, attention, config),
        device=f"{config.devices} x {device.type}" if crew else str(device),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        peak=peak * config.devices,
    )


def _check_rows(folder: Path, model: PreTrainedModel, chat: ChatTokenizer) -> None:
    """Raises HeroError: a token without a row would end the process at its first step."""
    rows, highest = int(model.config.vocab_size), max(chat.tokenizer.get_vocab().values())
    if highest >= rows:
        raise HeroError(
            f"{folder}: its tokenizer names {highest + 1} tokens, its model has rows for {rows}: they are of two"
            " heroes; build it, or download it, again"
        )


LOADER = Loader(load, give_back)
