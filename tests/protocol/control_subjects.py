"""What people and daemons say to each other: flags, holds, orders."""

from realm.core.control import Control
from realm.core.paths import Home
from tests.protocol.subject import Complaint, Complaints, Subject

REASON = "a person asked"


def is_up(home: Home, *names: str) -> Complaints:
    up = {path.name for path in home.control.glob(".*") if path.suffix != ".tmp"}
    if wrong := up ^ {f".{name}" for name in names}:
        yield Complaint("lost", f"{' '.join(wrong)}: up or down, it is not as it was told")
    for name in names:
        if f".{name}" in up and (home.control / f".{name}").read_text() not in ("", f"{REASON}\n"):
            yield Complaint("torn", f".{name} has lost its reason")


def lower_skip(home: Home) -> None:
    control = Control(home)
    if flag := control.flag("skip"):
        control.lower(flag)


def holds(home: Home, *reasons: str) -> Complaints:
    if (found := [hold.reason for hold in Control(home).holds()]) != list(reasons):
        yield Complaint("lost", f"holds are {found}")


def place_order(home: Home) -> None:
    """A person looks first whether it is there."""
    control = Control(home)
    if control.next_order("oracle") is None:
        control.place_order("oracle", "load", {"step": 7})


def answer(home: Home) -> None:
    control = Control(home)
    while order := control.next_order("oracle"):
        control.answer(order, {"loaded": order.arguments["step"]})


def waits_once(home: Home) -> Complaints:
    files = list(home.orders.glob("oracle/[!.]*.json"))
    order = Control(home).next_order("oracle")
    if order is None or order.arguments != {"step": 7}:
        yield Complaint("lost", "the order is not there")
    elif len(files) > 1:
        yield Complaint("twice", f"{len(files)} orders")


def is_answered_once(home: Home) -> Complaints:
    if Control(home).next_order("oracle") or list(home.orders.glob("oracle/[!.]*.json")):
        yield Complaint("twice", "the order waits still")
    answers = [path.stem for path in home.orders.glob("oracle/done/[!.]*.json")]
    results = [told.result for one in answers if (told := Control(home).answer_to("oracle", one))]
    if results != [{"loaded": 7}]:
        yield Complaint("lost", f"the answers are {results}")


def is_refused_once(home: Home) -> Complaints:
    told = Control(home).answer_to("oracle", "bad")
    if told is None or not told.error:
        yield Complaint("lost", "nobody told what is wrong with the order")
    if (home.orders / "oracle/bad.json").exists():
        yield Complaint("stuck", "the bad order lies there still")


SUBJECTS = {
    "raise a flag": Subject(
        prepare=lambda home: None,
        act=lambda home: Control(home).raise_flag("pause", REASON),
        check=lambda home: is_up(home, "pause"),
    ),
    "lower a one-shot": Subject(
        prepare=lambda home: (home.control / ".skip").touch(),
        act=lower_skip,
        check=lambda home: is_up(home),
    ),
    "resume": Subject(
        prepare=lambda home: [(home.control / f".{name}").touch() for name in ("pause", "stop")],
        act=lambda home: Control(home).resume(),
        check=lambda home: is_up(home),
    ),
    "place a hold": Subject(
        prepare=lambda home: None,
        act=lambda home: Control(home).place_hold("guardian", "disk full"),
        check=lambda home: holds(home, "disk full"),
    ),
    "lift a hold": Subject(
        prepare=lambda home: Control(home).place_hold("guardian", "disk full"),
        act=lambda home: Control(home).lift_hold("guardian"),
        check=lambda home: holds(home),
    ),
    "place an order": Subject(prepare=lambda home: None, act=place_order, check=waits_once),
    "answer an order": Subject(prepare=place_order, act=answer, check=is_answered_once),
    "refuse an order": Subject(
        prepare=lambda home: (home.orders / "oracle/bad.json").write_text("{"),
        act=lambda home: Control(home).next_order("oracle"),
        check=is_refused_once,
    ),
}
