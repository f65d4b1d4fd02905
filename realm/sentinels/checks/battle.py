"""What training would resume from: seals and journal."""

from collections.abc import Iterator
from datetime import UTC, datetime

from realm.core.config import ConfigError, load_config
from realm.core.status import StatusError, TrainingStatus, is_locked, read_status
from realm.sentinels.durable import MANIFEST, JournalHole, journal_lines, newest_whole, seals
from realm.sentinels.finding import Finding, fine, note, trouble
from realm.sentinels.patient import Patient

KEPT = 2  # seals
GIB = 2**30
MINUTES_OF_DAY = 1440


def sealed(patient: Patient) -> Iterator[Finding]:
    home = patient.home
    found = seals(home.seals, deep=patient.deep)
    bad, good = [seal for seal in found if seal.problem], [seal for seal in found if not seal.problem]
    for seal in bad:
        yield trouble(
            f"seal {seal.folder.name}: {seal.problem}",
            "training would resume from an older one and the journal",
            "look at the disk (smartctl -a, dmesg); the trainer sets the seal aside at its next start",
        )
    for aside in sorted(home.seals.glob("corrupt-*")):
        yield note(f"a damaged seal was set aside: {aside}", "", f"look at the disk, then rm -r {aside}")
    if good:
        at = datetime.fromtimestamp((good[0].folder / MANIFEST).stat().st_mtime, UTC)
        how = "every byte was read" if patient.deep else "sizes were compared, --deep reads every byte"
        yield fine(f"seal {good[0].folder.name} of {at:%Y-%m-%d %H:%M} UTC is whole ({how})")
        if len(good) < KEPT and not bad and good[0].folder.name.rpartition("-")[2] != "1":
            yield note(
                f"{len(good)} seal is kept instead of {KEPT}", "if it is damaged, the journal alone tells the rest"
            )
    elif not found and _has_trained(patient):
        yield trouble(
            "no seal is there, though something was trained",
            "training would begin anew from the journal",
            f"look for one in {home.vault / 'backups'} before the trainer starts",
        )
    elif not found:
        yield fine("no seal yet: nothing was trained")


def unsealed(patient: Patient) -> Iterator[Finding]:
    """How long training has gone on that only journal and queue hold. A large hero is sealed less often."""
    home = patient.home
    try:
        said = read_status(home.status / TrainingStatus.FILE, TrainingStatus)
        settings = load_config(home.config_file).seals
    except (StatusError, ConfigError):
        return  # told already
    if said is None or said.unsealed_minutes is None or not is_locked(home.locks / "trainer.lock"):
        return
    newest = newest_whole(home.seals)
    budget_minutes = newest.size / (settings.gb_per_day * GIB) * MINUTES_OF_DAY if newest else 0.0
    limit = max(settings.max_unsealed_minutes, 2 * settings.minutes, 2 * budget_minutes)
    if said.state == "working" and said.unsealed_minutes >= limit:
        yield trouble(
            f"training has been unsealed for {said.unsealed_minutes:.0f} minutes, the limit is {limit:.0f}",
            "no seal can be written: the disk is full, or too slow",
            "free space; `realm seal` asks for one at once",
        )


def journal(patient: Patient) -> Iterator[Finding]:
    """Without holes, and reaching back to the newest seal."""
    home = patient.home
    for aside in sorted(home.current_model.glob("journal-hole-*")):
        yield note(
            f"a journal with a hole was set aside: {aside}",
            "decisions after the seal of that time were lost, their quests were trained again",
            f"look at the disk, then rm -r {aside}",
        )
    try:
        lines = journal_lines(home.journal)
    except JournalHole as hole:
        yield trouble(
            f"the journal has a hole: {hole}",
            "decisions after the newest seal cannot be replayed",
            "look at the disk; the next start of the trainer sets the journal aside, and the seal stands alone",
        )
        return
    newest = next((seal.manifest for seal in seals(home.seals) if seal.manifest), None)
    covered = newest.journal_seq if newest else 0
    if lines is None:
        yield fine("no journal yet")
    elif lines.first > covered + 1:
        yield trouble(
            f"the journal begins with line {lines.first}, the newest seal covers lines up to {covered}",
            "the decisions between them are lost",
            f"look for older segments in {home.vault / 'backups'}; else their quests are trained again",
        )
    else:
        behind = max(0, lines.last - covered)
        yield fine(f"the journal is whole up to line {lines.last}, {behind} of them after the newest seal")


def _has_trained(patient: Patient) -> bool:
    return any(patient.home.current_model.glob("checkpoint-*")) or any(patient.home.metrics.glob("trainer*.jsonl"))
