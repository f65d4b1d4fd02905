"""A child that does not outlive its parent, however that ends."""

import ctypes
import signal

_PR_SET_PDEATHSIG = 1  # prctl(2)
_libc = ctypes.CDLL(None)


def end_with_parent(by: signal.Signals) -> None:
    """Called in the child: it gets the signal when the thread that started it ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, by)
