"""A hero in memory: weights, optimizer and tokenizer, from its model folder and, if there is one, a seal."""

from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from realm.arena.battle import exactness
from realm.arena.battle.chat import ChatTokenizer
from realm.arena.battle.engine import Engine
from realm.arena.battle.exactness import Fingerprint
from realm.arena.battle.seal import Seal
from realm.arena.battle.snapshot import restore
from realm.arena.battle.speed import matmul_peak
from realm.core.config import Config, Training


@dataclass(frozen=True)
class LoadedHero:
    engine: Engine
    chat: ChatTokenizer
    fingerprint: Fingerprint
    parameters: int
    peak: float  # FLOP/s that a matmul reaches on this device


class NoAccelerator(RuntimeError):
    """The device that config.json asks for is not there; it may come back."""


def load_hero_from(folder: Path, seal: Seal | None, training: Training, config: Config) -> LoadedHero:
    """Raises OSError for a folder that holds no model, KeyError for a seal of another one, NoAccelerator."""
    exactness.enter(training, config.threads or torch.get_num_threads())
    device = _device(config.device)
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model.to(device)  # type: ignore[arg-type]
    chat = ChatTokenizer.load(folder)
    engine = Engine(model, training, chat.pad)
    if seal:
        restore(engine, seal)
    return LoadedHero(
        engine=engine,
        chat=chat,
        fingerprint=exactness.fingerprint(training, device, model.config._attn_implementation),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        peak=matmul_peak(device, torch.bfloat16 if training.precision == "bf16" else torch.float32),
    )


def _device(wanted: str) -> torch.device:
    found = "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and found == "cpu":
        raise NoAccelerator("config.json asks for device cuda, and torch sees none: mend the driver, or set device cpu")
    return torch.device(found if wanted == "auto" else wanted)
