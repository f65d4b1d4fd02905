"""What is examined, and how."""

import os
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from realm.core.paths import SHARED, Home, Place
from realm.sentinels.mounts import own_unit


@dataclass(frozen=True)
class Patient:
    """A home of this program's format, and the daemons that there are."""

    home: Home
    daemons: tuple[str, ...]
    now: datetime
    deep: bool = False  # read every byte of the seals
    probe: bool = False  # write where writing must be possible, and remove it again

    @cached_property
    def daemon(self) -> str | None:
        """The daemon whose unit we are part of: what its sandbox takes away is meant for it alone."""
        unit = own_unit() or ""
        return next((name for name in self.daemons if unit == f"realm-{name}.service"), None)

    @property
    def is_ours(self) -> bool:
        """We are the account that the daemons run as, or root."""
        return os.geteuid() in (0, self.home.root.stat().st_uid)

    @property
    def shares_with_us(self) -> bool:
        """We are of the group that may drop quests."""
        return self.is_ours or self.home.inbox.stat().st_gid in {os.getegid(), *os.getgroups()}

    def we_write(self, place: Place) -> bool:
        """The table of the home has us among the writers."""
        if self.daemon:
            return self.daemon in place.writers
        if self.is_ours:
            return bool(place.writers)
        return self.shares_with_us and place.mode == SHARED
