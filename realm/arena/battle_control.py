"""What people and daemons ask of the trainer, read from files at step boundaries."""

import os
from pathlib import Path

from realm.core.config import Config, ConfigError, Training, load_config, training_of
from realm.core.control import Control
from realm.core.locked import Locked


class BattleControl:
    """Flags, holds and config.json of one home."""

    def __init__(self, control: Control, config_file: Path, hero_training: Training):
        self._control = control
        self._config_file = config_file
        self._hero_training = hero_training
        self._seen: object = "nothing seen yet"  # so that a change made while the trainer was down is found
        self.config_problems: list[str] = []

    def pause_reasons(self) -> list[str]:
        """Why training has to hold still; none if it may go on."""
        flag = self._control.flag("pause")
        paused = [f".pause{f': {flag.reason}' if flag.reason else ''}"] if flag else []
        return paused + [f"hold of {hold.daemon}: {hold.reason}" for hold in self._control.holds()]

    @property
    def stopped(self) -> bool:
        return self._control.flag("stop") is not None

    def changed_config(self, locked: Locked) -> tuple[Config, Training] | None:
        """The config and the training settings it asks for, if the file changed, can be used, and keeps what is locked.

        An invalid file is named in `config_problems`; the last good one goes on.
        """
        seen = _identity(self._config_file)
        if seen == self._seen:
            return None
        was_there, self._seen = isinstance(self._seen, tuple), seen
        if seen is None and was_there:  # perhaps only for a moment, as an editor renames
            self.config_problems = [f"{self._config_file} is gone: its last settings go on"]
            return None
        try:
            config = load_config(self._config_file)
            wanted = training_of(config, self._hero_training, self._config_file)
        except ConfigError as error:
            self.config_problems = error.problems
            return None
        self.config_problems = locked.changes(Locked.of(config, wanted))
        return None if self.config_problems else (config, wanted)


def _identity(file: Path) -> tuple[int, int, int] | None:
    try:
        seen = os.stat(file)  # noqa: PTH116 - the hot path of every step
    except FileNotFoundError:
        return None
    return seen.st_ino, seen.st_mtime_ns, seen.st_size
