"""The models in memory: one is loaded at a time, and the least recently used ones make room for it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from realm.core.config import ConfigError
from realm.oracle.footprint import Footprint, footprint
from realm.oracle.question import Busy
from realm.oracle.shelf import DamagedModel, Shelf, UnknownModel, Volume

if TYPE_CHECKING:
    from realm.oracle.loaded import LoadedModel

LOAD_WAIT = 30.0  # seconds that a question waits for its model
CACHE_TOKENS = 2**14  # as in config.json
EXAM_SECONDS = 120.0  # after the last question of an exam its model may still be asked the next


class CannotLoad(RuntimeError):
    """The text says why."""


@dataclass(frozen=True)
class Loading:
    """`read` of `total` bytes of weights are read."""

    name: str
    read: int
    total: int
    began_at: datetime


class Pool:
    """Every method may be called from any thread."""

    def __init__(
        self,
        shelf: Shelf,
        budget: int,
        tell: Callable[[str, str], object],
        *,
        cache_tokens: int = CACHE_TOKENS,
        device: str = "auto",
    ):
        """`budget`: bytes of all models. `tell` hears of what came and went: (loaded, unloaded or failed, sentence).

        `cache_tokens` of questions and answers are kept by each model at most; `device` is config.json's.
        """
        self.shelf, self.budget = shelf, budget
        self.cache_tokens = cache_tokens
        self._tell, self._device = tell, device
        self._changed = threading.Condition()
        self._models: dict[str, LoadedModel] = {}
        self._leaving: list[LoadedModel] = []  # another one of its name is there; it ends when it has answered
        self._exams: dict[str, float] = {}  # until when a model is taken to sit one, monotonic
        self._loading: Loading | None = None
        self._failures: dict[str, str] = {}  # of the last load of each name
        self._is_ended = False

    @property
    def loading(self) -> Loading | None:
        return self._loading

    @property
    def models(self) -> "list[LoadedModel]":
        with self._changed:
            return list(self._models.values())

    @property
    def failures(self) -> dict[str, str]:
        """Why the last load of a model failed, by its name."""
        with self._changed:
            return dict(self._failures)

    def load(self, name: str, *, again: bool = False) -> str:
        """Begins to load a model that is not in memory; `again`: even if it is. Returns its own name.

        Raises UnknownModel, DamagedModel, CannotLoad, Busy if another one is being loaded, OSError.
        """
        volume = self._find(name)
        is_known = volume.name in self._models and not again
        takes = None if is_known else footprint(volume, self.cache_tokens)
        with self._changed:
            if self._is_ended:
                raise Busy("the oracle ends")
            if takes is None:
                return volume.name
            if self._loading and self._loading.name == volume.name:
                return volume.name
            if self._loading:
                raise Busy(f"{self._loading.name} is being loaded, and only one is at a time: ask again in a moment")
            self._make_room(volume.name, takes)
            self._failures.pop(volume.name, None)
            self._loading = Loading(volume.name, 0, takes.weights, datetime.now(UTC))
            threading.Thread(target=self._load, args=[volume, takes], name="load", daemon=True).start()
        return volume.name

    def examines(self, name: str) -> None:
        """An exam asks that model: it leaves for no other one for a while. Raises as `load` does."""
        own = self._find(name).name
        with self._changed:
            self._exams[own] = time.monotonic() + EXAM_SECONDS

    def unload(self, name: str) -> str:
        """Raises UnknownModel if it is not in memory, Busy while it answers."""
        own = name if name in self._models else self._find(name).name
        with self._changed:
            if own not in self._models:
                raise UnknownModel(f"{own} is not loaded: {', '.join(self._models) or 'no model'} is")
            self._drop(own)
        return own

    @contextmanager
    def lent(self, name: str, patience: float = LOAD_WAIT) -> "Iterator[LoadedModel]":
        """The model, which stays in memory meanwhile; it is loaded first if it is not there.

        Raises as `load` does, and Busy if loading takes longer than `patience` seconds.
        """
        own = self.load(name)
        with self._changed:
            if not self._changed.wait_for(lambda: own in self._models or own in self._failures, patience):
                raise Busy(f"{own} is being loaded: ask again in a moment")
            if own not in self._models:
                raise CannotLoad(self._failures[own])
            model = self._models[own]
            model.users += 1
        try:
            yield model
        finally:
            with self._changed:
                model.users -= 1
                model.used_at = datetime.now(UTC)
                if model in self._leaving and not model.users:
                    self._leaving.remove(model)
                    model.end()

    def end(self) -> None:
        """Unloads all; what is being answered, fails."""
        with self._changed:
            models, self._models, self._is_ended = [*self._models.values(), *self._leaving], {}, True
            self._leaving = []
        for model in models:
            model.end()

    def _find(self, name: str) -> Volume:
        try:
            return self.shelf.find(name)
        except ConfigError as error:
            raise CannotLoad(str(error)) from None

    def _make_room(self, name: str, takes: Footprint) -> None:
        """The model of that name that is there stays until the new one is, if both fit. Call it with the lock held."""
        if takes.total > self.budget:
            raise CannotLoad(
                f"{name} has {takes.weights:,} bytes of weights and {takes.cache:,} for the keys and values of what it"
                f" answers, and oracle.memory_gb allows {self.budget:,}: raise it, or lower oracle.cache_tokens"
            )
        idle = [one for one in self._models.values() if self._is_idle(one)]
        idle.sort(key=lambda one: (one.volume.name == name, one.used_at))
        over = sum(one.footprint.total for one in [*self._models.values(), *self._leaving]) + takes.total - self.budget
        if over > sum(one.footprint.total for one in idle):
            raise Busy("the models in memory answer or sit an exam, and there is no room for another: ask again")
        for one in idle:
            if over > 0:
                over -= one.footprint.total
                self._drop(one.volume.name)

    def _is_idle(self, model: "LoadedModel") -> bool:
        return not model.users and self._exams.get(model.volume.name, 0.0) < time.monotonic()

    def _drop(self, name: str) -> None:
        """Raises Busy. Call it with the lock held."""
        if self._models[name].users:
            raise Busy(f"{name} is answering: ask again when it has")
        if not self._is_idle(self._models[name]):
            raise Busy(f"{name} sits an exam: ask again when it is over")
        self._models.pop(name).end()
        self._tell("unloaded", name)

    # In the loading thread

    def _load(self, volume: Volume, takes: Footprint) -> None:
        try:
            volume.check(self._read)
            from realm.oracle.loaded import LoadedModel  # torch: an oracle that was never asked is small

            model = LoadedModel(volume, takes, self.cache_tokens, self._device)
        except Exception as error:  # noqa: BLE001 - transformers raises many kinds; all are told to who asked
            problem = str(error) if isinstance(error, DamagedModel) else f"{volume.name} cannot be loaded: {error}"
            self._loaded(volume.name, None, problem)
        else:
            self._loaded(volume.name, model, "")

    def _read(self, count: int) -> None:
        if self._loading:
            self._loading = replace(self._loading, read=self._loading.read + count)

    def _loaded(self, name: str, model: "LoadedModel | None", problem: str) -> None:
        with self._changed:
            self._loading = None
            if model and self._is_ended:
                model.end()
            elif model:
                self._replace(self._models.get(name))
                self._models[name] = model
            else:
                self._failures[name] = problem
            self._changed.notify_all()
        self._tell("loaded" if model else "failed", problem or name)

    def _replace(self, old: "LoadedModel | None") -> None:
        """Whoever is being answered by it, is to the end."""
        if old and old.users:
            self._leaving.append(old)
        elif old:
            old.end()
