"""How long the curves of a long life take to open: python -m tests.benchmarks.page_open --rows 10000000

Rows as the trainer writes them, the pyramid that the watchtower makes of them, a real tavern and Debian's chromium:
from the address to the drawn curve, in a browser that has no cache. Beside it the same page with 1,000 rows.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from statistics import median

import msgspec
from playwright.sync_api import Browser, Response, sync_playwright

from realm.core.metrics import MetricsWriter
from realm.core.paths import Home
from realm.watchtower.pyramid_keeper import PyramidKeeper
from tests.arena.realm_home import eventually
from tests.ports import free_port
from tests.watchtower.raw import row

FEW, ROUNDS = 1_000, 5
CHROMIUM = "/usr/bin/chromium"
BUFFERED = 100_000  # rows


def make_home(root: Path, rows: int) -> Home:
    home = Home(root)
    home.create()
    home.config_file.write_bytes(msgspec.json.encode({"tavern": {"port": free_port()}}))
    random, writer = Random(1), MetricsWriter(home.metrics, "trainer")
    for step in range(1, rows + 1):
        writer.write(row(step, random))
        if step % BUFFERED == 0:
            writer.flush()
    writer.flush()
    keeper = PyramidKeeper(home, lambda reason: None)
    began = time.process_time()
    while keeper.look():
        pass
    keeper.close()
    print(f"{rows:,} rows: the pyramid took {time.process_time() - began:.1f} s of CPU")
    return home


@contextmanager
def tavern(home: Home) -> Iterator[str]:
    environment = {**os.environ, "REALM_HOME": str(home.root)}
    log = home.logs / "tavern.log"
    with log.open("wb") as output:
        command = [sys.executable, "-m", "realm", "run", "tavern"]
        life = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        eventually(lambda: "event=ready" in log.read_text(), 60)
        port = msgspec.json.decode(home.config_file.read_bytes())["tavern"]["port"]
        yield f"http://127.0.0.1:{port}"
    finally:
        life.terminate()
        life.wait(60)


def opened(browser: Browser, url: str) -> tuple[float, int]:
    """(seconds until the curve is drawn, bytes of all answers)."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))  # playwright marks the function
    began = time.perf_counter()
    page.goto(f"{url}/watchtower", wait_until="commit")
    page.locator("main canvas").first.wait_for()
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    seconds = time.perf_counter() - began
    size = sum(len(answer.body()) for answer in answers if answer.status == 200)
    context.close()
    return seconds, size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        homes = {count: make_home(Path(folder) / str(count), count) for count in (FEW, rows)}
        browser = play.chromium.launch(executable_path=CHROMIUM)
        with tavern(homes[FEW]) as few, tavern(homes[rows]) as many:
            rounds = [(opened(browser, few), opened(browser, many)) for _ in range(ROUNDS)]
        browser.close()
    for place, count in enumerate((FEW, rows)):
        seconds, sizes = zip(*(one[place] for one in rounds), strict=True)
        print(f"{count:>12,} rows: curve drawn after {1000 * median(seconds):5.0f} ms, {max(sizes):,} bytes")
    print(f"ratio {median(many[0] / few[0] for few, many in rounds):.2f}, median of {ROUNDS} paired rounds")


if __name__ == "__main__":
    main()
