"""Back-off: a daemon that keeps ending uncleanly waits longer before each start."""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from realm.core.status import replace_whole

LONGEST_DELAY_SECONDS = 60
GOOD_LIFE_SECONDS = 600


class _Count(Struct):
    starts: Annotated[int, Meta(ge=0)]


class Starts:
    """`<folder>/<daemon>.starts`: how many starts there were since the last clean end or ten minutes of life."""

    def __init__(self, daemon: str, folder: Path):
        """Raises nothing: an unreadable count is `problem`, and counts as none."""
        self._path = folder / f"{daemon}.starts"
        self.problem: str | None = None
        self.unclean_ends = self._read()

    @property
    def delay_seconds(self) -> int:
        """0, 0, 1, 2, 4, … 60 after 0, 1, 2, 3, 4, … unclean ends in a row."""
        return min(LONGEST_DELAY_SECONDS, 1 << min(self.unclean_ends - 2, 6)) if self.unclean_ends > 1 else 0

    def began(self) -> None:
        """Counts this start as unclean until it is shown to be better."""
        self._write(self.unclean_ends + 1)

    def lived_long(self) -> None:
        """If this process dies now, it is the first in a row."""
        self._write(1)

    def ended(self) -> None:
        self._write(0)

    def _read(self) -> int:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Count).starts
        except FileNotFoundError:
            return 0
        except (OSError, msgspec.MsgspecError) as error:
            self.problem = f"{self._path}: {error}"
            return 0

    def _write(self, starts: int) -> None:
        """A full disk must not keep a daemon from starting: the failure is only `problem`."""
        try:
            replace_whole(self._path, msgspec.json.encode(_Count(starts)))
        except OSError as error:
            self.problem = f"{self._path}: {error}"
