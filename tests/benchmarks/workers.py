"""Processes that measure when they are asked to, ours and the rivals', so that rounds can alternate between them.

Rivals live in .bench-venv: a virtual environment of its own that finds torch, transformers and all else that the
project has installed where the project has it, and holds only what is named in rivals.txt. So both sides run on the
very same torch, and 300 MB are installed instead of gigabytes.
"""

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

CHECKOUT = Path(__file__).parents[2]
RIVALS_VENV = CHECKOUT / ".bench-venv"
PINS = Path(__file__).with_name("rivals.txt")
INSTALLED = "rivals-installed.txt"  # in the environment: the pins it was made with

HF_PADDED, HF_GROUPED, TRL_PACKING = "HF padded", "HF grouped by length", "TRL packing"  # ways of rival_trainers.py

# Threads of all sides wait as ours do; the default, an endless spin, is as fast on a quiet machine, and on one that
# others use it would cost the rivals most of their speed.
WAITING = {"GOMP_SPINCOUNT": "1000"}

Answer = dict[str, Any]


def rivals_python() -> Path:
    """The interpreter of the rivals' environment, which is made first where it is missing or of other pins."""
    python, stamp = RIVALS_VENV / "bin" / "python", RIVALS_VENV / INSTALLED
    if stamp.exists() and stamp.read_text() == _stamp():
        return python
    print(f"installing the rivals into {RIVALS_VENV}", flush=True)
    venv.create(RIVALS_VENV, clear=True, with_pip=True)
    _join_project()
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    constraints = CHECKOUT / "configs" / "constraints.txt"
    subprocess.run([*pip, "--constraint", str(constraints), "--requirement", str(PINS)], check=True)
    stamp.write_text(_stamp())
    return python


def _stamp() -> str:
    return f"{_project_packages()}\n{PINS.read_text()}"


def _project_packages() -> str:
    return sysconfig.get_paths()["purelib"]


def _join_project() -> None:
    """What the environment has not itself, it takes from the project's: pip counts it as installed, too."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = RIVALS_VENV / "lib" / version / "site-packages"
    (packages / "project.pth").write_text(f"import site; site.addsitedir({_project_packages()!r})\n")


class Order(NamedTuple):
    """A process: `python -m <module> <what, as JSON>`."""

    python: Path
    module: str
    what: Mapping[str, object]

    def command(self, answers: int) -> list[str]:
        """`answers` is the descriptor that it answers into."""
        what = json.dumps({**self.what, "answers": answers}, default=str)
        return [str(self.python), "-m", self.module, what]


class Worker:
    """Answers each question, a line, with a line of JSON."""

    def __init__(self, order: Order):
        reading, writing = os.pipe()
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - what trainers print as they go
        self._process = subprocess.Popen(
            order.command(writing),
            cwd=CHECKOUT,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            pass_fds=[writing],
            text=True,
        )
        os.close(writing)
        self._answers = os.fdopen(reading)

    def ask(self, question: str) -> Answer:
        """Raises RuntimeError if it died."""
        assert self._process.stdin
        with suppress(BrokenPipeError):
            self._process.stdin.write(f"{question}\n")
            self._process.stdin.flush()
        return self.answer()

    def answer(self) -> Answer:
        """The next line it says. Raises RuntimeError if it died."""
        answer = self._answers.readline()
        if not answer:
            self._log.seek(0)
            raise RuntimeError(f"{self._process.args!r} ended with {self._process.wait()}:\n{self._log.read()}")
        return json.loads(answer)  # type: ignore[no-any-return]

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()
        self._answers.close()
        self._log.close()


@contextmanager
def working(orders: Mapping[str, Order]) -> Iterator[dict[str, Worker]]:
    """A worker for each way, all ended when the block is left."""
    with ExitStack() as ends:
        workers = {}
        for way, order in orders.items():
            workers[way] = Worker(order)
            ends.callback(workers[way].close)
        yield workers


def environment() -> dict[str, str]:
    """A child's. Compiled Python is kept, as it is where a person installs it."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, **WAITING}


def serve(acts: Mapping[str, Callable[[], Answer]], answers: int) -> None:
    """In the worker: does what it is asked to until nobody asks any more."""
    with os.fdopen(answers, "w") as said:
        for line in sys.stdin:
            print(json.dumps(acts[line.strip()]()), file=said, flush=True)
