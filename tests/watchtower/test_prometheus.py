"""Figures for Prometheus: read back by its own parser, and absent where nothing is known."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from realm.core.instance import InstanceLock
from realm.core.paths import Home
from realm.core.status import (
    SchedulerStatus,
    SkillStanding,
    Status,
    Totals,
    TrainingStatus,
    WatchtowerStatus,
    Writer,
    write_status,
)
from realm.watchtower.prometheus import Family, _lines, exposition
from tests.arena.realm_home import put_quest

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
Sample = tuple[str, tuple[tuple[str, str], ...]]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    return home


def header(daemon: str, seconds_ago: float = 1.0) -> dict[str, object]:
    at = NOW - timedelta(seconds=seconds_ago)
    writer = Writer(daemon=daemon, pid=1, boot_id="b", started_at=at, version="0", config_hash="")
    status = Status(
        writer=writer, heartbeat_at=at, interval_s=5, seq=1, ticked_at=at, phase="step", phase_limit_s=120, state="idle"
    )
    return msgspec.structs.asdict(status)


def scraped(home: Home) -> dict[Sample, float]:
    """As Prometheus reads it; a family that says nothing about itself fails."""
    families = list(text_string_to_metric_families(exposition(home, NOW)))
    assert all(family.documentation and family.type in ("counter", "gauge") for family in families)
    return {
        (sample.name, tuple(sample.labels.items())): sample.value for family in families for sample in family.samples
    }


def training(**fields: object) -> TrainingStatus:
    totals = Totals(steps=1234, tokens=99_000, examples=500, quests=7)
    measured = {"step": 1234, "loss": 0.5, "tokens_per_second": 2000.5, "unsealed_minutes": 2.0, "totals": totals}
    return TrainingStatus(**{**header("trainer"), **measured, **fields})  # type: ignore[arg-type]


def test_a_home_where_nothing_ran_yet(home: Home) -> None:
    found = scraped(home)
    assert found[("realm_queue_quests", (("priority", "high"),))] == 0
    assert not [name for name, _ in found if name.startswith(("realm_step", "realm_loss", "realm_daemon"))]


def test_what_is_trained_while_the_trainer_runs(home: Home) -> None:
    assert write_status(home.status, training()) is None
    lock = InstanceLock("trainer", home.locks)
    lock.acquire()
    found = scraped(home)
    lock.release()
    for name, value in {
        "step_total": 1234,
        "tokens_total": 99_000,
        "loss": 0.5,
        "tokens_per_second": 2000.5,
        "unsealed_seconds": 120,
    }.items():
        assert found[(f"realm_{name}", ())] == value
    assert ("realm_validation_loss", ()) not in found
    assert found[("realm_daemon_alive", (("daemon", "trainer"),))] == 1
    assert found[("realm_daemon_progressing", (("daemon", "trainer"),))] == 1
    assert found[("realm_daemon_heartbeat_age_seconds", (("daemon", "trainer"),))] == 1


def test_a_trainer_that_is_down_has_totals_and_no_present(home: Home) -> None:
    write_status(home.status, training())
    (home.locks / "trainer.lock").touch()
    found = scraped(home)
    assert found[("realm_step_total", ())] == 1234
    assert ("realm_loss", ()) not in found
    assert found[("realm_daemon_alive", (("daemon", "trainer"),))] == 0


def test_the_queue_the_skills_and_the_health(home: Home) -> None:
    put_quest(home, b"{}\n", priority="low")
    standing = SkillStanding(mastered_level=3, training_level=4, max_level=30)
    write_status(home.status, SchedulerStatus(**header("scheduler"), exams=9, skills={"bin": standing}))  # type: ignore[arg-type]
    write_status(home.status, WatchtowerStatus(**header("watchtower"), pyramid_steps=1200))  # type: ignore[arg-type]
    found = scraped(home)
    assert found[("realm_queue_quests", (("priority", "low"),))] == 1
    assert found[("realm_skill_mastered_level", (("skill", "bin"),))] == 3
    assert found[("realm_exams_total", ())] == 9
    assert found[("realm_pyramid_step", ())] == 1200
    assert found[("realm_health_findings", (("severity", "trouble"),))] == 0


def test_a_status_that_cannot_be_read_costs_its_own_figures_only(home: Home) -> None:
    (home.status / TrainingStatus.FILE).write_text("{")
    (home.locks / "trainer.lock").touch()
    found = scraped(home)
    assert ("realm_step_total", ()) not in found
    assert found[("realm_daemon_alive", (("daemon", "trainer"),))] == 0


def test_labels_are_escaped() -> None:
    strange = 'a "quoted" \\ name\nwith a line'
    text = "".join(_lines(Family("x", "gauge", "strange", {(("daemon", strange),): 1.0})))
    [family] = text_string_to_metric_families(text)
    assert family.samples[0].labels == {"daemon": strange}
