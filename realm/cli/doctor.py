"""realm doctor: what is wrong, why, and how to mend it."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import click
from msgspec import to_builtins

from realm import __version__
from realm.cli.run import DAEMONS
from realm.cli.terminal import echo_json, echo_lines, printable, wrapped
from realm.core.paths import Home
from realm.core.paths import home as chosen_home
from realm.sentinels.audit import audit
from realm.sentinels.finding import Finding, Severity
from realm.sentinels.health_inspector import inspect
from realm.sentinels.patient import Patient

INDENT = 4  # cells before a finding's words
LABEL = 6  # cells of "mend  "
SIGNS: dict[Severity, tuple[str, str, str]] = {  # sign, the same in ASCII, colour
    "fine": ("✓", "+", "green"),
    "note": ("!", "!", "yellow"),
    "trouble": ("✗", "x", "red"),
}


@click.command()
@click.option("--audit", "with_audit", is_flag=True, help="Account for every quest, step and seal there ever was.")
@click.option("--deep", is_flag=True, help="Read every byte that has a digest (seals; --audit: quests, checkpoints).")
@click.option("--probe", is_flag=True, help="Make and remove a dot-named file in every folder that we should write to.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object with every finding.")
def doctor(with_audit: bool, deep: bool, probe: bool, as_json: bool) -> None:
    """What is wrong with the realm, why, and how to mend it. Changes nothing.

    Exit status: 0 all is well, 1 something needs a person (a line with ✗). A line with ! is worth knowing; the realm
    goes on.
    """
    home = Home(chosen_home())
    findings = inspect(Patient(home, tuple(DAEMONS), datetime.now(UTC), deep=deep, probe=probe))
    if with_audit and "Queue" in findings:  # it is a home
        findings |= audit(home, deep=deep)
    troubles = sum(one.severity == "trouble" for group in findings.values() for one in group)
    if as_json:
        flat = [{"group": group, **to_builtins(one)} for group, found in findings.items() for one in found]
        echo_json({"home": str(home.root), "version": __version__, "needs_a_person": troubles, "findings": flat})
    else:
        echo_lines(_view(home, findings, troubles))
    sys.exit(1 if troubles else 0)


def _view(home: Home, findings: dict[str, list[Finding]], troubles: int) -> Iterator[str]:
    yield f"{click.style(printable(str(home.root)), bold=True)}  {click.style(f'realm {__version__}', dim=True)}"
    for group, found in findings.items():
        yield ""
        yield click.style(group, bold=True)
        for one in found:
            yield from _lines(one)
    notes = sum(one.severity == "note" for found in findings.values() for one in found)
    yield ""
    yield _sum(troubles, notes)


def _lines(finding: Finding) -> Iterator[str]:
    sign, in_ascii, colour = SIGNS[finding.severity]
    shown = click.style(sign if _has_signs() else in_ascii, fg=colour, bold=True)
    what = wrapped(printable(finding.what), INDENT)
    yield f"  {shown} {what if finding.severity == 'fine' else click.style(what, fg=colour)}"
    for label, text in (("why", finding.why), ("mend", finding.how_to_mend)):
        if text:
            body = wrapped(printable(text), INDENT + LABEL)
            yield f"{' ' * INDENT}{click.style(label.ljust(LABEL), dim=True)}{body}"


def _sum(troubles: int, notes: int) -> str:
    known = f"; {notes} {'is' if notes == 1 else 'are'} worth knowing" if notes else ""
    if troubles:
        return click.style(f"{troubles} {'needs' if troubles == 1 else 'need'} a person{known}", fg="red", bold=True)
    return click.style(f"all is well{known}", fg="green", bold=True)


def _has_signs() -> bool:
    try:
        "".join(sign for sign, _, _ in SIGNS.values()).encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
