"""The Tavern under load, beside nginx on the same files: python -m tests.benchmarks.tavern_load --seconds 60

A realm trains on squire. Then 200 viewers poll every two seconds, 50 slow senders hold a connection each, and a file is
uploaded. Prints the viewers' waiting times for the pulse and for a status file, nginx's for that file, and what the
trainer's speed was before and meanwhile.
"""

import argparse
import asyncio
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median, quantiles

from realm.armory import heroes, smithy
from realm.core.metrics import read_metrics
from realm.core.paths import Home
from realm.guild.skills import get_trainer
from tests.arena.realm_home import eventually
from tests.ports import free_port
from tests.www.lab import Lab, chats

VIEWERS, SLOW_SENDERS = 200, 50
WARM = 20  # steps before the speed counts
BETWEEN = 2.0  # seconds between two polls of a viewer
BLOCK = b'{"text": "' + b"x" * 1000 + b'"}\n'
STATUS = "/status/training_status.json"
NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 2;
events {{ worker_connections 1024; }}
http {{ access_log off; server {{ listen 127.0.0.1:{port}; root {root}; }}
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder}; uwsgi_temp_path {folder};
  scgi_temp_path {folder}; }}
"""


async def get(port: int, path: str) -> tuple[float, bytes]:
    """Seconds, and the whole answer, over a connection of its own."""
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
    said = await reader.read()
    writer.close()
    assert b" 200 " in said[:20], said[:200]
    return time.perf_counter() - began, said


async def viewer(port: int, path: str, number: int, until: float, waits: list[float]) -> None:
    await asyncio.sleep(BETWEEN * number / VIEWERS)
    while (now := time.monotonic()) < until:
        waits.append((await get(port, path))[0])
        await asyncio.sleep(max(0.0, now + BETWEEN - time.monotonic()))


async def slow_sender(port: int, until: float) -> None:
    """A header a byte at a time; whoever hangs up on it is called again."""
    while time.monotonic() < until:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            while time.monotonic() < until:
                writer.write(b"X")
                await writer.drain()
                await asyncio.sleep(1)
        except OSError:
            continue
        finally:
            writer.close()


async def upload(port: int, size: int) -> float:
    """Bytes a second."""
    began, count = time.perf_counter(), size // len(BLOCK)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST /api/quests?name=big.jsonl HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {count * len(BLOCK)}"
    writer.write(f"{head}\r\nContent-Type: application/octet-stream\r\nConnection: close\r\n\r\n".encode())
    for _ in range(0, count, 1000):
        writer.write(BLOCK * min(1000, count))
        count -= min(1000, count)
        await writer.drain()
    said = await reader.read()
    writer.close()
    assert b" 201 " in said[:20], said[:200]
    return size / (time.perf_counter() - began)


async def viewers(
    port: int, path: str, seconds: float, *meanwhile: Callable[[float], Awaitable[object]]
) -> list[float]:
    """How long each poll waited, seconds."""
    until, waits = time.monotonic() + seconds, list[float]()
    await asyncio.gather(
        *(viewer(port, path, number, until, waits) for number in range(VIEWERS)), *(one(until) for one in meanwhile)
    )
    return waits


def told(name: str, waits: list[float]) -> None:
    cuts = quantiles(waits, n=100)
    print(f"{name:44} {len(waits):6,} polls  p50 {1000 * cuts[49]:7.1f} ms  p99 {1000 * cuts[98]:7.1f} ms")


def speed(home: Home, after: int) -> tuple[float, int]:
    """Tokens a second of the steps after one, and the last step."""
    rows = [row for row in read_metrics(home.metrics) if row["step"] > after]
    return median(row["tokens"] / row["seconds"] for row in rows), rows[-1]["step"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--upload", type=int, default=2 * 2**30, help="bytes")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        squire = smithy.build_hero(heroes.get_hero("squire"), Path(folder, "squire"), signs=get_trainer("bin").SIGNS)
        with Lab(Path(folder, "home"), squire) as lab:
            lab.drop("long.jsonl", chats(60_000))
            eventually(lambda: lab.step > WARM, 300)
            time.sleep(asked.seconds)
            before, step = speed(lab.home, WARM)
            lab.lives["queue-watcher"].send_signal(signal.SIGSTOP)  # the upload is to be received, not taken
            pulse = f"/api/pulse?known={'0' * 16}"
            told("pulse", asyncio.run(viewers(lab.port, pulse, asked.seconds)))
            meanwhile, step = speed(lab.home, step)
            told("status file", asyncio.run(viewers(lab.port, STATUS, asked.seconds)))
            told("status file, nginx", asyncio.run(with_nginx(lab.home, asked.seconds)))
            rate: list[float] = []

            async def uploading(_: float) -> None:
                rate.append(await upload(lab.port, asked.upload))

            async def hanging(until: float) -> None:
                await asyncio.gather(*(slow_sender(lab.port, until) for _ in range(SLOW_SENDERS)))

            told(
                "pulse, slow senders, upload", asyncio.run(viewers(lab.port, pulse, asked.seconds, uploading, hanging))
            )
            print(f"upload of {asked.upload:,} bytes: {rate[0] / 2**20:,.0f} MiB/s")
            print(f"training: {before:,.0f} tokens/s alone, {meanwhile:,.0f} with {VIEWERS} viewers")


async def with_nginx(home: Home, seconds: float) -> list[float]:
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        Path(folder, "conf").write_text(NGINX.format(folder=folder, port=port, root=home.root))
        Path(folder).chmod(0o755)
        server = subprocess.Popen([nginx, "-c", f"{folder}/conf", "-g", "user root;"], stderr=subprocess.DEVNULL)
        try:
            while True:
                try:
                    await get(port, STATUS)
                    break
                except OSError:
                    await asyncio.sleep(0.1)
            return await viewers(port, STATUS, seconds)
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
