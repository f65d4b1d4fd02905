"""The table of the home, as it lies on the disk."""

import os
import stat
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from realm.core.paths import PLACES, PRIVATE, SHARED, Place
from realm.sentinels.accounts import group_of, owner_of
from realm.sentinels.finding import Finding, fine, note, trouble
from realm.sentinels.mounts import Denial, denial, mount_of
from realm.sentinels.patient import Patient

# Something is renamed from each of these to another one.
CONNECTED = (".staging", "queue", "current_model", "metrics", "vault")


def whole(patient: Patient) -> Iterator[Finding]:
    missing = [place.path for place in patient.home.missing()]
    if missing:
        yield trouble(
            f"{', '.join(missing)}: not there", "no daemon starts in a home that is not whole", "realm migrate"
        )
    else:
        yield fine(f"whole: {len(PLACES)} places, format {patient.home.format_file.read_text().strip()}")


def modes(patient: Patient) -> Iterator[Finding]:
    wrong = [(place, path, mode) for place, path in _folders(patient) if (mode := _mode(path)) != place.mode]
    for place, path, mode in wrong:
        yield _wrong_mode(patient, place, path, mode)
    if not wrong:
        shared = sum(place.mode == SHARED for place in PLACES)
        yield fine(f"modes: as in the table, the setgid bit on all {shared} shared folders")


def groups(patient: Patient) -> Iterator[Finding]:
    """Who may drop a quest is to move it, and to hold training still, too."""
    home = patient.home
    wanted = home.inbox.stat().st_gid
    others = [place.path for place, path in _folders(patient) if place.mode == SHARED and path.stat().st_gid != wanted]
    if others:
        yield note(
            f"inbox belongs to group {group_of(home.inbox)}, {len(others)} other shared folders do not",
            f"people of {group_of(home.inbox)} cannot write to {', '.join(others)}",
            f"cd {home.root}; chgrp {group_of(home.inbox)} {' '.join(others)}",
        )


def access(patient: Patient) -> Iterator[Finding]:
    """Each folder is writable by those of its writers that we are."""
    if not patient.shares_with_us:
        yield _stranger(patient)
        return
    ours = [path for place, path in _folders(patient) if patient.we_write(place)]
    denied = [(path, refusal) for path in ours if (refusal := _refusal(patient, path))]
    for refusal, alike in groupby(denied, key=lambda one: one[1]):
        names = ", ".join(str(path.relative_to(patient.home.root)) for path, _ in alike)
        yield trouble(f"{names}: cannot be written to", *refusal)
    if not denied:
        how = "a file was made and removed in each" if patient.probe else "by their modes; --probe tries it"
        yield fine(f"writable: the {len(ours)} folders of {_us(patient)} ({how})")


def mounts(patient: Patient) -> Iterator[Finding]:
    """What is connected by renames is under one mount; what lies elsewhere is told."""
    there = mount_of(patient.home.staging)
    wanted = (there.id, patient.home.staging.stat().st_dev)
    parted = False
    for place, path in _folders(patient):
        mount = mount_of(path)
        if (mount.id, path.stat().st_dev) == wanted:
            continue
        where = f"{place.path} lies on another file system or mount ({mount.kind} on {mount.point})"
        if place.path.partition("/")[0] in CONNECTED and (patient.we_write(place) or not patient.daemon):
            parted = True
            yield trouble(
                where,
                f"it and .staging ({there.kind} on {there.point}) are connected by renames, which end at a mount",
                f"move {path} back below {patient.home.root}; a larger disk is mounted for the whole home",
            )
        elif "/" not in place.path and not patient.daemon:
            yield fine(f"{where}; nothing is renamed out of it")
    if not parted:
        yield fine(f"all that is connected by renames lies on one mount ({there.kind} on {there.point})")


def _folders(patient: Patient) -> Iterator[tuple[Place, Path]]:
    for place in PLACES:
        path = patient.home.root / place.path
        if place.kind == "folder" and path.is_dir():
            yield place, path


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _wrong_mode(patient: Patient, place: Place, path: Path, mode: int) -> Finding:
    what, mend = f"{place.path} has mode {mode:04o}, the table says {place.mode:04o}", f"chmod {place.mode:o} {path}"
    if place.mode == PRIVATE:
        return trouble(what, "others can read what is in there", mend)
    if place.mode == SHARED:
        group = group_of(patient.home.inbox)
        return trouble(what, f"people of group {group} cannot write there, or what they make leaves the group", mend)
    return note(what, "", mend)


def _stranger(patient: Patient) -> Finding:
    owner, group = owner_of(patient.home.root), group_of(patient.home.inbox)
    return note(
        f"writing was not examined: we are neither {owner}, who runs the daemons, nor of group {group}",
        "",
        f"sudo -u {owner} realm doctor; to drop quests: usermod -aG {group} NAME",
    )


def _us(patient: Patient) -> str:
    return f"the {patient.daemon}" if patient.daemon else "daemons and people" if patient.is_ours else "people"


def _refusal(patient: Patient, folder: Path) -> Denial | None:
    if patient.probe:
        return _tried(folder, patient.home.root)
    is_open = os.access(folder, os.W_OK | os.X_OK, effective_ids=True)
    return None if is_open else denial(folder, patient.home.root)


def _tried(folder: Path, home: Path) -> Denial | None:
    """A dot name is nobody's business but its writer's."""
    file = folder / f".doctor-{os.urandom(8).hex()}"
    try:
        file.touch(exist_ok=False)
        file.unlink()
    except OSError as error:
        return denial(folder, home, error.errno)
    return None
