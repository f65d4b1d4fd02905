"""Where a path is mounted, and what stands in the way of writing there: the file system, a mount, a line of a unit."""

import errno
import os
import re
from pathlib import Path
from typing import NamedTuple

from realm.sentinels.accounts import group_of, owner_of

MOUNTINFO = Path("/proc/self/mountinfo")
CGROUP = Path("/proc/self/cgroup")
NETWORK = ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph", "glusterfs", "fuse.glusterfs", "lustre")


class Mount(NamedTuple):
    """One line of proc_pid_mountinfo(5)."""

    id: int
    point: Path
    is_read_only: bool  # here: the same file system may be writable elsewhere
    kind: str
    source: str
    kind_is_read_only: bool  # the file system itself, wherever it is mounted


class Denial(NamedTuple):
    why: str
    how_to_mend: str


def mount_of(path: Path) -> Mount:
    """The mount that `path` lies on, links followed. Raises OSError where there is no /proc."""
    real = path.resolve()
    mounts = [parsed(line) for line in MOUNTINFO.read_text().splitlines()]
    above = [mount for mount in mounts if real.is_relative_to(mount.point)]
    return max(reversed(above), key=lambda mount: len(mount.point.parts))  # of one point, the last one is on top


def parsed(line: str) -> Mount:
    before, _, after = line.partition(" - ")
    number, _, _, _, point, options, *_ = before.split(" ")
    kind, source, kind_options = after.split(" ")[:3]
    return Mount(
        int(number),
        Path(_unescaped(point)),
        "ro" in options.split(","),
        kind,
        _unescaped(source),
        "ro" in kind_options.split(","),
    )


def own_unit() -> str | None:
    """The service of systemd that this process is part of; None in a terminal."""
    if "INVOCATION_ID" not in os.environ:
        return None
    return unit_in(CGROUP.read_text())


def unit_in(cgroups: str) -> str | None:
    """user@1000.service is the manager of a person's session, not a service that holds us back."""
    last = [Path(line).name for line in cgroups.splitlines()]
    return next((name for name in last if name.endswith(".service") and not name.startswith("user@")), None)


def denial(path: Path, home: Path, number: int | None = None) -> Denial:
    """Why `path` in `home` cannot be written to. `number`: errno of the attempt, if there was one. Raises OSError."""
    mount, unit = mount_of(path), own_unit()
    if mount.kind_is_read_only:
        return Denial(
            f"the {mount.kind} of {mount.source} on {mount.point} is mounted read-only",
            f"`dmesg` tells if the kernel made it so after an error; then: mount -o remount,rw {mount.point}",
        )
    if mount.is_read_only and unit and mount.point.is_relative_to(home.resolve()) and mount.point != home.resolve():
        return Denial(f"ReadOnlyPaths={mount.point} in {unit} makes it read-only", take_out(unit))
    if mount.is_read_only and unit:
        return Denial(f"ProtectSystem= in {unit} makes it read-only", open_up(unit, home))
    if mount.is_read_only:
        return Denial(
            f"{mount.point} is mounted read-only here",
            f"mount -o remount,rw {mount.point}; in a container, give it a writable volume",
        )
    if number == errno.EPERM:
        return Denial(*_forbidden(path, unit))
    mode = path.stat().st_mode & 0o7777
    why, owner = f"its owner is {owner_of(path)}, its group {group_of(path)}, its mode {mode:04o}", owner_of(home)
    if owner_of(path) != owner:
        return Denial(why, f"chown -R {owner.removeprefix('#')} {home}")
    return Denial(why, f"`sudo -u {owner} realm init` gives every folder its mode again")


def open_up(unit: str, home: Path, systemctl: str = "systemctl") -> str:
    """How a unit lets its daemon write to the whole home."""
    return f"{systemctl} edit {unit}, and there below [Service]: ReadWritePaths={home}"


def take_out(unit: str, systemctl: str = "systemctl") -> str:
    """A path that one line makes read-only stays so, whatever another line says."""
    return f"{systemctl} cat {unit} shows the file with this line: take it out; {systemctl} daemon-reload; restart it"


def _forbidden(path: Path, unit: str | None) -> tuple[str, str]:
    if unit:
        return f"SystemCallFilter= or RestrictSUIDSGID= in {unit} forbids it", f"systemctl cat {unit} shows the line"
    return "it is marked as immutable", f"lsattr -d {path}; chattr -i {path}"


def _unescaped(text: str) -> str:
    r"""A space is written as \040."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)
