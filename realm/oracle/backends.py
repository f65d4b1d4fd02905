"""Who answers what the oracle is asked: models in this process, or another server."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from realm.core.config import Config
from realm.core.paths import Home
from realm.core.status import HeldModel, ModelLoad
from realm.oracle.keys import UPSTREAM, known_key
from realm.oracle.oracle_api import OracleApi
from realm.oracle.pool import CannotLoad, Pool
from realm.oracle.shelf import Shelf

if TYPE_CHECKING:
    import bottle

GB = 10**9
BETWEEN_LOOKS = 10.0  # seconds, at the other server


class Embedded:
    """Models in this process."""

    def __init__(self, home: Home, config: Config, check: Callable[[], None], tell: Callable[[str, str], object]):
        """`check` says who may ask, `tell` hears what came into memory and what left it."""
        budget, cache_tokens = int(config.oracle.memory_gb * GB), config.oracle.cache_tokens
        self._pool = Pool(Shelf(home), budget, tell, cache_tokens=cache_tokens, device=config.device)
        self.app: bottle.Bottle = OracleApi(self._pool, check).app
        self.load, self.unload, self.end = self._pool.load, self._pool.unload, self._pool.end
        self.problem: str | None = None

    def look(self) -> None:
        """Nothing to look at: all of it is here."""

    @property
    def is_busy(self) -> bool:
        return bool(self._pool.loading or any(one.users for one in self._pool.models))

    def status(self) -> dict[str, Any]:
        """Its fields of the status document."""
        loading = self._pool.loading
        return {
            "backend": "embedded",
            "budget_bytes": self._pool.budget,
            "models": [
                HeldModel(
                    name=one.volume.name,
                    bytes=one.footprint.weights,
                    cache_bytes=one.footprint.cache,
                    device=one.place.device,
                    answering=one.users,
                    loaded_at=one.loaded_at,
                )
                for one in self._pool.models
            ],
            "loading": loading
            and ModelLoad(name=loading.name, bytes_read=loading.read, bytes=loading.total, began_at=loading.began_at),
        }


class Upstream:
    """Another server that speaks OpenAI's API."""

    def __init__(self, home: Home, upstream: str, check: Callable[[], None]):
        from realm.oracle.forwarding import Forwarding  # its HTTP library costs 100 ms

        self._forwarding = Forwarding(upstream, known_key(home, UPSTREAM), check)
        self.app: bottle.Bottle = self._forwarding.app
        self.end = self._forwarding.end
        self.problem: str | None = None  # of the last look
        self._due = 0.0  # monotonic
        self.is_busy = False  # the other server's to say

    def load(self, name: str) -> str:
        raise CannotLoad(self._forwarding.not_ours)

    unload = load

    def look(self) -> None:
        """Whether it answers, if it is time to ask."""
        if time.monotonic() >= self._due:
            self.problem = self._forwarding.problem()
            self._due = time.monotonic() + BETWEEN_LOOKS

    def status(self) -> dict[str, Any]:
        answers = not self.problem if self._due else None
        return {"backend": "openai", "upstream": self._forwarding.upstream, "upstream_answers": answers}
