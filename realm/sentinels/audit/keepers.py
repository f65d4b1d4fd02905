"""The daemons whose books are audited: whether they run, how they ended, what they said last."""

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from realm.core.paths import Home
from realm.core.starts import Starts
from realm.core.status import Status, StatusError, is_locked, read_status

Said = TypeVar("Said", bound=Status)


@dataclass(frozen=True)
class Keeper(Generic[Said]):
    name: str
    is_alive: bool
    ended_cleanly: bool  # or has never run
    said: Said | None  # None: nothing that can be read

    @classmethod
    def of(cls, name: str, home: Home, file: str, document: type[Said]) -> "Keeper[Said]":
        is_alive = is_locked(home.locks / f"{name}.lock")
        ended_cleanly = not is_alive and Starts(name, home.locks).unclean_ends == 0
        try:
            said = read_status(home.status / file, document)
        except StatusError:
            said = None
        return cls(name, is_alive, ended_cleanly, said)

    @property
    def began_at(self) -> datetime | None:
        """When the process that said it began."""
        return self.said.writer.started_at if self.said else None
