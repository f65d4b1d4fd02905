"""The daemons: do they run, what did they say last, how did they end, and what do people ask of them."""

import errno
import os
from collections.abc import Iterator

from realm import __version__
from realm.core.control import LEVELS, Control
from realm.core.starts import Starts
from realm.core.status import Freshness, Status, StatusError, TrainingStatus, freshness, is_locked, read_status
from realm.sentinels.finding import Finding, fine, note, trouble
from realm.sentinels.patient import Patient

STATUS_FILES = {"trainer": TrainingStatus.FILE}  # of the others: <daemon>.json
MANY_ENDS = 3  # unclean ones in a row: it waits before each start
DENIALS = (os.strerror(errno.EROFS), os.strerror(errno.EPERM))


def running(patient: Patient) -> Iterator[Finding]:
    for daemon in patient.daemons:
        try:
            said = read_status(patient.home.status / STATUS_FILES.get(daemon, f"{daemon}.json"), Status)
        except StatusError as error:
            yield note(str(error))
            said = None
        starts = Starts(daemon, patient.home.locks)
        alive = is_locked(patient.home.locks / f"{daemon}.lock")
        if alive and said:
            yield from _alive(patient, daemon, said, starts.unclean_ends - 1)
        elif alive:
            yield note(f"{daemon} runs and has said nothing yet")
        else:
            yield _down(daemon, said, starts.unclean_ends)
        if starts.problem:
            yield note(f"{daemon}: {starts.problem}", "its unclean ends are counted from zero")


def asked(patient: Patient) -> Iterator[Finding]:
    """What holds training still is somebody's wish; who wonders why nothing moves is told."""
    control = Control(patient.home)
    for flag in filter(None, map(control.flag, LEVELS)):
        reason = f": {flag.reason}" if flag.reason else ""
        yield note(f".{flag.name} holds training still{reason}", "a person placed it", "realm resume")
    for hold in control.holds():
        yield note(f"a hold of {hold.daemon} holds training still: {hold.reason}", "it lifts it itself")


def _alive(patient: Patient, daemon: str, said: Status, earlier_ends: int) -> Iterator[Finding]:
    fresh = freshness(said, patient.now, lock_held=True)
    if fresh.progressing:
        yield fine(f"{daemon} runs: {said.state}, {said.phase}, heard {fresh.age_s:.0f} s ago")
    else:
        yield _stuck(patient, daemon, said, fresh)
    if earlier_ends >= MANY_ENDS:
        yield note(f"{daemon} runs; unclean ends in a row before this start: {earlier_ends}", "", _look_at_log(daemon))
    if said.writer.version != __version__:
        yield note(
            f"{daemon} runs as realm {said.writer.version}, installed is {__version__}",
            "it began before the upgrade",
            "end it and start it again; it goes on where it stands",
        )
    for problem in said.problems:
        yield note(f"{daemon}: {problem}", "", _unit_mend(daemon) if any(one in problem for one in DENIALS) else "")
    if said.failed_writes:
        yield note(f"{daemon}: {said.failed_writes} status documents could not be written")


def _stuck(patient: Patient, daemon: str, said: Status, fresh: Freshness) -> Finding:
    if fresh.age_s < 0:
        return note(
            f"{daemon}: its last word is {-fresh.age_s:.0f} s in the future",
            "the clock was set back: nothing can be said about its age",
            "timedatectl; it mends itself when the time has come",
        )
    if fresh.age_s > 3 * said.interval_s:
        return trouble(
            f"{daemon} holds its lock and has said nothing for {fresh.age_s:.0f} s (it promised every"
            f" {said.interval_s:g} s)",
            f"it is stopped, waits for a dead disk, or cannot write into {patient.home.status}",
            f"ps -o stat,wchan -p {said.writer.pid}; {_look_at_log(daemon)}",
        )
    lasted = (said.heartbeat_at - said.ticked_at).total_seconds()
    return trouble(
        f"{daemon} hangs: this {said.phase} has lasted {lasted:.0f} s, its limit is {said.phase_limit_s:.0f} s",
        "its work loop does not come back",
        f"systemd's watchdog ends it; without systemd: kill -ABRT {said.writer.pid} leaves its stacks in the log, then"
        f" `realm run {daemon}`",
    )


def _down(daemon: str, said: Status | None, unclean_ends: int) -> Finding:
    start = f"realm run {daemon}, or realm up; as a service: systemctl start realm-{daemon}"
    if unclean_ends:
        return trouble(
            f"{daemon} is down; unclean ends in a row: {unclean_ends}",
            "a kill, a crash, or a power cut",
            f"{_look_at_log(daemon)}. It recovers: {start}",
        )
    if said is None:
        return note(f"{daemon} has not run here yet", "", start)
    return note(f"{daemon} is down; it ended cleanly at {said.heartbeat_at:%Y-%m-%d %H:%M} UTC", "", start)


def _look_at_log(daemon: str) -> str:
    return f"journalctl -u realm-{daemon}, or logs/{daemon}.log, says why"


def _unit_mend(daemon: str) -> str:
    return f"systemctl cat realm-{daemon} | grep -E 'ReadOnlyPaths|ReadWritePaths|ProtectSystem|SystemCallFilter'"
