"""A disk as the power leaves it: which states a file system may show after a cut, given what was done to it.

The manner is ALICE's (Pillai et al., "All File Systems Are Not Created Equal: On the Complexity of Crafting
Crash-Consistent Applications", OSDI 2014); the rules promise no more than ext4, xfs and btrfs keep in practice:

- fsync or fdatasync of a file makes its bytes and its size durable, not its name. fsync of a folder makes the names in
  it durable, not what they name.
- Bytes not synced are on the disk as if the writes had stopped at any of them; or with the new size and old bytes
  (zeros, where there were none); or torn: of the changed sectors (512 bytes), or pages (4096), only the first or the
  last is there, or all but that one. A sector is never torn.
- Names not synced are on the disk in any selection: a create, unlink or rename may be there without those before and
  after it, in the same folder or in another. A rename is there as a whole or not at all, and durable with either of its
  folders. Only what changes the same name again needs the change before.
- A mode not synced is the old or the new one.

Left out: bytes of other files where none were written (data=writeback, old xfs), sectors that rot, a disk that
acknowledges a flush it has not done, inode numbers and times, links, holes, a full disk when work begins again.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress, product
from math import prod
from pathlib import Path
from stat import S_IMODE

MOST_TOGETHER = 10  # names not synced of which every selection is tried; beyond, a sample
SAMPLED_NAMES = 100  # random selections, beside none, all, every beginning, each alone and all but each
MOST_COMBINED = 64  # combinations of what files may hold that are all tried; beyond, a sample
SAMPLED_COMBINED = 24  # random combinations, beside each file's every content among durable and among present others
SECTOR, PAGE = 512, 4096
UMASK = 0o022  # of those who write
FOLDER_MODE, FILE_MODE = 0o777 & ~UMASK, 0o666 & ~UMASK

ROOT = 0

Held = tuple[int, bytes | None]  # mode, content; None: a folder
State = tuple[tuple[str, Held], ...]  # by path below the root, parents first
Entry = tuple[int, str]  # number of a folder, name


@dataclass(frozen=True)
class Change:
    """Bytes put at an offset; or, without bytes, a size given."""

    offset: int
    content: bytes | None = None

    def applied(self, before: bytes) -> bytes:
        start = before[: self.offset].ljust(self.offset, b"\0")
        return start if self.content is None else start + self.content + before[len(start + self.content) :]


@dataclass
class File:
    mode: int
    durable_mode: int
    durable: bytes = b""
    now: bytes = b""
    pending: list[Change] = field(default_factory=list)

    def change(self, change: Change) -> None:
        self.now = change.applied(self.now)
        self.pending.append(change)

    def sync(self) -> None:
        self.durable, self.durable_mode, self.pending = self.now, self.mode, []

    def after_a_cut(self) -> list[Held]:
        """The durable content first, the present one last."""
        stopped = [self.durable]
        for change in self.pending:
            stopped.append(change.applied(stopped[-1]))
        unwritten = self.durable[: len(self.now)].ljust(len(self.now), b"\0")
        torn = [part for unit in (SECTOR, PAGE) for part in _torn(unwritten, self.now, unit)]
        others = [(self.mode, content) for content in (unwritten, *torn, *stopped)]
        durable, present = (self.durable_mode, self.durable), (self.mode, self.now)
        return list(dict.fromkeys([durable, *(held for held in others if held != present), present]))


@dataclass
class Folder:
    mode: int
    durable_mode: int
    durable: dict[str, int] = field(default_factory=dict)  # name -> number of a node
    now: dict[str, int] = field(default_factory=dict)

    def sync(self) -> None:
        """Of itself; its names are the disk's to sync."""
        self.durable_mode = self.mode

    def after_a_cut(self) -> list[Held]:
        return [(mode, None) for mode in dict.fromkeys((self.durable_mode, self.mode))]


@dataclass(frozen=True)
class Naming:
    """What one call does to names: the number of the node that each entry names from then on; None: nothing."""

    effects: tuple[tuple[Entry, int | None], ...]

    @property
    def entries(self) -> set[Entry]:
        return {entry for entry, _ in self.effects}


class Disk:
    """Nodes by number, and the namings that are not durable, oldest first."""

    def __init__(self) -> None:
        self.nodes: dict[int, File | Folder] = {ROOT: Folder(FOLDER_MODE, FOLDER_MODE)}
        self.namings: list[Naming] = []

    @classmethod
    def of(cls, root: Path) -> "Disk":
        """A folder as it lies there, all of it durable."""
        disk = cls()
        for path in sorted(root.rglob("*")):
            name, mode = path.relative_to(root).as_posix(), S_IMODE(path.stat().st_mode)
            if path.is_dir():
                disk.make(name, Folder(mode, mode))
            else:
                file = File(mode, mode)
                file.change(Change(0, path.read_bytes()))
                disk.make(name, file)
        for number in disk.nodes:
            disk.sync(number)
        return disk

    # What calls do

    def find(self, path: str) -> int | None:
        """The node at a path below the root."""
        number: int | None = ROOT
        for name in Path(path).parts:
            folder = self.nodes[number] if number is not None else None
            number = folder.now.get(name) if isinstance(folder, Folder) else None
        return number

    def file(self, path: str) -> File:
        node = self.nodes[self._number(path)]
        assert isinstance(node, File), path
        return node

    def make(self, path: str, node: File | Folder) -> None:
        number = len(self.nodes)
        self.nodes[number] = node
        self._name({path: number})

    def remove(self, path: str) -> None:
        self._name({path: None})

    def rename(self, origin: str, target: str) -> None:
        self._name({target: self._number(origin), origin: None})

    def sync(self, number: int) -> None:
        """A file's bytes, or a folder's names."""
        self.nodes[number].sync()
        touching = [naming for naming in self.namings if any(folder == number for folder, _ in naming.entries)]
        durable = self._with_needed(touching)
        for naming in durable:
            for (folder, name), target in naming.effects:
                _set(self._names_of(folder, "durable"), name, target)
        self.namings = [naming for naming in self.namings if naming not in durable]

    def _name(self, names: dict[str, int | None]) -> None:
        effects = []
        for path, target in names.items():
            parent = self._number(str(Path(path).parent))
            _set(self._names_of(parent, "now"), Path(path).name, target)
            effects.append(((parent, Path(path).name), target))
        self.namings.append(Naming(tuple(effects)))

    def _names_of(self, number: int, which: str) -> dict[str, int]:
        names: dict[str, int] = getattr(self.nodes[number], which)
        return names

    def _number(self, path: str) -> int:
        number = self.find(path)
        assert number is not None, f"{path} is not on the disk"
        return number

    def _with_needed(self, namings: Iterable[Naming]) -> list[Naming]:
        """Oldest first, with every earlier one of the same entries."""
        chosen = set(map(id, namings))
        for index in range(len(self.namings) - 1, -1, -1):
            if id(self.namings[index]) in chosen:
                entries = self.namings[index].entries
                chosen |= {id(one) for one in self.namings[:index] if one.entries & entries}
        return [naming for naming in self.namings if id(naming) in chosen]

    # What a cut leaves

    def now(self) -> State:
        """Everything as a reader sees it before the cut, and after a mere kill."""
        paths = self._reachable([], "now")
        return _state(paths, {number: self.nodes[number].after_a_cut()[-1] for number in paths.values()})

    def after_a_cut(self, chance: random.Random) -> Iterator[State]:
        """States that the power may leave; some of them more than once."""
        for chosen in self._selections(chance):
            paths = self._reachable(chosen, "durable")
            variants = {number: self.nodes[number].after_a_cut() for number in paths.values()}
            settled = {number: held[0] for number, held in variants.items()}
            unsettled = {number: held for number, held in variants.items() if len(held) > 1}
            for combination in _combinations(list(unsettled.values()), chance):
                yield _state(paths, settled | dict(zip(unsettled, combination, strict=True)))

    def _selections(self, chance: random.Random) -> Iterator[list[Naming]]:
        """Of the namings, each with what it needs."""
        pending = self.namings
        if len(pending) <= MOST_TOGETHER:
            wishes = [list(compress(pending, bits)) for bits in product((False, True), repeat=len(pending))]
        else:
            beginnings = [pending[:end] for end in range(len(pending) + 1)]
            all_but_each = [[one for one in pending if not one.entries & left.entries] for left in pending]
            random_ones = [[one for one in pending if chance.random() < 0.5] for _ in range(SAMPLED_NAMES)]
            wishes = [*beginnings, *([one] for one in pending), *all_but_each, *random_ones]
        tried = set()
        for wish in wishes:
            selection = self._with_needed(wish)
            key = tuple(map(id, selection))
            if key not in tried:
                tried.add(key)
                yield selection

    def _reachable(self, chosen: Sequence[Naming], which: str) -> dict[str, int]:
        """Path -> number, parents first, with the chosen namings done."""
        changed = {entry: target for naming in chosen for entry, target in naming.effects}
        found = {"": ROOT}
        rest = [("", ROOT)]
        while rest:
            path, number = rest.pop()
            if isinstance(self.nodes[number], File):
                continue
            names: dict[str, int | None] = dict(self._names_of(number, which))
            names |= {name: target for (folder, name), target in changed.items() if folder == number}
            inner = [(f"{path}/{name}".lstrip("/"), target) for name, target in names.items() if target is not None]
            found.update(inner)
            rest += inner
        return found


def lay(state: State, root: Path) -> None:
    """A state as real files, under UMASK."""
    for path, (mode, content) in state:
        place = root / path
        if content is None:
            place.mkdir()
            place.chmod(mode)  # mkdir(2) obeys the umask, and may inherit a setgid bit
        else:
            place.write_bytes(content)
            if mode != FILE_MODE:
                place.chmod(mode)


def _state(paths: dict[str, int], held: dict[int, Held]) -> State:
    return tuple((path, held[number]) for path, number in sorted(paths.items()))


def _set(names: dict[str, int], name: str, target: int | None) -> None:
    if target is None:
        names.pop(name, None)
    else:
        names[name] = target


def _torn(before: bytes, after: bytes, unit: int) -> Iterator[bytes]:
    """Of what is to be changed, only the first or the last unit; all but the first, or the last. Equal lengths."""
    starts = [
        start for start in range(0, len(after), unit) if before[start : start + unit] != after[start : start + unit]
    ]
    if len(starts) > 1:
        for there in (starts[:1], starts[-1:], starts[1:], starts[:-1]):
            whole = bytearray(before)
            for start in there:
                whole[start : start + unit] = after[start : start + unit]
            yield bytes(whole)


def _combinations(variants: list[list[Held]], chance: random.Random) -> Iterator[Sequence[Held]]:
    """One of each; the durable ones are first, the present ones last."""
    if prod(map(len, variants)) <= MOST_COMBINED:
        yield from product(*variants)
        return
    for others in (0, -1):
        base = [held[others] for held in variants]
        for index, held in enumerate(variants):
            yield from ([*base[:index], one, *base[index + 1 :]] for one in held)
    for _ in range(SAMPLED_COMBINED):
        yield [chance.choice(held) for held in variants]
