"""Whether anybody has a file open for writing, asked of the kernel: a read lease is granted only if nobody has."""

import errno
import fcntl
import os
from enum import Enum
from pathlib import Path


class Writers(Enum):
    NONE = "nobody has it open for writing"
    SOME = "somebody has"
    UNKNOWN = "no lease for another user's file without CAP_LEASE, nor on many network file systems"


def writers_of(path: Path) -> Writers:
    """Takes a few microseconds and changes nothing. Raises OSError if the file cannot be opened for reading.

    The lease is given back at once. Should a writer come just then, the kernel sends SIGIO, whose default is death:
    a process that calls this ignores it (`signal.signal(SIGIO, SIG_IGN)`).
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except BlockingIOError:  # somebody, such as Samba, holds a write lease
        return Writers.SOME
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return Writers.SOME if error.errno == errno.EAGAIN else Writers.UNKNOWN
    finally:
        os.close(descriptor)
    return Writers.NONE
