"""pause, resume, stop, skip, seal: what they leave in control/, and what they say of the trainer."""

from realm.core.control import Control, FlagName
from realm.core.paths import Home
from realm.core.quests import QuestQueue
from tests.arena.realm_home import put_quest
from tests.cli.console import LINE, QUEST, alive, realm, say_training


def reason_of(home: Home, name: FlagName) -> str | None:
    flag = Control(home).flag(name)
    return flag.reason if flag else None


def said(home: Home, *words: object) -> list[str]:
    """What a command says while a trainer lives."""
    with alive(home, "trainer"):
        return realm(home, *words).stdout.splitlines()


def test_pause_places_the_flag_with_its_reason(home: Home) -> None:
    say_training(home)
    first, trainer = said(home, "pause", "for", "lunch")
    assert reason_of(home, "pause") == "for lunch"
    assert first == "⏸ .pause is placed: for lunch; `realm resume` takes it away"
    assert trainer == (
        f"The trainer said 1 s ago: working at step 12,345 of {QUEST}; it pauses after this step, and seals"
    )


def test_a_flag_that_is_there_stays_as_it_was_placed(home: Home) -> None:
    realm(home, "pause", "lunch")
    assert ".pause (lunch) was there already, placed 0 s ago" in realm(home, "pause", "dinner").stdout
    assert reason_of(home, "pause") == "lunch"


def test_stop_places_its_own_flag(home: Home) -> None:
    say_training(home, state="stopped", quest=None)
    first, trainer = said(home, "stop")
    assert (reason_of(home, "stop"), reason_of(home, "pause")) == ("", None)
    assert first == "⏸ .stop is placed; `realm resume` takes it away"
    assert trainer == "The trainer said 1 s ago: stopped at step 12,345; it waits"


def test_resume_takes_both_levels_away(home: Home) -> None:
    say_training(home, state="paused")
    control = Control(home)
    control.raise_flag("pause", "lunch")
    control.raise_flag("stop")
    first, trainer = said(home, "resume")
    assert (reason_of(home, "pause"), reason_of(home, "stop")) == (None, None)
    assert first == "▶ .pause (lunch) and .stop are gone"
    assert trainer.endswith("training goes on")
    assert said(home, "resume")[0] == "neither .pause nor .stop was there"


def test_resume_leaves_a_daemons_hold_and_says_so(home: Home) -> None:
    Control(home).place_hold("guardian", "the disk is full")
    say_training(home, state="paused")
    lines = said(home, "resume")
    assert "a hold of guardian stays: the disk is full; that daemon lifts it, or you with rm" in lines
    assert not lines[-1].endswith("training goes on")
    assert [hold.daemon for hold in Control(home).holds()] == ["guardian"]


def test_skip_is_asked_for_once(home: Home) -> None:
    say_training(home)
    assert said(home, "skip")[0] == "✋ .skip is placed"
    assert said(home, "skip")[0] == ".skip was there already, not obeyed yet"
    flag = Control(home).flag("skip")
    assert flag
    assert Control(home).lower(flag)


def test_skip_says_when_there_is_nothing_to_skip(home: Home) -> None:
    say_training(home, state="idle", quest=None)
    assert (
        said(home, "skip")[1]
        == "The trainer said 1 s ago: idle at step 12,345; no quest is being trained, so none ends"
    )


def test_seal_places_its_flag(home: Home) -> None:
    say_training(home)
    assert said(home, "seal")[1].endswith("it seals after this step")
    assert Control(home).flag("seal")


def test_without_a_trainer_it_is_said_when_the_flag_will_be_obeyed(home: Home) -> None:
    say_training(home)
    assert realm(home, "seal").stdout.endswith("not running; it obeys when it starts: `realm run trainer`\n")
    with alive(home, "trainer"):
        (home.status / "training_status.json").unlink()
        assert realm(home, "skip").stdout.endswith("The trainer starts, and has said nothing yet\n")


def test_a_reason_cannot_steer_the_terminal(home: Home) -> None:
    assert "\\x1b[2J" in realm(home, "pause", "\x1b[2J").stdout
    assert "\\x1b[2J" in realm(home, "resume").stdout


def test_a_claimed_quest_is_not_touched_by_any_of_them(home: Home) -> None:
    name = put_quest(home, LINE)
    QuestQueue(home).claim(name)
    for command in ("pause", "stop", "skip", "seal", "resume"):
        realm(home, command)
    assert QuestQueue(home).names("processing") == [name]
