"""config.json as a daemon follows it: an invalid one changes nothing and is named."""

from pathlib import Path

from realm.core.config import Config, ConfigError, load_config


class CurrentConfig:
    """Holds the last good one."""

    def __init__(self, file: Path):
        self._file = file
        self.value: Config | None = None  # None: there has been no valid one yet
        self.problem: str | None = None

    def look(self) -> bool:
        """Reads it again; True if its value or its problem is another one now."""
        before = (self.value, self.problem)
        try:
            self.value, self.problem = load_config(self._file), None
        except (ConfigError, OSError) as error:
            self.problem = str(error)
        return (self.value, self.problem) != before
