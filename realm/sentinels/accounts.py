"""Names of owners and groups; the number where an account is gone."""

from pathlib import Path


def owner_of(path: Path) -> str:
    """As `sudo -u` takes it."""
    try:
        return path.owner()
    except KeyError:
        return f"#{path.stat().st_uid}"


def group_of(path: Path) -> str:
    """As `chgrp` takes it."""
    try:
        return path.group()
    except KeyError:
        return str(path.stat().st_gid)
