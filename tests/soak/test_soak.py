"""Two minutes of the soak, where a machine can be booted. An hour of it: make soak MINUTES=60."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MINUTES = 2


@pytest.mark.timeout(1800)
def test_nothing_is_lost_doubled_or_stuck(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, "-m", "tests.soak", "--minutes", str(MINUTES), "--seed", "2", "--home", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == os.EX_UNAVAILABLE:
        reason = done.stdout.strip().splitlines()[-1]
        (pytest.fail if os.environ.get("REALM_SYSTEM_TESTS") == "required" else pytest.skip)(reason)
    with capsys.disabled():
        print(f"\n{done.stdout}")
    assert done.returncode == 0, done.stdout
