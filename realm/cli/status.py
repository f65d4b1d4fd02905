"""realm status: one screen, or one JSON object."""

from datetime import UTC, datetime

import click
from msgspec import to_builtins

from realm.cli.failures import one_sentence
from realm.cli.status_report import Reporter
from realm.cli.terminal import echo_json, echo_lines
from realm.core.paths import Home, HomeError
from realm.core.paths import home as chosen_home


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object with everything.")
def status(as_json: bool) -> None:
    """What the realm is doing now. Ends with status 0 also when daemons are down."""
    home = Home(chosen_home())
    with one_sentence(HomeError):
        report = Reporter(home).report(datetime.now(UTC))
    if as_json:
        echo_json({**to_builtins(report), "level": report.level, "xp": report.step})
        return
    from realm.cli.status_view import view  # --json has no use for it

    echo_lines(view(report))
