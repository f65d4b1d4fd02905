"""Faults put into the product on purpose, in the struck process alone: a harness must see what it looks for.

REALM_TEST_MUTATION names one.
"""

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from realm.arena import fight
from realm.arena.battle import journal
from realm.core import control, files, quests

VARIABLE = "REALM_TEST_MUTATION"


def content_after_its_name() -> None:
    def write_pieces(path: Path, pieces: Iterable[bytes], *, mode: int = 0o644) -> None:
        with path.open("wb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())

    files.write_pieces = write_pieces


def copy_in_place_of_rename() -> None:
    def rename_new(origin: Path, final: Path) -> None:
        shutil.copytree(origin, final)
        shutil.rmtree(origin)

    quests.rename_new = rename_new


def no_rename() -> None:
    quests.rename_new = lambda origin, final: None


def order_cleared_before_its_answer() -> None:
    real = control.Control._finish

    def finish(self: control.Control, order: control.Order, **outcome: Any) -> None:
        order.path.unlink()
        real(self, order, **outcome)

    control.Control._finish = finish  # type: ignore[method-assign]


def verdict_after_the_rename() -> None:
    def end(self: quests.QuestQueue, name: str, state: quests.Ended, verdict: str, content: bytes) -> Path:
        final = self._bring(name, ("processing",), state)
        files.write_whole(final / verdict, content)
        return final

    quests.QuestQueue._end = end  # type: ignore[method-assign]


def failed_sync_passed_over() -> None:
    real = files._fsync

    def fsync(path: Path, flags: int = 0) -> None:
        try:
            real(path, flags)
        except OSError:
            return

    files._fsync = fsync


def no_sync_of_folders() -> None:
    quests.fsync_directory = lambda path: None


def numbers_forgotten_with_their_lines() -> None:
    real = journal.Journal.forget

    def forget(self: journal.Journal, seq: int) -> None:
        real(self, seq)
        self.last_seq = self.lines[-1].seq if self.lines else 0

    journal.Journal.forget = forget  # type: ignore[method-assign]


def flag_lowered_before_its_line() -> None:
    real = fight.Fight.decide

    def decide(self: fight.Fight, kind: str, **data: Any) -> None:
        if "flag" in data:
            (self._board.queue.home.control / f".{kind}").unlink()
        real(self, kind, **data)

    fight.Fight.decide = decide  # type: ignore[method-assign]


MUTATIONS: dict[str, Callable[[], None]] = {
    mutation.__name__: mutation
    for mutation in (
        content_after_its_name,
        copy_in_place_of_rename,
        no_rename,
        order_cleared_before_its_answer,
        verdict_after_the_rename,
        failed_sync_passed_over,
        no_sync_of_folders,
        numbers_forgotten_with_their_lines,
        flag_lowered_before_its_line,
    )
}


def install() -> None:
    if name := os.environ.get(VARIABLE):
        MUTATIONS[name]()
