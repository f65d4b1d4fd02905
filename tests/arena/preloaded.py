"""Daemons forked from one process that has imported all they need: an import of torch takes seconds, a fork none.

That process has made no tensor and started no thread, so each life begins as under `python -c`. What is read before
any code runs (PYTHONHASHSEED), or when torch is loaded (GOMP_SPINCOUNT), all lives of a session share.
"""

import atexit
import ctypes
import gc
import os
import select
import signal
import subprocess
import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from socket import AF_UNIX, SOCK_SEQPACKET, recv_fds, send_fds, socket, socketpair
from threading import Lock

import msgspec

CHECKOUT = Path(__file__).parents[2]
SERVE = "import sys; from tests.arena import preloaded; exec(preloaded.serve(sys.argv[1]))"
MODULES = (
    "realm.cli.main",  # first, as it sets how torch's threads wait
    "realm.arena.trainer",
    "realm.arena.queue_watcher",
    "transformers.models.qwen3.modeling_qwen3",
)
ORDER_BYTES = 2**20
PR_SET_PDEATHSIG = 1

_asking = Lock()  # an answer belongs to the order before it


class Order(msgspec.Struct):
    """Run this Python, its output in the file that comes along; or, if there is none, tell how `pid` ended."""

    code: str = ""
    environment: dict[str, str] = {}
    folder: str = ""
    pid: int = 0


class Life:
    """One process, with the parts of subprocess.Popen that tests use."""

    def __init__(self, code: str, log: int):
        """Begins to run `code`; `log` is the descriptor of a file for stdout and stderr."""
        self.args = code
        self.returncode: int | None = None
        self.pid = _ask(Order(code, dict(os.environ), str(Path.cwd())), log)
        self._process = os.pidfd_open(self.pid)  # it is there, if only as a zombie, until we ask how it ended

    def poll(self) -> int | None:
        return self.returncode if self._ended_within(0) else None

    def wait(self, timeout: float | None = None) -> int:
        """Raises subprocess.TimeoutExpired."""
        if not self._ended_within(timeout):
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _ended_within(self, seconds: float | None) -> bool:
        if self.returncode is None:
            end = select.poll()
            end.register(self._process, select.POLLIN)
            if not end.poll(None if seconds is None else seconds * 1000):
                return False
            self.returncode = _ask(Order(pid=self.pid))
            os.close(self._process)
        return True


def _ask(order: Order, *descriptors: int) -> int:
    with _asking:
        orders = _orders()
        send_fds(orders, [msgspec.json.encode(order)], descriptors)
        answer = orders.recv(ORDER_BYTES)
    assert answer, "the preloaded process has died; what it said is on stderr"
    return int(answer)


@cache
def _orders() -> socket:
    """To the preloaded process, which ends, and its lives with it, when this end is closed."""
    ours, theirs = socketpair(AF_UNIX, SOCK_SEQPACKET)
    with theirs:
        preloaded = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(theirs.fileno())],
            cwd=CHECKOUT,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # numpy's would start threads when it is loaded
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,  # a Ctrl-C is for pytest, which then ends the lives in its own way
        )

    @atexit.register
    def end() -> None:
        ours.close()
        preloaded.wait()

    return ours


# In the preloaded process


def serve(descriptor: str) -> str:
    """Returns in each forked child alone: the code that it is to run."""
    for module in MODULES:
        import_module(module)
    assert len([*Path("/proc/self/task").iterdir()]) == 1, "an import started a thread, which a fork would lose"
    gc.freeze()  # else each life's end would walk through everything that was imported: a second
    us = os.getpid()
    with socket(fileno=int(descriptor)) as orders:
        while True:
            content, descriptors, *_ = recv_fds(orders, ORDER_BYTES, 1)
            if not content:
                raise SystemExit
            order = msgspec.json.decode(content, type=Order)
            if order.pid:
                answer = os.waitstatus_to_exitcode(os.waitpid(order.pid, 0)[1])
            elif not (answer := os.fork()):
                break
            orders.send(str(answer).encode())
            for one in descriptors:
                os.close(one)
    _become(order, descriptors[0], us)
    return order.code


def _become(order: Order, log: int, parent: int) -> None:
    """What a fresh process has of its own."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    os.setsid()
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    os.chdir(order.folder)
    os.environ.clear()
    os.environ.update(order.environment)
    sys.argv[:] = ["-c"]
