"""What opening a chart of a long run costs, and which spikes it shows: python -m tests.benchmarks.spikes

182,000 steps of a falling loss with noise, and 20 spikes of +3 that last one step. Ours: index.json and the level of
the pyramid that fits 800 pixels, over HTTP. TensorBoard and trackio beside it with --rivals PYTHON, the interpreter of
an environment where they are installed (they bring 40 packages, so it should be one of their own).
"""

import argparse
import json
import math
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import bottle
import orjson

from realm.core.log import Log
from realm.core.loopback import LoopbackServer, json_app
from realm.core.metrics import MetricsWriter
from realm.core.paths import Home
from realm.watchtower.pyramid import BUCKET, SERIES
from realm.watchtower.pyramid_keeper import PyramidKeeper

STEPS, SPIKES, RISE, PIXELS = 182_000, 20, 3.0, 800
RIVALS = ("tensorboard", "trackio")
RIVALS_FILE = Path(__file__).with_name("spikes_rivals.py")


def losses_and_spikes() -> tuple[list[float], list[int]]:
    random = Random(20)
    spikes = sorted(random.sample(range(1, STEPS + 1), SPIKES))
    usual = [0.4 + 3 * math.exp(-step / 20_000) + random.gauss(0, 0.05) for step in range(1, STEPS + 1)]
    for step in spikes:
        usual[step - 1] += RISE
    return usual, spikes


def ours(losses: Sequence[float], folder: Path) -> dict[str, Any]:
    home = Home(folder / "home")
    home.create()
    writer = MetricsWriter(home.metrics, "trainer")
    for step, loss in enumerate(losses, 1):
        writer.write({"step": step, "loss": loss})
    writer.flush()
    keeper = PyramidKeeper(home, lambda reason: None)
    begin = time.process_time()
    while keeper.look():
        pass
    print(f"building the pyramid of {STEPS:,} rows took {time.process_time() - begin:.2f} s of CPU")
    app = json_app()
    app.get("/<name>", callback=lambda name: bottle.static_file(name, str(home.metrics / "pyramid")))
    with LoopbackServer(app, 0, Log("benchmark")) as server:
        begin = time.perf_counter()
        url = f"http://127.0.0.1:{server.port}"
        index = urllib.request.urlopen(f"{url}/index.json").read()
        width = min(width for width in orjson.loads(index)["widths"] if STEPS / width <= PIXELS)
        records = urllib.request.urlopen(f"{url}/{width}.bin").read()
        seconds = time.perf_counter() - begin
    keeper.close()
    at = 2 + 3 * SERIES.index("loss")
    shown = [(number * width + 1, fields[at + 1]) for number, fields in enumerate(BUCKET.iter_unpack(records))]
    return {
        "bytes": len(index) + len(records),
        "seconds": seconds,
        "points": len(shown),
        "width": width,
        "shown": shown,
    }


def rival(name: str, python: str, losses: Sequence[float], folder: Path) -> dict[str, Any]:
    file = folder / "losses.json"
    file.write_text(json.dumps(losses))
    done = subprocess.run([python, str(RIVALS_FILE), name, str(file)], check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def visible(found: dict[str, Any], losses: Sequence[float], spikes: Sequence[int]) -> int:
    """Spikes whose height a chart can draw: the step itself, or the bucket that has it, reaches as high."""
    width = found.get("width", 1)
    shown = {int(step): value for step, value in found["shown"]}
    buckets = {spike: (spike - 1) // width * width + 1 for spike in spikes}
    return sum(shown.get(bucket, -math.inf) >= losses[spike - 1] - 1e-4 for spike, bucket in buckets.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rivals", metavar="PYTHON", help="the interpreter of their environment")
    python = parser.parse_args().rivals
    losses, spikes = losses_and_spikes()
    print(f"{'':12} {'bytes':>10} {'ms':>8} {'points':>7}  spikes of {SPIKES}")
    for name in ("realm", *(RIVALS if python else ())):
        with tempfile.TemporaryDirectory() as folder:
            found = rival(name, python, losses, Path(folder)) if name in RIVALS else ours(losses, Path(folder))
        seen = visible(found, losses, spikes)
        print(f"{name:12} {found['bytes']:10,} {1000 * found['seconds']:8.1f} {found['points']:7,}  {seen}")
    if not python:
        print("TensorBoard and trackio were not asked: --rivals PYTHON")


if __name__ == "__main__":
    main()
