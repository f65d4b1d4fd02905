"""A hero without tensors: its weights are a hash chain over what was trained, in which order, with which settings.

Two lives end with the same weights exactly if they trained the same steps. It is loaded in a millisecond.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile

import msgspec
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

from realm.arena.battle.chat import TEXT_END, TURN_END, TURN_START, ChatTokenizer
from realm.arena.battle.learner import LoadedHero, Loader, StepResult
from realm.arena.battle.seal import Chunks, Seal
from realm.arena.battle.sealed_state import STATE, SealedState
from realm.arena.battle.stream import Step
from realm.armory.heroes import HERO_FILE, hero_files
from realm.core.config import CheckpointDtype, Config, Training

WEIGHTS = "weights.chain"
POISON = b"poison"  # a step with an example that says this has a loss that is no number
FINGERPRINT: dict[str, str | int | bool] = {"hero": "hash chain"}


def make_model_folder(folder: Path) -> None:
    """A byte-level tokenizer, and squire's settings."""
    folder.mkdir()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: number for number, letter in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    control = (TEXT_END, TURN_START, TURN_END)
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])
    tokenizer.save(str(folder / "tokenizer.json"))
    copyfile(hero_files()["squire"], folder / HERO_FILE)


@dataclass(frozen=True)
class ChainSnapshot:
    weights: bytes
    state: SealedState

    @property
    def size(self) -> int:
        return len(self.weights)

    def parts(self) -> dict[str, Chunks]:
        return {WEIGHTS: [self.weights], STATE: [msgspec.json.encode(self.state)]}

    def save_pretrained(self, folder: Path, dtype: CheckpointDtype) -> None:
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(self.weights)


class ChainLearner:
    def __init__(self, weights: bytes, training: Training, poison: bytes):
        self.weights, self.training, self._poison = weights, training, poison

    def adopt(self, training: Training) -> None:
        self.training = training

    def step(self, number: int, step: Step) -> StepResult:
        examples = [example.ids for one in step for example in one]
        is_poisoned = any(self._poison in _words(ids) for ids in examples)
        if not is_poisoned:
            self.weights = _hashed(self.weights, number, self.training.digest, examples)
        return StepResult(
            loss=1 / number + self.weights[0] / 1e6,  # falls, so that the newest checkpoint is the best
            gradient_norm=1.0,
            learning_rate=self.training.learning_rate,
            tokens=sum(map(len, examples)),
            padded_tokens=sum(map(len, examples)),
            labelled_tokens=len(examples),
            seconds=0.001,
            split={"forward_backward": 0.001, "optimizer": 0.0},
            applied=not is_poisoned,
        )

    def validation_loss(self, passes: Step) -> float:
        return 1 + self.weights[1] / 256

    def snapshot(self, state: SealedState) -> ChainSnapshot:
        return ChainSnapshot(self.weights, state)


def _words(ids: list[int]) -> bytes:
    return b",".join(b"%d" % one for one in ids)


def _hashed(*about: object) -> bytes:
    return hashlib.sha256(repr(about).encode()).digest()


def load(folder: Path, seal: Seal | None, training: Training, config: Config) -> LoadedHero:
    chat = ChatTokenizer.load(folder)
    poison = chat.tokenizer.encode(POISON.decode(), add_special_tokens=False).ids
    weights = seal.path(WEIGHTS).read_bytes() if seal else bytes(32)
    learner = ChainLearner(weights, training, _words(poison))
    return LoadedHero(learner, chat, FINGERPRINT, device="none", parameters=len(weights), peak=1.0)


LOADER = Loader(load, lambda: None)
