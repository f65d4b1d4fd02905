"""`realm doctor`: what it prints, in a terminal, a pipe and JSON, and how it ends. What it finds: tests/sentinels."""

import json
import subprocess
import sys

from realm.core.paths import Home
from tests.cli.console import in_terminal, picture, realm, start


def test_a_home_without_a_hero_needs_a_person_who_is_told_what_to_do(home: Home) -> None:
    told = realm(home, "doctor", ends_with=1).stdout
    assert told.startswith(f"{home.root}  realm ")
    for group in ("Home", "Settings", "Daemons", "Battle", "Queue", "Machine"):
        assert f"\n\n{group}\n" in told
    missing = f"  ✗ hero squire: {home.models / 'squire'} does not exist\n"
    assert f"{missing}    why   the trainer does not start without it\n    mend  realm hero build squire\n" in told
    assert told.endswith(f"\n\n1 needs a person; {told.count('  ! ')} are worth knowing\n")
    assert "\x1b" not in told


def test_with_its_hero_all_is_well(home: Home) -> None:
    realm(home, "hero", "build", "squire")
    before = picture(home)
    told = realm(home, "doctor", "--deep").stdout
    assert "  ✓ hero Squire stands in" in told
    assert "  ! trainer has not run here yet\n    mend  realm run trainer" in told
    assert told.endswith(f"\n\nall is well; {told.count('  ! ')} are worth knowing\n")
    assert picture(home) == before


def test_an_audit_adds_its_groups_and_what_is_broken_needs_a_person(home: Home) -> None:
    realm(home, "hero", "build", "squire")
    before = picture(home)
    told = realm(home, "doctor", "--audit").stdout
    assert "Claims" not in realm(home, "doctor").stdout
    for group in ("Quests", "Claims", "Steps", "Seals", "Checkpoints", "Records", "Leftovers"):
        assert f"\n\n{group}\n" in told
    assert "  ✓ 0 gold for 0 completed quests\n" in told
    assert picture(home) == before
    history = home.history / "trainer.jsonl"
    history.write_text("no JSON\n")
    told = realm(home, "doctor", "--audit", ends_with=1).stdout
    assert f"  ✗ {history}, line 1: JSON is malformed" in told
    flat = json.loads(realm(home, "doctor", "--audit", "--json", ends_with=1).stdout)["findings"]
    assert [one["what"] for one in flat if one["group"] == "Records" and one["severity"] == "trouble"]


def test_json_has_every_finding_with_its_group(home: Home) -> None:
    told = json.loads(realm(home, "doctor", "--json", ends_with=1).stdout)
    assert (told["home"], told["needs_a_person"]) == (str(home.root), 1)
    [trouble] = [one for one in told["findings"] if one["severity"] == "trouble"]
    assert trouble == {
        "group": "Settings",
        "severity": "trouble",
        "what": f"hero squire: {home.models / 'squire'} does not exist",
        "why": "the trainer does not start without it",
        "how_to_mend": "realm hero build squire",
    }
    assert {one["severity"] for one in told["findings"]} == {"fine", "note", "trouble"}


def test_no_home_is_a_finding(home: Home) -> None:
    nowhere = Home(home.root / "nowhere")
    for options in ([], ["--audit"]):
        assert f"✗ {nowhere.root} is no realm's home" in realm(nowhere, "doctor", *options, ends_with=1).stdout


def test_a_probe_is_announced(home: Home) -> None:
    assert "a file was made and removed in each" in realm(home, "doctor", "--probe", ends_with=1).stdout


def test_in_a_terminal_it_is_coloured_and_no_line_is_broken_by_the_terminal(home: Home) -> None:
    realm(home, "hero", "build", "squire")
    (home.queue / "high" / "a-stranger-with-a-long-name").mkdir()
    told = in_terminal(home, "doctor", width=72)
    assert "\x1b[32m\x1b[1m✓\x1b[0m" in told
    assert "\x1b[33m\x1b[1m!\x1b[0m" in told
    plain = subprocess.run(
        [sys.executable, "-c", "import click, sys; print(click.unstyle(sys.stdin.read()))"],
        input=told,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    words = [line for line in plain.splitlines() if max(map(len, line.split()), default=0) < 60]
    assert max(map(len, words)) <= 72


def test_where_there_are_no_such_signs_letters_stand_for_them(home: Home) -> None:
    said = start(home, "doctor", encoding="ascii")
    out, _ = said.communicate()
    assert said.returncode == 1
    assert "  + config.json is valid" in out
    assert "  x hero squire: " in out
    assert "?" not in out


def test_what_others_wrote_cannot_steer_the_terminal(home: Home) -> None:
    (home.queue / "high" / "\x1b[2Jred").mkdir()
    told = realm(home, "doctor", ends_with=1).stdout
    assert r"\x1b[2Jred is no quest" in told
    assert "\x1b" not in told
