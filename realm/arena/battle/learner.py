"""What learns, as the rest of the arena sees it: steps go in, measured values come out, snapshots on request.

engine.py has the one that is made of tensors. Nothing else of the trainer knows them, so that every decision of the
trainer, and every byte it writes, can be tried without them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from realm.arena.battle.chat import ChatTokenizer
from realm.arena.battle.fingerprint import Fingerprint
from realm.arena.battle.seal import Chunks, Seal
from realm.arena.battle.sealed_state import SealedState
from realm.arena.battle.stream import Step
from realm.core.config import CheckpointDtype, Config, Training


class OutOfMemory(MemoryError):
    """The device cannot hold a step's passes; the weights are untouched."""


class NotInstalled(RuntimeError):
    """config.json asks for what this machine has no program for; the text says what to install."""


class NoAccelerator(RuntimeError):
    """The device that config.json asks for is not there; it may come back."""


@dataclass(frozen=True)
class StepResult:
    """Measured values of one step. loss is the mean cross-entropy in nats over the step's labelled tokens."""

    loss: float
    gradient_norm: float  # before clipping
    learning_rate: float  # read back from the optimizer
    tokens: int  # real ones, without padding
    padded_tokens: int
    labelled_tokens: int
    seconds: float
    split: dict[str, float]  # seconds by part: forward and backward (one, as the loss is taken in pieces), optimizer
    applied: bool  # False: loss or gradient was not finite and the weights are untouched
    device_bytes: int | None = None  # that torch had reserved at most on this rank's accelerator; None on a CPU


class Snapshot(Protocol):
    """Copies of everything, independent of what is trained next."""

    @property
    def state(self) -> SealedState: ...

    @property
    def size(self) -> int:
        """Bytes that its parts take, nearly."""

    def parts(self) -> dict[str, Chunks]:
        """A seal's files."""

    def save_pretrained(self, folder: Path, dtype: CheckpointDtype) -> None:
        """A plain Hugging Face model folder with the weights of then."""


class Learner(Protocol):
    def adopt(self, training: Training) -> None:
        """From the next step on these settings hold; weights and moments stay."""

    def step(self, number: int, step: Step) -> StepResult:
        """Trains on one step; `number` counts from 1 over the campaign's life. Raises OutOfMemory."""

    def validation_loss(self, passes: Step) -> float:
        """Mean cross-entropy over the passes' labelled tokens; changes nothing."""

    def snapshot(self, state: SealedState) -> Snapshot: ...


@dataclass(frozen=True)
class LoadedHero:
    learner: Learner
    chat: ChatTokenizer
    fingerprint: Fingerprint
    device: str
    parameters: int
    peak: float  # FLOP/s that a matmul reaches on this device


@dataclass(frozen=True)
class Loader:
    """Where heroes come into memory from, and how what they took is given back once they are forgotten."""

    load: Callable[[Path, Seal | None, Training, Config], LoadedHero]
    give_back: Callable[[], None]
