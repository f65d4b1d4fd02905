"""The health inspector: every check on a home, one after the other. Reads only, but for the files of a probe.

A check is a function from a patient to findings; what it cannot look at is a finding, too.
"""

from collections.abc import Callable, Iterator

from realm.core.paths import HomeError
from realm.sentinels.checks import battle, daemons, machine, places, queue, settings, space, units
from realm.sentinels.finding import Finding, failed, of_sentence, trouble, unseen
from realm.sentinels.patient import Patient

Check = Callable[[Patient], Iterator[Finding]]

CHECKS: dict[str, tuple[Check, ...]] = {
    "Home": (places.whole, places.modes, places.groups, places.access, places.mounts, space.disk),
    "Settings": (settings.config, settings.hero),
    "Daemons": (daemons.running, daemons.asked, units.services),
    "Battle": (battle.sealed, battle.unsealed, battle.journal),
    "Queue": (queue.strangers, queue.failed, queue.half_made, queue.history),
    "Machine": (machine.libraries, machine.threads, machine.hints, machine.leases),
}


def inspect(patient: Patient) -> dict[str, list[Finding]]:
    """Findings by group. A home that is none, or of another format, is not looked into."""
    home = patient.home
    try:
        home.check_format()
    except (HomeError, OSError) as error:
        return {"Home": [of_sentence("trouble", str(error))]}
    if not home.format_file.exists():
        return {"Home": [trouble(f"{home.root} is no realm's home", "", "realm init, or name another with --home")]}
    return {
        group: [finding for check in checks for finding in _findings(check, patient)]
        for group, checks in CHECKS.items()
    }


def _findings(check: Check, patient: Patient) -> list[Finding]:
    """What a check cannot look at, and what it was not made for, are findings: the others still tell theirs."""
    try:
        return list(check(patient))
    except FileNotFoundError as error:
        return [] if patient.home.missing() else [unseen(error)]  # what is missing was told already
    except OSError as error:
        return [unseen(error)]
    except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to what is wrong here
        return [failed(check, error)]
