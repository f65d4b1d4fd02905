"""watchtower: the daemon that draws the curves and looks after the realm.

NAME      realm run watchtower
READS     metrics/trainer.jsonl and its rotated parts; of the whole home what `realm doctor` reads
WRITES    metrics/pyramid/, status/watchtower.json, events/watchtower.jsonl
SIGNALS   TERM, INT: ends between two blocks of rows; a second one: the end at once
STATES    starting, idle, working (takes in rows), waiting (problems says for what), stopping, ended
LOG LINES ready, rebuild, wait, status, and those of every daemon
RECOVERY  from the index of the pyramid; where it and the files or the rows do not fit, all is built anew from the rows
PORT      8081 on loopback: see realm/watchtower/api.py
"""

import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from realm.core.daemon import Frame
from realm.core.events import EventLog
from realm.core.listener import Listener
from realm.core.loopback import LoopbackServer
from realm.core.paths import DAEMONS, Home, HomeError
from realm.core.paths import home as chosen_home
from realm.core.status import HealthFinding, WatchtowerStatus, write_status
from realm.sentinels.health_inspector import inspect
from realm.sentinels.patient import Patient
from realm.watchtower.api import WatchtowerApi
from realm.watchtower.pyramid_files import MOST_AHEAD
from realm.watchtower.pyramid_keeper import PyramidKeeper

NAME = "watchtower"
PORT = 8081
INTERVAL = 5.0  # seconds between status documents
POLL = 2.0  # seconds between two looks at the rows
INSPECTION = 30.0  # seconds between two inspections


class Watchtower:
    """`turn` is one look at the world."""

    def __init__(self, home: Home, frame: Frame, port: int):
        self.home, self.frame = home, frame
        self.events = EventLog(home.events, NAME)
        self.pyramid = PyramidKeeper(home, lambda reason: frame.log("rebuild", reason=reason))
        self.findings: list[HealthFinding] = []
        self.checked_at: datetime | None = None
        self.inspection_due = 0.0  # monotonic
        self.listener = Listener(lambda: LoopbackServer(WatchtowerApi(home).app, port, frame.log))
        self.problems: dict[str, str] = {}  # what is short or wrong, by whose business it is
        self.state = "starting"
        self.unwritten = ""  # why the status could not be written

    def run(self) -> None:
        self.frame.ready("keeps the curves and looks after the realm")
        self.events.emit("daemon.started", "the watchtower keeps the curves")
        with self.listener, closing(self.pyramid):
            while not self.frame.stopping.is_set():
                self.frame.tick("step")
                self.listener.look()
                self._note("port", self.listener.problem)
                if not self.turn():
                    self.frame.wait(POLL)
            self.state = "stopping"
        self.state = "ended"
        self.events.emit("daemon.ended", "the watchtower ended as it was told")
        self.show(self.frame)

    def turn(self) -> bool:
        """True if more rows wait."""
        has_more = self._take_rows()
        if time.monotonic() >= self.inspection_due:
            self._inspect()
            self.inspection_due = time.monotonic() + INSPECTION
        self.state = "working" if has_more else "waiting" if self.problems else "idle"
        return has_more

    def _take_rows(self) -> bool:
        try:
            has_more = self.pyramid.look()
        except OSError as error:
            self._note("pyramid", f"the curves wait: {error}")
            return False
        self._note("pyramid", None)
        step = self.pyramid.left_out
        too_far = f"the row of step {step:,} is left out: it is {MOST_AHEAD:,} steps ahead or more" if step else None
        self._note("rows", too_far)
        return has_more

    def _inspect(self) -> None:
        self.findings = list(findings(self.home))
        self.checked_at = datetime.now(UTC)
        try:
            self.pyramid.look_at_marks()
        except OSError as error:
            self._note("marks", f"the marks of the curves wait: {error}")
        else:
            self._note("marks", None)

    def _note(self, business: str, problem: str | None) -> None:
        """Once when it begins, and once when it is over."""
        if problem and not self.problems.get(business):
            self.frame.log("wait", reason=problem)
        if problem:
            self.problems[business] = problem
        else:
            self.problems.pop(business, None)

    def show(self, frame: Frame) -> None:
        """In the heartbeat's thread, too."""
        index = self.pyramid.index
        document = WatchtowerStatus(
            **frame.header(self.state, list(self.problems.values())),
            findings=self.findings,
            checked_at=self.checked_at,
            pyramid_steps=index.last_step,
            pyramid_rows=index.rows,
            pyramid_progress=self.pyramid.share,
        )
        troubles = sum(one.severity == "trouble" for one in self.findings)
        frame.status(f"{self.state}, curves up to step {index.last_step:,}, {troubles} findings need a person")
        if (problem := write_status(self.home.status, document)) and problem != self.unwritten:
            frame.log("status", problem=problem)
            self.unwritten = problem


def findings(home: Home) -> Iterator[HealthFinding]:
    """What `realm doctor` finds, of the daemons that ever ran here."""
    daemons = tuple(name for name in DAEMONS if (home.locks / f"{name}.lock").exists())
    for group, found in inspect(Patient(home, daemons, datetime.now(UTC))).items():
        for one in found:
            yield HealthFinding(one.severity, group, one.what, one.why, one.how_to_mend)


def main(home: Path, port: int = PORT) -> None:
    """Raises SystemExit: with a sentence if the home is not one, with 75 if another watchtower runs there."""
    realm_home = Home(home)
    try:
        realm_home.check_whole()
    except HomeError as error:
        raise SystemExit(str(error)) from None
    watchtower: Watchtower | None = None

    def show(frame: Frame) -> None:
        if watchtower:
            watchtower.show(frame)

    with Frame(NAME, realm_home.locks, interval_s=INTERVAL, on_heartbeat=show) as frame:
        frame.tick("load")
        realm_home.sweep()
        watchtower = Watchtower(realm_home, frame, port)
        watchtower.run()


if __name__ == "__main__":
    main(chosen_home())
