"""The last change of the curriculum that a program made: by whom, and what stood in config.json before.

Whoever edits config.json by hand leaves no word, so this one is believed only while the file says what was written.
"""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from msgspec import Struct

from realm.armory.settings import Settings
from realm.core.files import write_whole
from realm.core.paths import Home

SCHEMA = "curriculum_change@1"
MODE = 0o664  # people of the home's group change it too

Stated = dict[str, Any] | None  # the curriculum of config.json; None where it states none


class PlanChange(Struct, frozen=True, kw_only=True):
    """What was changed; `by` is the program that somebody used."""

    schema: str = SCHEMA
    by: Literal["tavern", "realm curriculum"]
    at: datetime
    before: Stated
    after: Stated


def write_changed(settings: Settings, raw: dict[str, Any], by: Literal["tavern", "realm curriculum"]) -> None:
    """Writes config.json, and then the word of it. Raises what `Settings.write` raises."""
    settings.write(raw)
    change = PlanChange(by=by, at=datetime.now(UTC), before=settings.raw.get("curriculum"), after=raw.get("curriculum"))
    with suppress(OSError):  # the settings are in force all the same, and an older word is not believed any more
        content = msgspec.json.format(msgspec.json.encode(change), indent=2)
        write_whole(settings.home.curriculum_change, content + b"\n", mode=MODE)


def last_change(home: Home, raw: dict[str, Any]) -> PlanChange | None:
    """Of the curriculum in `raw`; None if it was never changed by a program, or by other means since."""
    try:
        change = msgspec.json.decode(home.curriculum_change.read_bytes(), type=PlanChange)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return change if change.after == raw.get("curriculum") else None


def undone(change: PlanChange, raw: dict[str, Any]) -> dict[str, Any]:
    """config.json's content without the change."""
    rest = {key: value for key, value in raw.items() if key != "curriculum"}
    return rest if change.before is None else {**rest, "curriculum": change.before}
