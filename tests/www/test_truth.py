"""Every number is a file's; nothing moves that did not happen; who is gone is said to be gone."""

import os
import re
import signal

import pytest
from playwright.sync_api import Page, expect

from tests.arena.realm_home import eventually
from tests.www.lab import PATIENCE, ROOMS, Lab, chats

SLOW = 1000 * PATIENCE  # ms
KNOWN = "performance.getEntriesByType('resource').find(({name}) => name.endsWith('training_status.json')) ?? null"
AGE = re.compile(r"\d+ (s|m|h)\b( ago)?")  # the one thing that always moves


@pytest.fixture(autouse=True)
def fought(lab: Lab) -> None:
    """Always something to train."""
    if not any(lab.home.processing.iterdir()):
        lab.drop("long.jsonl", chats(20_000))
    before = lab.step
    eventually(lambda: lab.step > before + 5, 120)


def shown(page: Page) -> str:
    return AGE.sub("", page.locator("main").inner_text())


def test_with_the_trainer_frozen_nothing_moves(page: Page, lab: Lab) -> None:
    trainer = lab.lives["trainer"].pid
    page.goto(lab.url)
    page.locator(".area-battle .facts").wait_for()
    os.kill(trainer, signal.SIGSTOP)
    try:
        hero = page.locator(".area-hero")
        expect(hero).to_contain_text("no word from the trainer", timeout=SLOW)  # three intervals later
        expect(hero.locator(".portrait svg")).to_have_attribute("aria-label", "Nobody knows where Squire is")
        before = shown(page)
        for _ in range(3):
            with page.expect_response("**/api/pulse*"):
                pass
        assert shown(page) == before
    finally:
        os.kill(trainer, signal.SIGCONT)
    expect(page.locator(".area-hero")).to_contain_text("updated", timeout=SLOW)


def test_numbers_are_the_files_and_experience_never_leads(page: Page, lab: Lab) -> None:
    page.goto(lab.url)
    xp = page.locator(".area-hero .bar strong")
    expect(xp).to_have_text(re.compile(r"\d"), timeout=SLOW)
    for _ in range(3):
        before = xp.inner_text()
        expect(xp).not_to_have_text(before, timeout=SLOW)
        steps = int(re.sub(r"\D", "", xp.inner_text()))
        assert steps <= lab.step
    (lab.home.control / ".pause").touch()
    try:
        eventually(lambda: lab.training.state == "paused", PATIENCE)
        told = lab.training
        expect(xp).to_have_text(f"{told.step:,} XP", timeout=SLOW)
        expect(page.locator(".stat", has_text="ATK")).to_contain_text(f"loss {told.loss_ema:.3f}", timeout=SLOW)
    finally:
        (lab.home.control / ".pause").unlink()


@pytest.mark.parametrize("room", ROOMS)
def test_a_tavern_that_was_killed_is_missed_and_comes_back(page: Page, lab: Lab, room: str) -> None:
    page.goto(lab.url + room)
    page.wait_for_selector("main .panel")
    eventually(lambda: page.evaluate(KNOWN) is not None, PATIENCE)
    lab.kill("tavern")
    try:
        expect(page.locator(".banner")).to_contain_text("No word from the Tavern", timeout=SLOW)
    finally:
        lab.start("tavern")
    told = re.compile(r"Back: [\d,]+ steps? happened")  # the trainer went on meanwhile
    page.locator(".toast", has_text=told).wait_for()  # it stays for five seconds
    expect(page.locator(".banner")).to_have_count(0, timeout=SLOW)


KILLED = {"trainer": "/", "queue-watcher": "/quests", "scheduler": "/scheduler", "watchtower": "/watchtower"}


@pytest.mark.parametrize("daemon", KILLED)
def test_a_daemon_that_was_killed_is_said_to_be_gone(page: Page, lab: Lab, daemon: str) -> None:
    page.goto(lab.url + KILLED[daemon])
    expect(page.locator("main")).to_contain_text("updated", timeout=SLOW)
    lab.kill(daemon)
    try:
        expect(page.locator(".panel.stale").first).to_contain_text(f"no word from the {daemon}", timeout=SLOW)
    finally:
        lab.start(daemon)
    expect(page.locator(".panel.stale")).to_have_count(0, timeout=SLOW)
