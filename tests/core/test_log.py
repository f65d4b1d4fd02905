import os
import subprocess
import sys
from pathlib import Path

import pytest

import realm
from realm.core.log import LOG_LINES, Log, UnknownLine

CHECKOUT = Path(realm.__file__).parents[1]


@pytest.fixture
def log(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Log:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    return Log("trainer")


def test_a_line_has_its_time_its_daemon_its_event_and_its_fields(log: Log, capfd: pytest.CaptureFixture[str]) -> None:
    log("claim", quest="20251122-bin", step=90, loss=0.5, seal=None)
    time, daemon, rest = capfd.readouterr().err.split(" ", 2)
    assert time.endswith("Z")
    assert time[10] == "T"
    assert daemon == "trainer"
    assert rest == "event=claim quest=20251122-bin step=90 loss=0.5\n"


def test_an_unknown_line_is_refused(log: Log) -> None:
    with pytest.raises(UnknownLine, match=r"'munch'.*LOG_LINES.*log\.py"):
        log("munch")


def test_every_line_has_a_priority_of_syslog_and_a_meaning() -> None:
    assert all(0 <= line.priority <= 7 and line.meaning for line in LOG_LINES.values())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain-word_1/2.jsonl", "plain-word_1/2.jsonl"),
        ("", '""'),
        ("two words", '"two words"'),
        ("a=b", '"a=b"'),
        ('say "hi"', r'"say \"hi\""'),
        ("back\\slash", r'"back\\slash"'),
        ("x\nevent=crash", r'"x\nevent=crash"'),
        ("\x1b[31mred\r", r'"\x1b[31mred\r"'),
        ("next\x85line\u2028separator", r'"next\x85line\u2028separator"'),
        ("\u202egnp.exe", r'"\u202egnp.exe"'),
        ("caf\udce9", r'"caf\udce9"'),
        ("⚔️"[:1], "⚔"),
        ("größe", "größe"),
    ],
)
def test_values_are_quoted_when_needed_and_cannot_forge_a_line(
    log: Log, capfd: pytest.CaptureFixture[str], value: str, text: str
) -> None:
    log("refuse", name=value)
    assert capfd.readouterr().err.split(" ", 2)[2] == f"event=refuse name={text}\n"


def test_a_crash_is_a_line_and_its_traceback_indented(log: Log, capfd: pytest.CaptureFixture[str]) -> None:
    try:
        raise ValueError("bad\nevent=end")
    except ValueError as error:
        log.crash(error, thread="seal")
    first, *rest = [line.split(" ", 2)[2] for line in capfd.readouterr().err.splitlines()]
    assert first == r'event=crash error="ValueError: bad\nevent=end" thread=seal'
    assert rest[0] == "  Traceback (most recent call last):"
    assert all(line.startswith("  ") for line in rest)
    assert rest[-1] == "  event=end"


def lines_of_a_child(stream: str) -> str:
    """What a process logs whose stderr is a pipe, with $JOURNAL_STREAM set to `stream` or, for `its own`, that pipe."""
    reader, writer = os.pipe()
    pipe = os.fstat(writer)
    journal = f"{pipe.st_dev}:{pipe.st_ino}" if stream == "its own" else stream
    code = "from realm.core.log import Log; log = Log('trainer'); log('end'); log('hung', phase='step')"
    environment = {**os.environ, "JOURNAL_STREAM": journal}
    subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, stderr=writer, env=environment, check=True)
    os.close(writer)
    with os.fdopen(reader) as output:
        return output.read()


def test_the_journal_gets_priorities_instead_of_times() -> None:
    assert lines_of_a_child("its own") == "<6>event=end\n<3>event=hung phase=step\n"


def test_a_stderr_that_was_sent_elsewhere_gets_times() -> None:
    assert "<6>" not in lines_of_a_child("1:1")


def test_a_log_that_cannot_be_written_stops_nothing() -> None:
    code = "from realm.core.log import Log; Log('trainer')('end'); print('goes on')"
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-c", code]
        child = subprocess.run(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=full, text=True)
    assert (child.stdout, child.returncode) == ("goes on\n", 0)
