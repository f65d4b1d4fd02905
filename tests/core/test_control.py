import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from realm.core.control import KEPT_ANSWERS, LEVELS, ONE_SHOTS, Control, ControlError, Flag, FlagName
from realm.core.paths import Home


@pytest.fixture
def control(tmp_path: Path) -> Control:
    home = Home(tmp_path / "home")
    home.create()
    return Control(home)


def by_hand(control: Control, command: str) -> None:
    subprocess.run(["sh", "-c", command], cwd=control.home.control, check=True)


def up(control: Control, name: FlagName) -> Flag:
    flag = control.flag(name)
    assert flag is not None
    return flag


def busy_hand(control: Control, act: Callable[[], object]) -> Control:
    """A control between whose looks somebody acts."""
    return Control(control.home, wait=lambda _: act())


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file())


# Flags


@pytest.mark.parametrize("name", [*LEVELS, *ONE_SHOTS])
def test_a_flag_is_up_while_its_file_exists(control: Control, name: FlagName) -> None:
    assert control.flag(name) is None
    by_hand(control, f"touch .{name}")
    assert up(control, name).reason == ""
    assert up(control, name).placed_at.timestamp() == pytest.approx(
        (control.home.control / f".{name}").stat().st_ctime, abs=1e-3
    )
    by_hand(control, f"rm .{name}")
    assert control.flag(name) is None


@pytest.mark.parametrize("name", [*LEVELS, *ONE_SHOTS])
def test_a_flag_carries_the_first_line_of_its_file_as_reason(control: Control, name: FlagName) -> None:
    by_hand(control, rf"printf '  the fan \377 is loud \nsecond line' > .{name}")
    assert up(control, name).reason == "the fan \ufffd is loud"
    by_hand(control, f"head -c 3000000 /dev/zero | tr '\\0' x > .{name}")
    assert up(control, name).reason == "x" * 500


def test_a_raised_flag_looks_like_one_placed_by_hand(control: Control) -> None:
    control.raise_flag("pause", "dinner\nand more")
    assert up(control, "pause").reason == "dinner"
    assert files_in(control.home.control) == [".pause"]
    control.raise_flag("stop")
    assert (control.home.control / ".stop").read_bytes() == b""


@pytest.mark.parametrize("name", [*LEVELS, *ONE_SHOTS])
def test_raising_a_flag_that_is_up_changes_nothing(control: Control, name: FlagName) -> None:
    control.raise_flag(name, "first")
    first = up(control, name)
    control.raise_flag(name, "second")
    assert up(control, name) == first
    assert files_in(control.home.control) == [f".{name}"]


def test_an_unknown_flag_is_refused(control: Control) -> None:
    for name in ("resume", ".pause", "../pause", ""):
        with pytest.raises(ControlError, match="no flag"):
            control.flag(name)  # type: ignore[arg-type]
        with pytest.raises(ControlError, match="no flag"):
            control.raise_flag(name)  # type: ignore[arg-type]


def test_a_level_holds_whatever_its_file_is(control: Control) -> None:
    by_hand(control, "mkdir .pause; ln -s /nowhere .stop")
    assert up(control, "pause").reason == ""
    assert up(control, "stop").reason == ""
    assert [flag.name for flag in control.resume()] == ["pause", "stop"]
    assert control.flag("pause") is None


def test_a_one_shot_that_could_not_be_lowered_is_none(control: Control) -> None:
    by_hand(control, "mkdir .skip")
    assert control.flag("skip") is None


def test_a_pipe_does_not_stop_the_reader(control: Control) -> None:
    by_hand(control, "mkfifo .pause .skip")
    assert up(control, "pause").reason == ""
    assert control.lower(up(control, "skip"))


@pytest.mark.parametrize("name", ONE_SHOTS)
def test_a_one_shot_is_lowered_once(control: Control, name: FlagName) -> None:
    by_hand(control, f"touch .{name}")
    flag = up(control, name)
    assert control.lower(flag)
    assert not control.lower(flag)
    assert control.flag(name) is None


def test_a_one_shot_placed_again_meanwhile_stays(control: Control) -> None:
    by_hand(control, "touch .skip")
    first = up(control, "skip")
    by_hand(control, "rm .skip; touch .skip")  # the inode number may well be the same
    assert not control.lower(first)
    second = up(control, "skip")
    assert second.identity != first.identity
    assert control.lower(second)


def test_a_one_shot_keeps_its_identity_for_whoever_starts_anew(control: Control) -> None:
    by_hand(control, "echo now > .seal")
    assert up(control, "seal") == up(Control(control.home), "seal")


def test_a_one_shot_is_taken_only_when_it_is_complete(control: Control) -> None:
    file = control.home.control / ".skip"
    file.touch()  # the first half of `echo boring > .skip`
    writing = busy_hand(control, lambda: file.stat().st_size or file.write_text("boring\n"))
    flag = up(writing, "skip")
    assert flag.reason == "boring"
    assert control.lower(flag)


@pytest.mark.parametrize("name", LEVELS)
def test_a_level_is_seen_at_once(control: Control, name: FlagName) -> None:
    control.raise_flag(name)
    waits: list[float] = []
    assert Control(control.home, wait=waits.append).flag(name)
    assert waits == []


def test_a_one_shot_that_never_rests_is_not_taken_and_stops_nobody(control: Control) -> None:
    file = control.home.control / ".skip"
    file.touch()
    never = iter(range(1, 1000))
    assert busy_hand(control, lambda: file.write_text("x" * next(never))).flag("skip") is None


def test_a_one_shot_removed_between_two_looks_was_never_there(control: Control) -> None:
    file = control.home.control / ".skip"
    file.touch()
    assert busy_hand(control, file.unlink).flag("skip") is None


@pytest.mark.parametrize("name", LEVELS)
def test_no_level_is_lowered(control: Control, name: FlagName) -> None:
    control.raise_flag(name)
    with pytest.raises(ControlError, match="person"):
        control.lower(up(control, name))
    assert control.flag(name)


def test_resuming_lifts_both_levels_and_nothing_else(control: Control) -> None:
    for name in (*LEVELS, *ONE_SHOTS):
        control.raise_flag(name, f"because of {name}")
    assert [flag.reason for flag in control.resume()] == ["because of pause", "because of stop"]
    assert control.resume() == []
    assert files_in(control.home.control) == [".seal", ".skip"]


# Holds


def test_a_hold_names_its_daemon_and_its_reason_until_it_is_lifted(control: Control) -> None:
    control.place_hold("guardian", "disk 97 % full")
    control.place_hold("branch-officer", "moving")
    assert [(hold.daemon, hold.reason) for hold in control.holds()] == [
        ("branch-officer", "moving"),
        ("guardian", "disk 97 % full"),
    ]
    for _ in range(2):
        control.lift_hold("guardian")
    assert [hold.daemon for hold in control.holds()] == ["branch-officer"]


def test_a_hold_placed_again_keeps_its_time_unless_the_reason_changes(control: Control) -> None:
    control.place_hold("guardian", "hot")
    inode = (control.home.holds / "guardian").stat().st_ino
    control.place_hold("guardian", "hot")
    assert (control.home.holds / "guardian").stat().st_ino == inode
    control.place_hold("guardian", "hotter")
    assert [hold.reason for hold in control.holds()] == ["hotter"]


def test_whatever_lies_among_the_holds_holds_but_what_is_being_written(control: Control) -> None:
    by_hand(control, "touch holds/me holds/.half holds/x.tmp holds/y.part holds/z~; mkdir holds/folder")
    assert [hold.daemon for hold in control.holds()] == ["folder", "me"]


def test_a_hold_or_an_order_of_an_unknown_daemon_is_refused(control: Control) -> None:
    for name in ("nobody", "../trainer", "", "."):
        for act in (
            lambda name=name: control.place_hold(name, "x"),
            lambda name=name: control.lift_hold(name),
            lambda name=name: control.place_order(name, "load"),
            lambda name=name: control.next_order(name),
        ):
            with pytest.raises(ControlError, match="no daemon"):
                act()


# Orders


def orders(control: Control) -> Path:
    return control.home.orders / "oracle"


def test_an_order_is_given_answered_and_cleared(control: Control) -> None:
    order_id = control.place_order("oracle", "load", {"step": 7})
    order = control.next_order("oracle")
    assert order is not None
    assert (order.id, order.action, order.arguments) == (order_id, "load", {"step": 7})
    assert control.answer_to("oracle", order_id) is None
    for _ in range(2):
        control.answer(order, {"loaded": 7})
    answer = control.answer_to("oracle", order_id)
    assert answer is not None
    assert (answer.action, answer.result, answer.error) == ("load", {"loaded": 7}, None)
    assert control.next_order("oracle") is None
    assert files_in(orders(control)) == []


def test_a_refused_order_says_why(control: Control) -> None:
    order_id = control.place_order("oracle", "dance")
    order = control.next_order("oracle")
    assert order is not None
    control.refuse(order, "unknown action 'dance': load, unload")
    answer = control.answer_to("oracle", order_id)
    assert answer is not None
    assert answer.error == "unknown action 'dance': load, unload"
    assert files_in(orders(control)) == []


def test_orders_are_carried_out_by_name_and_again_until_answered(control: Control) -> None:
    ids = [control.place_order("oracle", "load", {"step": step}) for step in range(3)]
    assert ids == sorted(ids)
    for expected in (ids[0], ids[0], ids[0]):
        order = control.next_order("oracle")
        assert order is not None
        assert order.id == expected
    control.answer(order)
    assert getattr(control.next_order("oracle"), "id", None) == ids[1]


def test_an_order_may_be_written_by_hand(control: Control) -> None:
    by_hand(control, """echo '{"action": "unload"}' > orders/oracle/my-order.json""")
    order = control.next_order("oracle")
    assert order is not None
    assert (order.id, order.action, order.arguments) == ("my-order", "unload", {})


def test_a_half_written_order_waits_for_its_other_half(control: Control) -> None:
    file = orders(control) / "slow.json"
    file.write_text('{"action":')
    hand = busy_hand(control, lambda: file.write_text('{"action": "load"}') if file.stat().st_size < 12 else None)
    order = hand.next_order("oracle")
    assert order is not None
    assert order.action == "load"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "expected"),
        ("load", "expected"),
        ("[]", "expected"),
        ('{"action": "load", "arguments": 3}', "arguments"),
        ('{"action": "Load it"}', "action"),
        (r'{"action": "load\n"}', "action"),
        ('{"action": "load", "step": 3}', "step"),
        ('{"action": "load", "arguments": {"x": "' + "y" * 2_000_000 + '"}}', "expected"),
    ],
)
def test_an_unreadable_order_is_answered_once_and_does_not_block_the_next(
    control: Control, content: str, reason: str
) -> None:
    (orders(control) / "0-bad.json").write_text(content)
    good = control.place_order("oracle", "load")
    assert getattr(control.next_order("oracle"), "id", None) == good
    answer = control.answer_to("oracle", "0-bad")
    assert answer is not None
    assert answer.error is not None
    assert reason in answer.error
    assert answer.action == ""
    assert files_in(orders(control)) == [f"{good}.json"]


@pytest.mark.parametrize("name", ["two words.json", "-x.json", "é" * 125 + ".json", "a\nb.json"])
def test_an_order_whose_name_cannot_be_an_id_is_answered_under_another(control: Control, name: str) -> None:
    (orders(control) / name).write_text('{"action": "load"}')
    assert control.next_order("oracle") is None
    assert files_in(orders(control)) == []
    (done,) = (orders(control) / "done").iterdir()
    assert done.name.startswith("misnamed-")
    assert "named with" in json.loads(done.read_bytes())["error"]


def test_links_and_pipes_are_answered_and_folders_and_unfinished_files_left(control: Control) -> None:
    by_hand(
        control,
        "cd orders/oracle; mkfifo pipe.json; ln -s /etc/passwd link.json; mkdir folder.json;"
        " touch .half.json notes.txt x.json.tmp",
    )
    assert control.next_order("oracle") is None
    assert files_in(orders(control)) == [".half.json", "notes.txt", "x.json.tmp"]
    assert files_in(orders(control) / "done") == ["link.json", "pipe.json"]


def test_an_id_may_be_used_again(control: Control) -> None:
    for number in range(2):
        (orders(control) / "scan.json").write_text('{"action": "scan"}')
        order = control.next_order("oracle")
        assert order is not None
        control.answer(order, number)
        answer = control.answer_to("oracle", "scan")
        assert answer is not None
        assert answer.result == number


def test_an_order_replaced_while_it_was_carried_out_is_a_new_order(control: Control) -> None:
    file = orders(control) / "scan.json"
    file.write_text('{"action": "scan"}')
    order = control.next_order("oracle")
    assert order is not None
    file.write_text('{"action": "verify"}')
    control.answer(order)
    assert getattr(control.next_order("oracle"), "action", None) == "verify"


def test_a_number_that_json_lacks_is_answered_as_null_with_a_reason(control: Control) -> None:
    order_id = control.place_order("oracle", "measure")
    order = control.next_order("oracle")
    assert order is not None
    control.answer(order, {"loss": float("nan")})
    answer = control.answer_to("oracle", order_id)
    assert answer is not None
    assert answer.result == {"loss": None}
    assert answer.problems == ["loss is nan"]


def test_old_answers_go(control: Control) -> None:
    done = orders(control) / "done"
    for number in range(KEPT_ANSWERS + 5):
        (done / f"{number}.json").write_text("{}")
        os.utime(done / f"{number}.json", (number, number))
    control.place_order("oracle", "load")
    order = control.next_order("oracle")
    assert order is not None
    control.answer(order)
    assert len(files_in(done)) == KEPT_ANSWERS
    assert not (done / "5.json").exists()
    assert (done / "6.json").exists()


@pytest.mark.parametrize("action", ["", "Load", "load it", "../x", "load\n"])
def test_an_order_nobody_could_read_is_not_placed(control: Control, action: str) -> None:
    with pytest.raises(ControlError, match="action"):
        control.place_order("oracle", action)
    assert files_in(orders(control)) == []


@pytest.mark.parametrize("order_id", ["../x", "", "a/b", "x\n"])
def test_what_is_no_id_never_becomes_a_path(control: Control, order_id: str) -> None:
    with pytest.raises(ControlError, match="no order's id"):
        control.answer_to("oracle", order_id)
