"""The CLI, as a person types it: a real process, its words and its exit status."""

import subprocess
import sys
from pathlib import Path

import orjson

REALM = [sys.executable, "-c", "from realm.cli.main import main; main()"]


def realm(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*REALM, *map(str, words)], capture_output=True, text=True, check=False)


def test_forge_train_exam_by_command(squire: Path, tmp_path: Path) -> None:
    quest = tmp_path / "q.jsonl"
    assert realm("scroll", "forge", "bin", "--level", "1-2", "--count", 200, "--out", quest).returncode == 0
    trained = realm("scroll", "train", quest, "--model", squire, "--out", tmp_path / "run", "--set", "eval_steps=2")
    assert trained.returncode == 0, trained.stderr
    assert "weights SHA-256: " in trained.stdout
    assert trained.stderr == ""
    [checkpoint] = (tmp_path / "run").glob("checkpoint-*")
    examined = realm("scroll", "exam", checkpoint, "--skill", "bin", "--level", 1, "--count", 10, "--json")
    report = orjson.loads(examined.stdout)
    assert (report["count"], report["levels"], report["checkpoint"]) == (10, [1], checkpoint.name)


def test_an_exam_below_the_asked_accuracy_ends_with_status_1(squire: Path) -> None:
    examined = realm("scroll", "exam", squire, "--skill", "bin", "--level", 1, "--count", 5, "--pass", 0.9)
    assert examined.returncode == 1
    assert "below the 90.0% asked for" in examined.stderr


def test_bad_input_is_one_sentence_not_a_traceback(squire: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"messages": [{"role": "assistant", "content": "x"}]}\n{"messages": \n')
    cases = {
        ("scroll", "forge", "bin", "--level", "31", "--count", "1", "--out", tmp_path / "q"): "unknown level 31",
        ("scroll", "forge", "bin", "--level", "x", "--count", "1", "--out", tmp_path / "q"): "write a level such as 3",
        ("scroll", "train", broken, "--model", squire, "--out", tmp_path / "r"): "line 2: not valid JSON",
        ("scroll", "train", broken, "--model", tmp_path, "--out", tmp_path / "r"): "hero.yaml: there is no such",
        ("hero", "build", "zara"): "unknown hero 'zara'",
    }
    for words, sentence in cases.items():
        done = realm(*words)
        assert done.returncode != 0
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr


def test_every_command_explains_itself() -> None:
    for words in ([], ["hero"], ["hero", "build"], ["scroll"], ["scroll", "train"], ["scroll", "exam"]):
        shown = realm(*words, "--help")
        assert shown.returncode == 0
        assert "Usage:" in shown.stdout
