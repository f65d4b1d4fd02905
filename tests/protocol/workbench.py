"""The process that a tracer watches: for each order it forks a child, which carries out one subject.

A tracer counts the calls of each child by itself and strikes every child at the same number of a call. A child that is
to be struck earlier first makes as many calls of that name as are missing, which do nothing: so one tracer strikes each
child where we want it, and no child has to import anything.
"""

import ctypes
import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from socket import socket

import msgspec

from realm.core.paths import Home

ENDED, REFUSED, CRASHED = 0, 1, 3  # exit statuses: all done; an OSError reached the top; another exception did
SUBJECTS_VARIABLE = "REALM_TEST_SUBJECTS"  # the module that has the ACTS
PATIENCE_SECONDS = 60  # a child that takes longer hangs, and dies of SIGALRM
LONGEST_ORDER = 4096
IDLE = [ctypes.c_long(value) for value in (-1, 1, 0, 0, 1)]  # arguments with which the kernel refuses every call


class Order(msgspec.Struct):
    subject: str
    home: str
    call: str = ""
    idle_calls: int = 0  # of that name


class Answer(msgspec.Struct):
    pid: int
    status: int  # negative: the signal it died of


def main(descriptor: int) -> None:
    """Serves until the other end is closed, without any call of the traced set."""
    from tests.protocol import mutations

    acts = import_module(os.environ.get(SUBJECTS_VARIABLE, "tests.protocol.subjects")).ACTS
    mutations.install()
    gc.freeze()
    with socket(fileno=descriptor) as orders:
        while content := orders.recv(LONGEST_ORDER):
            order = msgspec.json.decode(content, type=Order)
            if (child := os.fork()) == 0:
                signal.alarm(PATIENCE_SECONDS)
                os._exit(_carried_out(order, acts[order.subject]))
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            orders.send(msgspec.json.encode(Answer(child, status)))


def _carried_out(order: Order, act: Callable[[Home], object]) -> int:
    if order.call:
        idle = getattr(ctypes.CDLL(None), order.call)
        for _ in range(order.idle_calls):
            idle(*IDLE)
    try:
        act(Home(Path(order.home)))
    except OSError:
        return REFUSED
    except BaseException:  # noqa: BLE001 - whatever it is, the parent is to hear of it
        with suppress(OSError):
            traceback.print_exc()
        return CRASHED
    return ENDED


if __name__ == "__main__":
    main(int(sys.argv[1]))
