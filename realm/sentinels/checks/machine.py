"""The machine: Python and its libraries, threads, and what the kernel tells about files."""

import errno
import fcntl
import os
import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from inotify_simple import INotify

from realm import __version__
from realm.core.daemon import boot_id
from realm.core.status import Status, StatusError, TrainingStatus, is_locked, read_status
from realm.sentinels.finding import Finding, fine, note, trouble
from realm.sentinels.mounts import NETWORK, mount_of
from realm.sentinels.patient import Patient

LIBRARIES = ("torch", "transformers", "tokenizers", "safetensors")
SPIN = "1000"  # GOMP_SPINCOUNT, which `realm` sets


def libraries(patient: Patient) -> Iterator[Finding]:
    """Without importing any."""
    told = [f"realm {__version__}", f"Python {platform.python_version()}"]
    for name in LIBRARIES:
        try:
            told.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            yield trouble(f"{name} is not installed", "nothing can be trained without it", f"pip install {name}")
    yield fine(", ".join(told))


def threads(patient: Patient) -> Iterator[Finding]:
    """How torch's threads wait: in the trainer if it runs, else in what is started from here."""
    where, environment = _of_trainer(patient) or ("this shell", os.environ)
    policy, spin = environment.get("OMP_WAIT_POLICY"), environment.get("GOMP_SPINCOUNT", SPIN)
    if policy:
        yield note(
            f"OMP_WAIT_POLICY={policy} in the environment of {where}",
            "passive threads halve a small hero's speed, active ones starve whoever shares the cores",
            "unset OMP_WAIT_POLICY, also in the unit, and start the trainer again",
        )
    if spin != SPIN:
        yield note(
            f"GOMP_SPINCOUNT={spin} in the environment of {where}",
            f"{SPIN} was measured best (docs/ARCHITECTURE.md)",
            "unset GOMP_SPINCOUNT",
        )
    if not policy and spin == SPIN:
        yield fine("torch's threads wait as was measured best")


def hints(patient: Patient) -> Iterator[Finding]:
    """What tells the queue-watcher that a drop has come."""
    slow = "the queue-watcher looks every 5 s instead"
    try:
        INotify().close()
    except OSError as error:
        limit = Path("/proc/sys/fs/inotify/max_user_instances")
        yield note(
            f"no inotify: {error.strerror}", slow, f"sysctl fs.inotify.max_user_instances ({limit} has the limit)"
        )
        return
    mount = mount_of(patient.home.inbox)
    if mount.kind in NETWORK:
        yield note(
            f"inbox lies on {mount.kind}, which tells nothing of what others put there",
            "the queue-watcher looks every 30 s",
        )
    else:
        yield fine("inotify tells of drops at once")


def leases(patient: Patient) -> Iterator[Finding]:
    """Whether the kernel tells that a file is finished; asked of a file of our own, without changing it."""
    if not patient.is_ours:
        return
    descriptor = os.open(patient.home.format_file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        if error.errno != errno.EAGAIN:  # somebody writes it just now
            yield note(
                f"no leases on {mount_of(patient.home.format_file).kind}: {error.strerror}",
                "a drop counts as finished when it has been quiet for 10 s",
            )
            return
    finally:
        os.close(descriptor)
    yield fine("leases tell when a drop is finished")


def _of_trainer(patient: Patient) -> tuple[str, Mapping[str, str]] | None:
    """The environment of the trainer that runs now, if we may read it."""
    try:
        said = read_status(patient.home.status / TrainingStatus.FILE, Status)
    except StatusError:
        return None
    if said is None or said.writer.boot_id != boot_id() or not is_locked(patient.home.locks / "trainer.lock"):
        return None
    try:
        pairs = Path(f"/proc/{said.writer.pid}/environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return None
    return "the trainer", dict(pair.split("=", 1) for pair in pairs if "=" in pair)
