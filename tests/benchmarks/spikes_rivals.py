"""What TensorBoard and trackio show of the same rows. tests/benchmarks/spikes.py runs it in an environment of theirs:

    RIVALS_PYTHON spikes_rivals.py tensorboard|trackio LOSSES.json

LOSSES.json: a list, one loss a step from 1 on. Prints {"bytes", "seconds", "points", "shown": [[step, loss], ...]} of
the answer that its page draws a curve of the whole run from, with the settings that it has by itself.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path


def tensorboard(losses: list[float], folder: Path) -> dict[str, object]:
    from tensorboard.summary import Writer

    writer = Writer(str(folder / "run"))
    for step, loss in enumerate(losses, 1):
        writer.add_scalar("loss", loss, step)
    writer.close()
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--port", "0", "--bind_all"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr
        line = next(line for line in server.stderr if "http://" in line)
        port = line.split("http://")[1].split("/")[0].rpartition(":")[2]
        query = f"http://127.0.0.1:{port}/data/plugin/scalars/scalars?run=run&tag=loss"
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:  # until its loader has come to the last step
            try:
                begin = time.perf_counter()
                body = urllib.request.urlopen(query).read()
            except urllib.error.HTTPError:
                continue
            rows = json.loads(body)
            if rows and rows[-1][1] == len(losses):
                return _told(body, time.perf_counter() - begin, [[step, loss] for _, step, loss in rows])
        raise SystemExit("TensorBoard did not come to the last step within 300 s")
    finally:
        server.kill()
        server.wait()


def trackio(losses: list[float], folder: Path) -> dict[str, object]:
    os.environ["TRACKIO_DIR"] = str(folder)
    from trackio import server
    from trackio.sqlite_storage import SQLiteStorage

    for begin in range(0, len(losses), 10_000):
        part = losses[begin : begin + 10_000]
        steps = list(range(begin + 1, begin + 1 + len(part)))
        SQLiteStorage.bulk_log("p", "run", [{"loss": loss} for loss in part], steps=steps)
    begin_at = time.perf_counter()
    body = json.dumps(server.get_logs_batch("p", [{"run": "run"}])).encode()  # what its page asks for
    seconds = time.perf_counter() - begin_at
    found = json.loads(body)
    logs = found[0]["logs"] if isinstance(found, list) else next(iter(found.values()))
    return _told(body, seconds, [[row["step"], row["loss"]] for row in logs])


def _told(body: bytes, seconds: float, shown: list[list[float]]) -> dict[str, object]:
    return {"bytes": len(body), "seconds": seconds, "points": len(shown), "shown": shown}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        measured = {"tensorboard": tensorboard, "trackio": trackio}[sys.argv[1]]
        print(json.dumps(measured(json.loads(Path(sys.argv[2]).read_bytes()), Path(folder))))
