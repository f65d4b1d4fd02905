"""What a campaign is bound to: current_model/locked.json, written when it begins, by whoever holds the trainer's lock.

A key of config.json that is named here keeps its value until `realm config unlock` has made a backup.
"""

from pathlib import Path

import msgspec
from msgspec import Struct

from realm.core.config import Config, ConfigError, Training
from realm.core.files import write_whole

FILE = "locked.json"


class Locked(Struct, frozen=True, kw_only=True):
    """Locked settings and their values."""

    model_name: str
    base_model: str | None
    max_length: int

    @classmethod
    def of(cls, config: Config, training: Training) -> "Locked":
        return cls(model_name=config.model_name, base_model=config.base_model, max_length=training.max_length)

    def changes(self, wanted: "Locked") -> list[str]:
        """One sentence for each key that would change."""
        return [
            f"{key} is locked at {was} for this campaign, and {now} is refused:"
            f" `realm config unlock {key} {now}` makes a backup first"
            for field, key in LOCKED_KEYS.items()
            for was, now in [(_as_typed(getattr(self, field)), _as_typed(getattr(wanted, field)))]
            if was != now
        ]


LOCKED_KEYS = {"model_name": "model_name", "base_model": "base_model", "max_length": "training.max_length"}


def _as_typed(value: str | int | None) -> str:
    """As a person writes it behind `realm config set`."""
    return "null" if value is None else str(value)


def read_locked(current_model: Path) -> Locked | None:
    """None before a campaign has begun. Raises ConfigError for a file that cannot be read."""
    file = current_model / FILE
    try:
        return msgspec.json.decode(file.read_bytes(), type=Locked)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(file, [f"{error}; remove it, and the trainer writes it anew from its newest seal"]) from None


def write_locked(current_model: Path, locked: Locked) -> None:
    """Durable when it returns. Raises OSError."""
    write_whole(current_model / FILE, msgspec.json.encode(locked) + b"\n")
