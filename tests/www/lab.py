"""A realm that runs, for a browser to look at: each daemon a process, and windows that note what goes wrong."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
from playwright.sync_api import Browser, ConsoleMessage, Page, Response

from realm.core.paths import Home
from realm.core.status import TrainingStatus, read_status
from tests.arena.realm_home import eventually, make_home
from tests.ports import free_port

DAEMONS = ("tavern", "trainer", "queue-watcher", "scheduler", "watchtower")
ROOMS = ("/", "/quests", "/guild", "/scheduler", "/watchtower")
PATIENCE = 60.0  # seconds, on a machine where other tests run


def chats(count: int, first: int = 0) -> bytes:
    """A quest of short sums."""
    rows = ((f"{n} + 1", f"{n} and 1 make {n + 1}") for n in range(first, first + count))
    turns = ([{"role": "user", "content": ask}, {"role": "assistant", "content": answer}] for ask, answer in rows)
    return b"".join(msgspec.json.encode({"messages": chat}) + b"\n" for chat in turns)


class Windows:
    """`heard`: errors of every console, exceptions of pages, refused and failed answers."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    @contextmanager
    def window(
        self, browser: Browser, width: int = 1440, height: int = 900, *, is_new: bool = False, **more: Any
    ) -> Iterator[Page]:
        """`is_new`: of somebody who was never here, and is shown round."""
        context = browser.new_context(viewport={"width": width, "height": height}, **more)
        context.set_default_timeout(1000 * PATIENCE)
        if not is_new:
            context.add_init_script("localStorage.setItem('realm.tour', 'done')")
        page = context.new_page()
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.heard.append(f"{page.url}: {error}"))
        page.on("response", self._response)
        yield page
        context.close()

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.heard.append(f"{message.type}: {message.text}")

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self.heard.append(f"{response.status} {response.url}")


class Lab(Windows):
    """Its daemons, and windows on its Tavern."""

    def __init__(self, root: Path, squire: Path):
        super().__init__()
        self.home: Home = make_home(root, squire, checkpoint_steps=20)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.lives: dict[str, subprocess.Popen[bytes]] = {}
        config: dict[str, Any] = msgspec.json.decode(self.home.config_file.read_bytes())
        self.home.config_file.write_bytes(msgspec.json.encode({**config, "tavern": {"port": self.port}}))

    def __enter__(self) -> Self:
        for daemon in DAEMONS:
            self.start(daemon)
        for daemon in DAEMONS:
            eventually(lambda daemon=daemon: self.is_up(daemon), PATIENCE)  # type: ignore[misc]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for life in self.lives.values():
            life.send_signal(signal.SIGCONT)
            life.terminate()
        for life in self.lives.values():
            life.wait(PATIENCE)

    def start(self, daemon: str) -> None:
        environment = {**os.environ, "REALM_HOME": str(self.home.root)}
        with (self.home.logs / f"{daemon}.log").open("ab") as log:
            command = [sys.executable, "-m", "realm", "run", daemon]
            self.lives[daemon] = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def kill(self, daemon: str) -> None:
        """Without the back-off of who was killed several times in a row."""
        self.lives[daemon].kill()
        self.lives[daemon].wait(PATIENCE)
        (self.home.locks / f"{daemon}.starts").unlink(missing_ok=True)

    def is_up(self, daemon: str) -> bool:
        assert self.lives[daemon].poll() is None, (self.home.logs / f"{daemon}.log").read_text()
        return "event=ready" in (self.home.logs / f"{daemon}.log").read_text()

    def drop(self, name: str, content: bytes) -> None:
        hidden = self.home.inbox / f".{name}"
        hidden.write_bytes(content)
        hidden.rename(self.home.inbox / name)

    @property
    def training(self) -> TrainingStatus:
        """As its file says. Raises AssertionError before there is one."""
        said = read_status(self.home.status / TrainingStatus.FILE, TrainingStatus)
        assert said
        return said

    @property
    def step(self) -> int:
        return self.training.step or 0
