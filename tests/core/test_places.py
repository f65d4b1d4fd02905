from pathlib import Path

import pytest

from realm.core.paths import DAEMONS, FORMAT_VERSION, PEOPLE, PLACES, SKILL_SERVERS, Home, HomeError


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def test_every_place_a_program_asks_for_is_a_row_of_the_table() -> None:
    rows = {place.path for place in PLACES}
    asked = {name: value for name in vars(Home) if isinstance(value := getattr(Home, name), Path)}
    assert len(asked) == 29
    assert {str(path) for path in asked.values()} <= rows


def test_a_place_lies_below_the_root(home: Home) -> None:
    assert home.holds == home.root / "control" / "holds"


def test_each_row_is_named_once_stays_inside_the_home_and_has_known_writers() -> None:
    paths = [place.path for place in PLACES]
    assert len(set(paths)) == len(paths)
    for place in PLACES:
        assert not Path(place.path).is_absolute()
        assert ".." not in Path(place.path).parts
        assert set(place.writers) <= {PEOPLE, *DAEMONS, SKILL_SERVERS}
        assert place.meaning


def test_creating_a_home_makes_every_folder_with_its_mode(home: Home) -> None:
    home.create()
    for place in PLACES:
        if place.kind == "folder":
            assert (home.root / place.path).is_dir()
            assert mode_of(home.root / place.path) == place.mode, place.path


def test_people_may_write_where_they_drop_move_and_order_and_nobody_reads_the_secrets(home: Home) -> None:
    home.create()
    shared = ["inbox", "inbox/high", "inbox/normal", "inbox/low", "queue/high", "queue/normal", "queue/low"]
    for path in [*shared, "control", "control/orders/trainer"]:
        assert mode_of(home.root / path) == 0o2775, path
    assert mode_of(home.secrets) == 0o700
    assert mode_of(home.processing) == 0o755


def test_staging_is_one_rename_from_the_queue(home: Home) -> None:
    home.create()
    (home.staging / "x").mkdir()
    (home.staging / "x").rename(home.queue / "high" / "x")


def test_creating_again_mends_what_is_missing_and_keeps_what_is_there(home: Home) -> None:
    home.create()
    (home.inbox / "drop.jsonl").write_text("{}")
    home.metrics.rmdir()
    home.secrets.chmod(0o755)
    home.create()
    assert (home.inbox / "drop.jsonl").read_text() == "{}"
    assert home.missing() == []
    assert mode_of(home.secrets) == 0o700


def test_missing_names_what_create_would_make(home: Home) -> None:
    assert "inbox" in [place.path for place in home.missing()]
    home.create()
    assert home.missing() == []
    home.format_file.unlink()
    home.exams.rmdir()
    assert [place.path for place in home.missing()] == ["format", "exams"]


def test_a_home_says_its_format(home: Home) -> None:
    home.create()
    assert home.format_file.read_text() == f"{FORMAT_VERSION}\n"


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        (str(FORMAT_VERSION + 1), "install the newer realm"),
        (str(FORMAT_VERSION - 1), "realm migrate"),
        ("²", "whole number"),
        ("", "whole number"),
    ],
)
def test_a_home_of_another_format_is_left_alone(home: Home, text: str, advice: str) -> None:
    home.root.mkdir()
    home.format_file.write_text(text)
    with pytest.raises(HomeError, match=advice):
        home.create()
    assert list(home.root.iterdir()) == [home.format_file]
    assert home.format_file.read_text() == text


def test_somebodys_own_folder_does_not_become_a_realm(home: Home) -> None:
    (home.root / "Documents").mkdir(parents=True)
    (home.root / "models").mkdir(mode=0o700)
    with pytest.raises(HomeError, match="Documents"):
        home.create()
    assert mode_of(home.root / "models") == 0o700
    assert not home.inbox.exists()


def test_a_home_may_be_prepared_by_hand_or_be_a_mount_of_its_own(home: Home) -> None:
    (home.root / "lost+found").mkdir(parents=True)
    home.config_file.write_text("{}")
    home.create()
    assert home.missing() == []


def test_a_creation_that_was_killed_is_finished_by_the_next(home: Home) -> None:
    home.inbox.mkdir(parents=True)  # the format file is written last
    home.create()
    assert home.missing() == []
