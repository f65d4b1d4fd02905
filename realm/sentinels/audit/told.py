"""What the events tell: which drops were let in and turned away. Each of them must have come to something."""

from dataclasses import dataclass, field
from pathlib import Path

from msgspec import Struct

from realm.sentinels.audit.lines import Lines, generations


class Subject(Struct, frozen=True, gc=False):
    quest: str | None = None


class Event(Struct, frozen=True, gc=False):
    id: str
    kind: str
    data: Subject = Subject()


@dataclass
class Told:
    admitted: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    repeated: list[str] = field(default_factory=list)  # FILE: event ID


def read_events(folder: Path, lines: Lines) -> Told:
    told = Told()
    for files in generations(folder).values():
        earlier: set[str] = set()  # an event is not told again while the newest two files hold it
        for file in files:
            ids: set[str] = set()
            for event in lines.of(file, Event):
                if event.id in ids or event.id in earlier:
                    told.repeated.append(f"{file}: event {event.id}")
                ids.add(event.id)
                if event.data.quest and event.kind in ("quest.admitted", "quest.refused"):
                    (told.admitted if event.kind == "quest.admitted" else told.refused).add(event.data.quest)
            earlier = ids
    return told
