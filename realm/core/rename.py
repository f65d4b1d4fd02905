"""rename(2) that replaces nothing."""

import ctypes
import errno
import os
from pathlib import Path

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_renameat2 = ctypes.CDLL(None, use_errno=True).renameat2  # os.rename would replace a file or an empty folder


def rename_new(origin: Path, final: Path) -> None:
    """Raises FileExistsError if anything is at `final`, and OSError for any other reason, with both names."""
    code = _rename_code(origin, final)
    if code == errno.EINVAL:  # NFS and some others do not know the flag
        code = errno.EEXIST if os.path.lexists(final) else _plain_rename_code(origin, final)
    if code:
        raise OSError(code, os.strerror(code), str(origin), None, str(final))


def _rename_code(origin: Path, final: Path) -> int:
    failed = _renameat2(_AT_FDCWD, os.fsencode(origin), _AT_FDCWD, os.fsencode(final), _RENAME_NOREPLACE)
    return ctypes.get_errno() if failed else 0


def _plain_rename_code(origin: Path, final: Path) -> int:
    try:
        origin.rename(final)
    except OSError as error:
        return error.errno or errno.EIO
    return 0
