"""What the trainer validates on: the owner's own.jsonl if there is one, else lines held out of the quest."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from realm.arena.battle.chat import ChatTokenizer
from realm.arena.battle.holdout import VALIDATION_EXAMPLES, holdout_rule, validation_examples
from realm.arena.battle.specs import BadLine, DatasetSpec, recognise_first
from realm.arena.battle.stream import WINDOW_BYTES, Cursor, Step, Window, cut_passes, windows
from realm.core.config import Training


@dataclass(frozen=True)
class Battle:
    """What is trained while it is validated."""

    quest: Path
    spec: DatasetSpec
    chat: ChatTokenizer
    training: Training


class Validation:
    """`passes` are empty where there is nothing to validate on; `problem` says what a person must mend first."""

    def __init__(self, own: Path, tell: Callable[[str], None]):
        """`tell` hears each new problem."""
        self.passes: Step = ()
        self.problem: str | None = None
        self._own = own
        self._tell = tell
        self._battle: Battle | None = None
        self._seen: object = None

    def begin(self, battle: Battle) -> None:
        """From now on the examples are of this battle's shape."""
        self._battle = battle
        self._read()

    def look(self) -> None:
        """Reads own.jsonl again if it has changed."""
        if self._battle and _stamp(self._own) != self._seen:
            self._read()

    def _read(self) -> None:
        """Nothing that a person may have written into own.jsonl stops the battle."""
        self._seen = _stamp(self._own)
        told = self.problem
        self.passes, self.problem = (), None
        assert self._battle
        if not self._battle.training.eval_steps:
            return
        try:
            self.passes = self._held_out(self._battle) if self._seen is None else self._owners(self._battle)
        except BadLine as error:
            source = self._battle.quest if self._seen is None else self._own
            self.problem = f"no validation: {source}: {error}"
        except OSError as error:
            if self._seen is not None:  # else it is the quest's: its battle is over, or breaks off by itself
                self.problem = f"no validation: {self._own}: {error.strerror}"
        if self.problem and self.problem != told:
            self._tell(self.problem)

    def _owners(self, battle: Battle) -> Step:
        window = _head(self._own)
        spec = recognise_first(window.lines)
        examples = validation_examples([window], lambda line: True, battle.chat, spec, battle.training)
        if not examples:
            mend = "shorten some of them"
            raise BadLine(f"every line is longer than max_length ({battle.training.max_length} tokens)", mend)
        return cut_passes(examples, battle.training.tokens_per_pass, packed=battle.training.packed)

    def _held_out(self, battle: Battle) -> Step:
        rule = holdout_rule(battle.training.holdout)
        whole = windows(battle.quest, Cursor(claim=0))
        examples = validation_examples(whole, rule, battle.chat, battle.spec, battle.training)
        return cut_passes(examples, battle.training.tokens_per_pass, packed=battle.training.packed)


def _head(file: Path) -> Window:
    """The first lines, as many as are validated on, and no more bytes than a window holds. Raises BadLine, OSError."""
    if not file.is_file():
        raise BadLine("it is no regular file", "put a .jsonl file there")
    with file.open("rb") as opened:
        content = opened.read(WINDOW_BYTES)
        if opened.read(1):
            content = content[: content.rfind(b"\n") + 1]
            if not content:
                raise BadLine(f"its first line is longer than {WINDOW_BYTES:,} bytes", "write one example per line")
    return Window(Cursor(claim=0), tuple(content.split(b"\n")[:VALIDATION_EXAMPLES]))


def _stamp(file: Path) -> tuple[int, int, int] | None:
    """Another one after every change; None if there is no such file, not even one that cannot be read."""
    try:
        found = file.stat()
    except OSError:
        return (0, 0, 0) if os.path.lexists(file) else None
    return found.st_ino, found.st_mtime_ns, found.st_size
