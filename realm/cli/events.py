"""realm events: what happened, told by all daemons, newest last."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import click
import orjson
from msgspec import to_builtins

from realm.cli import figures
from realm.cli.failures import complete_home, one_sentence
from realm.cli.terminal import icon, padded, printable, wrapped
from realm.core.events import KINDS, Event, events_after, tail
from realm.core.jsonl import Position, end_of

POLL = 0.5  # seconds between two looks for new events
AGO = 10  # cells of "59 m ago"
UTC_TIME = 20  # cells of 2025-11-27T14:30:00Z
LONGEST_KIND = max(map(len, KINDS))


@click.command()
@click.option("-n", "count", type=click.IntRange(min=0), default=20, show_default=True, help="The newest so many.")
@click.option("--follow", is_flag=True, help="Go on with new ones until Ctrl-C; times are absolute then.")
@click.option("--utc", is_flag=True, help="Absolute times.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on each line.")
def events(count: int, follow: bool, utc: bool, as_json: bool) -> None:
    """What happened, told by all daemons, newest last."""
    folder = complete_home().events
    teller = Teller(absolute=utc or follow, as_json=as_json)
    with one_sentence():
        positions = {path: end_of(path) for path in event_files(folder)}
        newest = tail(positions, count)
        teller.tell(newest)
        if follow:
            _follow(folder, positions, {event.id for event in newest}, teller)
    if not newest and not follow and not as_json:
        click.echo("nothing has happened here yet")


class Teller:
    """Prints events."""

    def __init__(self, *, absolute: bool, as_json: bool):
        self._absolute = absolute
        self._as_json = as_json

    def tell(self, events: Iterable[Event]) -> None:
        now = datetime.now(UTC)
        for event in events:
            click.echo(orjson.dumps(to_builtins(event)) if self._as_json else self._line(event, now))

    def _line(self, event: Event, now: datetime) -> str:
        """Time, icon, kind, text. The text is wrapped below itself."""
        width = UTC_TIME if self._absolute else AGO
        when = figures.utc(event.at) if self._absolute else figures.since(event.at, now)
        begin = width + 2
        kind = padded(printable(event.kind), LONGEST_KIND)
        text = wrapped(printable(event.text), begin + 3 + LONGEST_KIND + 2)
        when = click.style(padded(when, width, ">"), dim=True)
        return f"{when}  {icon(sign_of(event), begin + 4)}{click.style(kind, dim=True)}  {text}"


def sign_of(event: Event) -> str:
    """The icon of its kind; later versions may tell of kinds that we do not know."""
    return KINDS[event.kind].icon if event.kind in KINDS else "·"


def event_files(folder: Path) -> list[Path]:
    """Each daemon's newest file; older ones have a number between name and suffix."""
    daemons = sorted({file.name.partition(".")[0] for file in folder.glob("*.jsonl")} - {""})
    return [folder / f"{daemon}.jsonl" for daemon in daemons]


def _follow(folder: Path, positions: dict[Path, Position], told: set[str], teller: Teller) -> None:
    try:
        while True:
            teller.tell(news(folder, positions, told))
            time.sleep(POLL)
    except KeyboardInterrupt:
        return


def news(folder: Path, positions: dict[Path, Position], told: set[str]) -> list[Event]:
    """What was recorded behind `positions`, which move on. `told` are ids that were read beyond them already."""
    found: list[Event] = []
    for path in event_files(folder):
        new, positions[path] = events_after(path, positions.get(path))
        found += [event for event in new if event.id not in told]
    return sorted(found, key=lambda event: event.at)
