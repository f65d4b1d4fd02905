"""The Oracle beside `transformers serve`: python -m tests.benchmarks.oracle --rounds 5

All servers stay up, with the same checkpoint of squire's shape; each round asks all of them the same chats over HTTP,
greedily and for 64 tokens, by one client and by 16 at once. Then: how long a checkpoint of 59 M parameters takes into
memory, and what it takes there and gives back.
"""

import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import msgspec

from realm.armory import heroes, quiet, smithy
from realm.core.checkpoint_ledger import canonical_name
from realm.core.paths import Home
from realm.guild.skills import get_trainer
from realm.oracle.client import OracleClient
from tests.arena.realm_home import eventually
from tests.benchmarks import measuring, subject
from tests.benchmarks.measuring import Asked, Row, Table, paired, seconds_of
from tests.benchmarks.workers import CHECKOUT, environment, rivals_python
from tests.oracle.conftest import put_checkpoint
from tests.ports import free_port

OURS, SERVE, SERVE_CB = "ours", "transformers serve", "transformers serve, continuous batching"
SAVED_AT = datetime(2026, 1, 1, tzinfo=UTC)
CHECKPOINT = canonical_name(500, SAVED_AT)
TOKENS = 64  # of an answer, unless the hero ends it
CLIENTS = (1, 16)
QUESTIONS = 4  # of each client, in a round
LOADS = 5
MIB = 2**20
REALM = "from realm.cli.main import main; main()"


class Server(NamedTuple):
    """A daemon that speaks OpenAI's API. `model`: its name for the checkpoint."""

    url: str
    model: str
    pid: int


class Given(NamedTuple):
    """What a round of questions brought."""

    tokens: int  # of all answers, as the server counts them
    seconds: float
    texts: list[str]


def measure(asked: Asked) -> Iterator[Table]:
    quiet.silence_transformers()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        squire = smithy.build_hero(heroes.get_hero("squire"), folder / "squire", signs=get_trainer("bin").SIGNS)
        yield from throughput(asked, home_of(squire, folder / "home"))
        shape = subject.TINY if asked.small else subject.SIXTY_MILLION
        home = home_of(subject.make_hero(folder / "large", shape), folder / "large home")
        size = f"{subject.parameters(shape) / 1e6:.0f} M parameters in fp32"
        yield load_time(asked, home, size)
        yield memory(asked, home, size)


def home_of(model: Path, root: Path) -> Home:
    """With one checkpoint."""
    home = Home(root)
    home.create()
    put_checkpoint(home, model, 500, SAVED_AT)
    return home


def throughput(asked: Asked, home: Home) -> Iterator[Table]:
    with ExitStack() as ends:
        servers = {way: ends.enter_context(start()) for way, start in ways(asked, home).items()}
        for clients in CLIENTS:
            chats = chats_of(clients * (1 if asked.small else QUESTIONS))
            asks = {way: partial(ask_all, server, chats, clients) for way, server in servers.items()}
            for ask in asks.values():  # the first round warms up
                ask()
            yield table(clients, paired(asks, asked.rounds))


def ways(asked: Asked, home: Home) -> Mapping[str, Callable[[], Any]]:
    """Those that are compared, each as what starts it."""
    if not asked.rivals:
        return {OURS: partial(oracle, home)}
    folder = home.current_model / CHECKPOINT
    return {
        OURS: partial(oracle, home),
        SERVE: partial(transformers_serve, folder),
        SERVE_CB: partial(transformers_serve, folder, "--continuous-batching"),
    }


def table(clients: int, rounds: Mapping[str, list[Given]]) -> Table:
    """Speeds are of our count of tokens: `transformers serve` also counts the token that ends an answer."""
    ours = rounds[OURS][0]
    rows = [Row(way, [ours.tokens / one.seconds for one in given], same(ours, given)) for way, given in rounds.items()]
    return Table(
        title=f"The Oracle, clients: {clients}; {len(ours.texts)} chats, greedy, {TOKENS} tokens each",
        unit="tokens/s",
        rows=rows,
        rival=SERVE if SERVE in rounds else None,
    )


def same(ours: Given, given: list[Given]) -> str:
    """Whether they answered alike in each round. `transformers serve` strips an answer's ends."""
    wanted = [text.strip() for text in ours.texts]
    differing = sum(text.strip() != one for answers in given for text, one in zip(answers.texts, wanted, strict=True))
    return f"{differing} ANSWERS DIFFER: the comparison is void" if differing else "the same answers"


def chats_of(count: int) -> list[list[dict[str, str]]]:
    trainer = get_trainer("bin")
    return [trainer.to_chat(item)["messages"][:-1] for item in trainer.sample(3, count)]


def ask_all(server: Server, chats: list[list[dict[str, str]]], clients: int) -> Given:
    """Each client asks its next question when it has the answer to its last one."""
    limits = httpx2.Limits(max_connections=clients, max_keepalive_connections=clients)
    with httpx2.Client(limits=limits, timeout=600, trust_env=False) as http, ThreadPoolExecutor(clients) as askers:
        began = time.perf_counter()
        answers = list(askers.map(partial(ask, http, server), chats))
        seconds = time.perf_counter() - began
    tokens = sum(answer["usage"]["completion_tokens"] for answer in answers)
    return Given(tokens, seconds, [answer["choices"][0]["message"]["content"] for answer in answers])


def ask(http: httpx2.Client, server: Server, chat: list[dict[str, str]]) -> dict[str, Any]:
    body = {"model": server.model, "messages": chat, "temperature": 0, "max_tokens": TOKENS}
    response = http.post(f"{server.url}/v1/chat/completions", json=body)
    response.raise_for_status()
    return dict(response.json())


# The servers


@contextmanager
def oracle(home: Home) -> Iterator[Server]:
    port = free_port()
    home.config_file.write_bytes(msgspec.json.encode({"oracle": {"port": port}}))
    with running([sys.executable, "-c", REALM, "--home", str(home.root), "run", "oracle"], port) as pid:
        yield Server(f"http://127.0.0.1:{port}", CHECKPOINT, pid)


@contextmanager
def transformers_serve(folder: Path, *options: str) -> Iterator[Server]:
    port = free_port()
    command = [str(rivals_python()), "-m", "transformers.cli.transformers", "serve", str(folder), *options]
    with running([*command, "--host", "127.0.0.1", "--port", str(port)], port) as pid:
        yield Server(f"http://127.0.0.1:{port}", str(folder), pid)


@contextmanager
def running(command: list[str], port: int) -> Iterator[int]:
    """Its pid, once it answers /health."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, cwd=CHECKOUT, env=environment(), stdout=log, stderr=log)
        try:
            eventually(lambda: process.poll() is not None or OracleClient(f"http://127.0.0.1:{port}").health())
            if process.poll() is not None:
                log.seek(0)
                raise RuntimeError(f"{command} ended with {process.returncode}:\n{log.read().decode()}")
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


# A checkpoint's way into memory, and out of it


def load_time(asked: Asked, home: Home, size: str) -> Table:
    chats = chats_of(1)
    cold = {way: partial(first_answer, start, chats) for way, start in ways(asked, home).items() if way != SERVE_CB}
    rows = [Row(f"{way}, start to first answer", seconds) for way, seconds in paired(cold, asked.rounds).items()]
    with oracle(home) as server:
        client = OracleClient(server.url)
        load(client)
        again = [reloaded(client) for _ in range(asked.rounds)]
    rows.append(Row("ours, torch in memory: checked and loaded", again))
    return Table(f"A checkpoint's way into memory, {size}", "s", rows)


def first_answer(start: Callable[[], Any], chats: list[list[dict[str, str]]]) -> float:
    with ExitStack() as ends:
        return seconds_of(lambda: ask_all(ends.enter_context(start()), chats, 1))


def reloaded(client: OracleClient) -> float:
    client.unload(CHECKPOINT)
    return seconds_of(lambda: load(client))


def load(client: OracleClient) -> None:
    client.load(CHECKPOINT)
    pause = threading.Event()
    while not client.info()["models"]:
        pause.wait(0.002)


def memory(asked: Asked, home: Home, size: str) -> Table:
    with oracle(home) as server:
        idle = resident(server.pid)
        loads = [used(server) for _ in range(LOADS)]
    rows = [
        Row("ours, never asked", [idle]),
        Row("ours, after four answers", [loaded for loaded, _ in loads]),
        Row("ours, unloaded", [after for _, after in loads], f"after the last load {loads[-1][1]:,.0f}"),
    ]
    if asked.rivals:
        with transformers_serve(home.current_model / CHECKPOINT) as server:
            ask_all(server, chats_of(4), 4)
            rows.append(Row("transformers serve, after four answers", [resident(server.pid)]))
    return Table(f"Memory of the server, {size}, {LOADS} loads", "MiB resident", rows)


def used(server: Server) -> tuple[float, float]:
    """What is resident after four answers, and after the unload that follows."""
    client = OracleClient(server.url)
    load(client)
    ask_all(server, chats_of(4), 4)
    loaded = resident(server.pid)
    client.unload(CHECKPOINT)
    return loaded, resident(server.pid)


def resident(pid: int) -> float:
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) * 1024 / MIB


if __name__ == "__main__":
    measuring.run(__doc__, measure)
