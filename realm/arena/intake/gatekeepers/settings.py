"""Section `gatekeepers` of config.json: which findings reject a drop, which only warn, and the bounds they go by."""

from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct

from realm.core.config import Config, ConfigError, load_config, problems_of

Action = Literal["reject", "warn", "off"]


class Gatekeepers(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Findings that have no field here reject always: the trainer could not read such a line."""

    empty_content: Action = "reject"  # a message without any text
    overlong: Action = "warn"  # more than `overlong_share` of the sample is longer than the hero's max_length
    overlong_share: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.05
    example_count: Action = "warn"  # the sidecar counts other examples than there are lines
    unknown_key: Action = "warn"  # the sidecar has a key that nobody reads
    sample_lines: Annotated[int, Meta(ge=1, le=100)] = 100  # of each quest, tokenised to learn its lengths


class Settings(NamedTuple):
    """A config.json and its section."""

    config: Config
    gatekeepers: Gatekeepers


def load(file: Path) -> Settings:
    """The shipped values where there is no file. Raises ConfigError."""
    try:
        config = load_config(file)
    except (OSError, RecursionError) as error:
        raise ConfigError(file, [str(error)]) from None
    if problems := problems_of(config.gatekeepers, Gatekeepers, "gatekeepers."):
        raise ConfigError(file, problems)
    return Settings(config, msgspec.convert(config.gatekeepers, Gatekeepers))


class CurrentSettings:
    """Follows config.json while the daemon runs: an invalid one changes nothing and is `problem`."""

    def __init__(self, file: Path):
        self._file = file
        self.value: Settings | None = None  # None: there has been no valid one yet
        self.problem: str | None = None

    def look(self) -> bool:
        """Reads it again; True if its value or its problem is another one now."""
        before = (self.value, self.problem)
        try:
            self.value, self.problem = load(self._file), None
        except ConfigError as error:
            self.problem = str(error)
        return (self.value, self.problem) != before
