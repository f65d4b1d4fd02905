"""Makes a home with the code of an older version, for tests/sentinels/homes/. By hand, once for each version:

    mkdir /tmp/old; git archive COMMIT | tar x -C /tmp/old
    python -m tests.sentinels.old_home /tmp/old tests/sentinels/homes/COMMIT

gives COMMIT-ended.tar.xz, its daemons ended as they were told, and COMMIT-killed.tar.xz, the trainer killed in the
middle of its second quest. Everything in them was written by the old code; only the hero is smaller than squire, so
that a seal has some thousand bytes.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

TINY = {
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 4,
}
SEALS = {"minutes": 240, "first_minutes": 240, "dry_minutes": 0}


class OldRealm:
    """A home, and the old code's command for it."""

    def __init__(self, source: Path, root: Path):
        self._source, self.root = source, root

    def start(self, *words: str, quiet: bool = True) -> "subprocess.Popen[bytes]":
        environment = {**os.environ, "PYTHONPATH": str(self._source), "REALM_HOME": str(self.root)}
        command = [sys.executable, "-c", "from realm.cli.main import main; main()", *words]
        return subprocess.Popen(
            command, env=environment, cwd=self._source, stderr=subprocess.DEVNULL if quiet else None
        )

    def run(self, *words: str) -> None:
        if self.start(*words, quiet=False).wait():
            raise SystemExit(f"the old realm failed: {' '.join(words)}")

    def status(self, key: str) -> object:
        file = self.root / "status" / "training_status.json"
        return json.loads(file.read_bytes())[key] if file.exists() else None

    def count(self, state: str) -> int:
        return len(list((self.root / "queue" / state).iterdir()))


def until(look: Callable[[], object]) -> None:
    while not look():
        time.sleep(0.05)


def shrink_hero(source: Path) -> None:
    file = source / "configs" / "heroes" / "squire.yaml"
    text = file.read_text()
    for key, value in TINY.items():
        text = re.sub(rf"^( +{key}:) \d+$", rf"\1 {value}", text, flags=re.MULTILINE)
    file.write_text(text)


def make(source: Path, root: Path, *, killed: bool) -> None:
    """One quest is trained, one refused; the second is trained to its end, or to the trainer's own."""
    realm = OldRealm(source, root)
    realm.run("init")
    checkpoint_steps = 10_000 if killed else 40  # each brings a seal: a kill is to leave decisions behind the newest
    training = {"max_length": 128, "batch_size": 2, "checkpoint_steps": checkpoint_steps, "eval_steps": 20}
    config = {"model_name": "squire", "threads": 1, "training": training, "seals": SEALS}
    (root / "config.json").write_text(json.dumps(config))
    watcher = realm.start("run", "queue-watcher")
    (root / "inbox" / "broken.jsonl").write_text("no JSON\n")
    drop(realm, "first", 200, 0)
    trainer = realm.start("run", "trainer")
    until(lambda: realm.count("recently_completed") == 1 and realm.count("failed") == 1)
    drop(realm, "second", 1200 if killed else 200, 1000)
    if killed:
        until(lambda: realm.count("processing") and (realm.status("quest_step") or 0) > 20)
        trainer.kill()
    else:
        until(lambda: realm.count("recently_completed") == 2)
        trainer.send_signal(signal.SIGTERM)
    watcher.send_signal(signal.SIGTERM)
    trainer.wait()
    watcher.wait()


def drop(realm: OldRealm, name: str, lines: int, first: int) -> None:
    words = ["--level", "1", "--count", str(lines), "--first-index", str(first)]
    realm.run("scroll", "forge", "bin", *words, "--out", str(realm.root / "inbox" / f"{name}.jsonl"))


def pack(root: Path, target: Path) -> None:
    """Without old owners; journal segments are zeros for the most part."""

    def nameless(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        return entry

    with tarfile.open(target, "w:xz") as tar:
        tar.add(root, "home", filter=nameless)
    print(f"{target}: {target.stat().st_size:,} bytes")


def main() -> None:
    source, target = Path(sys.argv[1]).absolute(), Path(sys.argv[2]).absolute()
    target.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        code = Path(folder) / "code"
        shutil.copytree(source, code)
        shrink_hero(code)
        for end in ("ended", "killed"):
            make(code, Path(folder) / end, killed=end == "killed")
            pack(Path(folder) / end, target.with_name(f"{target.name}-{end}.tar.xz"))


if __name__ == "__main__":
    main()
