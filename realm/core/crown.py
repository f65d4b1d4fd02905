"""champion.json: which checkpoint wears the crown, and the evidence for it. Written by people, whole or not at all."""

from datetime import UTC, datetime

import msgspec
from msgspec import Struct

from realm.core.files import write_whole
from realm.core.paths import Home

MODE = 0o664  # people of the home's group crown, too


class Evidence(Struct, frozen=True, kw_only=True):
    """Answers of two checkpoints to the same items. `p_value`: McNemar's exact test, two-sided."""

    rival: str
    items: int
    both: int  # right
    only_new: int
    only_rival: int
    neither: int
    p_value: float
    exams: list[str]  # such as "bin level 5"


class Crown(Struct, frozen=True, kw_only=True):
    """`reason` is a person's own, where the evidence did not suffice."""

    checkpoint: str  # its canonical name
    digest: str  # SHA-256 of its model.safetensors
    crowned_at: datetime
    crowned_by: str  # the program
    reason: str | None = None
    evidence: Evidence | None = None  # None: there was no champion before


class DamagedCrown(ValueError):
    """champion.json cannot be read; the text says why."""


def read_crown(home: Home) -> Crown | None:
    """None if nobody is crowned. Raises DamagedCrown, OSError."""
    try:
        return msgspec.json.decode(home.champion.read_bytes(), type=Crown)
    except FileNotFoundError:
        return None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DamagedCrown(f"{home.champion}: {error}; delete it, and crown a checkpoint again") from None


def place_crown(
    home: Home, checkpoint: str, digest: str, *, by: str, reason: str | None = None, evidence: Evidence | None = None
) -> Crown:
    """Durable when it returns. Raises OSError."""
    crown = Crown(
        checkpoint=checkpoint,
        digest=digest,
        crowned_at=datetime.now(UTC),
        crowned_by=by,
        reason=reason,
        evidence=evidence,
    )
    write_whole(home.champion, msgspec.json.format(msgspec.json.encode(crown), indent=2) + b"\n", mode=MODE)
    return crown
