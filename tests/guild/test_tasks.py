"""Tasks: each in one place, carried out by one process at a time, never lost with it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from realm.core.files import write_whole
from realm.core.paths import Home
from realm.guild.tasks import (
    KEPT_ENDED,
    MOST_ATTEMPTS,
    RESULT_FILE,
    TaskError,
    TaskQueue,
    TaskText,
)


@pytest.fixture
def queue(tmp_path: Path) -> TaskQueue:
    home = Home(tmp_path / "home")
    home.create()
    queue = TaskQueue(home)
    queue.make_folders()
    return queue


def states(queue: TaskQueue) -> dict[str, str]:
    return {task.id: task.state for task in queue.all()}


def test_the_most_urgent_comes_first_and_of_these_the_oldest(queue: TaskQueue) -> None:
    low = queue.submit(TaskText(kind="exam", urgency="low"))
    first = queue.submit(TaskText(kind="exam"))
    second = queue.submit(TaskText(kind="exam"))
    assert queue.next_waiting() == first
    high = queue.submit(TaskText(kind="exam", urgency="high"))
    assert [task.id for task in queue.all()] == [high.id, first.id, second.id, low.id]


def test_a_task_whose_process_lives_belongs_to_it(queue: TaskQueue) -> None:
    task = queue.submit(TaskText(kind="exam", arguments={"level": 3}))
    lock = queue.begin(task)
    [running] = queue.all("running")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(lock,)) as process:
        os.close(lock)
        assert queue.end(running) is None
        with pytest.raises(BlockingIOError):
            queue.begin(running)
        process.kill()
    ended = queue.end(running)
    assert ended
    assert (ended.state, ended.attempts, ended.text.arguments) == ("normal", 1, {"level": 3})


@pytest.mark.parametrize(("result", "state"), [(b"{}", "done"), (b'{"error": "no such checkpoint"}', "failed")])
def test_its_result_says_how_it_ended(queue: TaskQueue, result: bytes, state: str) -> None:
    os.close(queue.begin(queue.submit(TaskText(kind="exam"))))
    [running] = queue.all("running")
    write_whole(running.path / RESULT_FILE, result)
    ended = queue.end(running)
    assert ended
    assert ended.state == state
    assert list(states(queue).values()) == [state]


def test_one_that_ends_its_process_each_time_fails(queue: TaskQueue) -> None:
    queue.submit(TaskText(kind="exam"))
    for _ in range(MOST_ATTEMPTS):
        waiting = queue.next_waiting()
        assert waiting
        os.close(queue.begin(waiting))
        [running] = queue.all("running")
        queue.end(running)
    [failed] = queue.all("failed")
    assert failed.result
    assert failed.result.error == "its process ended 3 times without a result"


def test_only_a_waiting_one_can_be_cancelled(queue: TaskQueue) -> None:
    task = queue.submit(TaskText(kind="exam"))
    assert queue.cancel(task.id).state == "cancelled"
    with pytest.raises(TaskError, match="is cancelled: only a waiting one"):
        queue.cancel(task.id)
    for unknown in ("../../config", "", task.id.replace("exam", "other")):
        with pytest.raises(TaskError, match="there is no task"):
            queue.cancel(unknown)


def test_what_a_kill_left_half_made_goes_and_so_do_the_oldest_that_ended(queue: TaskQueue) -> None:
    (queue.root / "normal" / ".half").mkdir()
    for _ in range(KEPT_ENDED + 3):
        queue.cancel(queue.submit(TaskText(kind="exam")).id)
    names = sorted(states(queue))
    queue.tidy()
    queue.trim()
    assert sorted(states(queue)) == names[3:]
    assert list(queue.root.glob("*/.*")) == []
