"""The shelf: which models there are, and which folder a name means.

base            the hero's model folder              latest         the newest checkpoint
step:190000     the newest checkpoint of that step   champion       the crowned checkpoint
checkpoint-190000-20251127-1430                      that one

What is being made has a dot name, and what is being deleted lies in vault/tombstones/: neither has a name here.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from realm.core.checkpoint_ledger import CheckpointLedger, CheckpointRecord, NoSuchCheckpointError, parse_name
from realm.core.config import load_config
from realm.core.crown import DamagedCrown, read_crown
from realm.core.paths import Home

WEIGHTS = "model.safetensors"
NAME = re.compile(r"base|latest|champion|step:(0|[1-9][0-9]{0,17})|checkpoint-[0-9]{1,18}(-[0-9]{8}-[0-9]{4})?")
FORMS = "base, latest, champion, step:N, or a checkpoint's name such as checkpoint-190000-20251127-1430"
BLOCK = 2**20  # bytes


class UnknownModel(LookupError):
    """No model has that name; the text says which there are."""


class DamagedModel(ValueError):
    """A model whose files are not those that were saved."""


class Volume(NamedTuple):
    """A model on the shelf. `name` is its own: that of its checkpoint, or `base`."""

    name: str
    folder: Path
    record: CheckpointRecord | None

    @property
    def weights(self) -> list[Path]:
        return sorted(self.folder.glob("*.safetensors"))

    @property
    def size_bytes(self) -> int:
        """Of its weights. Raises OSError."""
        return sum(file.stat().st_size for file in self.weights)

    @property
    def digest(self) -> str | None:
        """SHA-256 of its weights, where the ledger has it."""
        return self.record.manifest.get(WEIGHTS) if self.record else None

    def check(self, on_read: Callable[[int], object]) -> None:
        """Reads the weights, and tells how many bytes more were read. Raises DamagedModel, OSError."""
        manifest = self.record.manifest if self.record else {}
        saved = [name for name in manifest if name.endswith(".safetensors")]
        lacking = sorted(set(saved) - {file.name for file in self.weights})
        if lacking or not self.weights:
            raise DamagedModel(f"{self.folder} lacks {', '.join(lacking) or 'its weights'}: restore it from a copy")
        for file in self.weights:
            digest = _digest(file, on_read)
            if self.record and digest != manifest.get(file.name):
                raise DamagedModel(f"{file} is not what was saved: restore {self.name} from another copy")


class Shelf:
    """Holds nothing: each question looks at the files as they are."""

    def __init__(self, home: Home):
        self._home = home
        self._ledger = CheckpointLedger(home.current_model)

    def volumes(self) -> Iterator[Volume]:
        """Checkpoints, newest first, then the base. Raises ConfigError."""
        for record in self._ledger.list_all():
            yield Volume(record.canonical_name, self._ledger.path_of(record), record)
        if (base := self._base()).weights:
            yield base

    def find(self, name: str) -> Volume:
        """Raises UnknownModel, DamagedModel, ConfigError."""
        if not NAME.fullmatch(name):
            raise UnknownModel(f"{name[:80]!r} names no model: state {FORMS}")
        if name == "base":
            return self._whole_base()
        record = self._record(name)
        return Volume(record.canonical_name, self._ledger.path_of(record), record)

    def _record(self, name: str) -> CheckpointRecord:
        if name == "champion":
            return self._champion()
        if name == "latest":
            return self._latest()
        if name.startswith("step:"):
            return self._of_step(int(name.removeprefix("step:")))
        found = next((one for one in self._ledger.list_all() if one.canonical_name == name), None)
        if found:
            return found
        if reason := self._ledger.unreadable().get(name):
            raise DamagedModel(f"{name} cannot be loaded: {reason}")
        if (self._home.vault / "tombstones" / name).exists():
            raise UnknownModel(f"{name} is being deleted: it lies in {self._home.vault / 'tombstones'}")
        try:
            step = parse_name(name).step
        except ValueError as error:
            raise UnknownModel(str(error)) from None
        raise UnknownModel(f"there is no {name}: {self._nearest(step)}")

    def _champion(self) -> CheckpointRecord:
        try:
            crown = read_crown(self._home)
        except DamagedCrown as error:
            raise DamagedModel(str(error)) from None
        if crown is None:
            raise UnknownModel("champion: no checkpoint is crowned (`realm champion set`); `latest` is the newest one")
        return self._record(crown.checkpoint)

    def _latest(self) -> CheckpointRecord:
        newest = self._ledger.get_latest()
        if newest is None:
            raise UnknownModel(
                f"latest: {self._home.current_model} has no checkpoint yet; `base` is the untrained hero"
            )
        return newest

    def _of_step(self, step: int) -> CheckpointRecord:
        try:
            return self._ledger.get(step)
        except NoSuchCheckpointError as error:
            raise UnknownModel(str(error)) from None

    def _nearest(self, step: int) -> str:
        try:
            return f"step {step} has {self._ledger.get(step).canonical_name}"
        except NoSuchCheckpointError as error:
            return str(error)

    def _base(self) -> Volume:
        return Volume("base", self._home.models / load_config(self._home.config_file).model_name, None)

    def _whole_base(self) -> Volume:
        base = self._base()
        if not base.weights:
            raise UnknownModel(f"base: {base.folder} has no weights; `realm init` makes the hero")
        return base


def _digest(file: Path, on_read: Callable[[int], object]) -> str:
    digest = hashlib.sha256()
    with file.open("rb", buffering=0) as content:
        while block := content.read(BLOCK):
            digest.update(block)
            on_read(len(block))
    return digest.hexdigest()
