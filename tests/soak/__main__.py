"""python -m tests.soak --minutes N: a realm as services of a real systemd, under everything that goes wrong.

Exit status: 0 every promise held, 1 a violation, 69 no box can be booted here (the reason is printed).
"""

import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

import click

from tests.soak.machine import Machine
from tests.soak.report import report
from tests.soak.signals import deferred, end_by_signals
from tests.soak.soak import soak

SPARE = 3600  # seconds that a box outlives the soak's minutes, should nobody stop it


@click.command()
@click.option("--minutes", type=click.FloatRange(0.5), default=2.0, show_default=True)
@click.option("--seed", type=int, help="Decides what happens when; without it a new one, which is printed.")
@click.option("--per-minute", type=click.FloatRange(1), default=60.0, show_default=True, help="Drops.")
@click.option("--home", "kept", type=click.Path(path_type=Path), help="Keep the home, logs and ledger in this folder.")
def main(minutes: float, seed: int | None, per_minute: float, kept: Path | None) -> None:
    """Soak a realm and judge it."""
    seed = random.randrange(10**9) if seed is None else seed
    folder = kept or Path(tempfile.mkdtemp(prefix="realm-soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise click.UsageError(f"{folder} is not empty: name an empty or a new folder")
    print(f"soak of {minutes:g} minutes, seed {seed}, in {folder}", flush=True)
    machine = Machine(folder / f"box-{os.getpid()}", round(minutes * 60) + SPARE)
    end_by_signals()
    try:
        with deferred():
            reason = machine.boot()
        if reason:
            print(f"no soak: {reason}")
            sys.exit(os.EX_UNAVAILABLE)
        machine.install()
        outcome = soak(machine, folder, minutes, seed, per_minute)
    finally:
        with deferred():
            machine.box.stop()
    print("\n".join(report(outcome, seed)))
    if outcome.verdict.all or kept:
        print(f"look at it: realm --home {outcome.home.root} doctor; the services' logs and the ledger lie in {folder}")
    else:
        shutil.rmtree(folder)
    sys.exit(1 if outcome.verdict.all else 0)


if __name__ == "__main__":
    main()
