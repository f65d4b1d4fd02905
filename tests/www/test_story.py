"""One evening in the tavern: a file is dropped in the page, fought, completed; a pause; another curriculum."""

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.arena.realm_home import eventually
from tests.www.lab import PATIENCE, Lab, chats

SLOW = 1000 * PATIENCE  # ms


def test_a_quest_from_the_page_to_its_gold(page: Page, lab: Lab, tmp_path: Path) -> None:
    quest = tmp_path / "evening.jsonl"
    quest.write_bytes(chats(1500))  # long enough to be seen in battle
    page.goto(f"{lab.url}/quests")
    page.set_input_files("input[type=file]", quest)
    expect(page.locator("main")).to_contain_text("inbox/normal/evening.jsonl", timeout=SLOW)
    page.goto(lab.url)
    expect(page.locator(".caption")).to_contain_text("evening.jsonl", timeout=SLOW)
    xp = page.locator(".area-hero .bar strong")
    expect(xp).to_have_text(re.compile(r"^[1-9][\d,]* XP$"), timeout=SLOW)
    (lab.home.control / ".seal").touch()  # what is trained counts when a seal has it
    expect(page.locator(".toast", has_text="Quest complete!")).to_be_visible(timeout=4 * SLOW)
    page.goto(f"{lab.url}/quests")
    expect(page.locator("[aria-label=Completed] .note", has_text="evening.jsonl")).to_contain_text("+100 gold")


def test_a_pause_is_a_file_and_holds_until_it_is_lifted(page: Page, lab: Lab) -> None:
    flag = lab.home.control / ".pause"
    page.goto(lab.url)
    page.get_by_role("button", name="Pause").click()
    eventually(flag.exists, PATIENCE)
    expect(page.locator(".area-battle")).to_contain_text("The trainer has paused", timeout=SLOW)
    expect(page.locator(".portrait svg")).to_have_attribute("aria-label", re.compile("rests"))
    page.reload()  # and on another device it is the same
    page.get_by_role("button", name="Resume").click()
    eventually(lambda: not flag.exists(), PATIENCE)
    expect(page.get_by_role("button", name="Pause")).to_be_enabled(timeout=SLOW)


def test_another_preset_is_another_preview(page: Page, lab: Lab) -> None:
    page.goto(f"{lab.url}/scheduler")
    choose(page, "bin_only")
    focused = page.locator("[data-decisions]").inner_text()
    choose(page, "balanced")
    expect(page.locator("[data-decisions]")).not_to_have_text(focused, timeout=SLOW)
    assert b'"equal"' in lab.home.config_file.read_bytes()
    panel = page.get_by_role("region", name="Curriculum")
    expect(panel).to_contain_text("With the Tavern")
    panel.get_by_role("button", name="Undo it").click()
    preset(page, "bin_only")
    assert b'"focus"' in lab.home.config_file.read_bytes()
    written = lab.home.config_file.read_bytes()
    lab.home.config_file.write_bytes(written.replace(b'"focus"', b'"catch_up"'))  # a hand
    expect(panel).to_contain_text("no file says by whom", timeout=SLOW)
    expect(panel.get_by_role("button", name="Undo it")).to_be_disabled()


def choose(page: Page, name: str) -> None:
    """Nothing is written before its differences were shown."""
    page.locator(".preset", has_text=name).click()
    tried = page.get_by_role("group", name=f"Preset {name}")
    expect(tried.locator(".diff li").first).to_contain_text("curriculum.")
    tried.get_by_role("button", name="Apply").click()
    preset(page, name)


def preset(page: Page, name: str) -> None:
    button = page.locator(".preset", has_text=name)
    expect(button).to_have_attribute("aria-pressed", "true", timeout=SLOW)


def test_a_bad_file_is_told_before_it_is_sent(page: Page, lab: Lab, tmp_path: Path) -> None:
    quest = tmp_path / "bad.jsonl"
    quest.write_bytes(chats(3) + b'{"question": 1}\n')
    page.goto(f"{lab.url}/quests")
    page.set_input_files("input[type=file]", quest)
    expect(page.get_by_role("alert")).to_contain_text("bad.jsonl, line 4", timeout=SLOW)
    assert not list(lab.home.inbox.rglob("*bad*"))


def test_a_waiting_quest_gets_another_priority(page: Page, lab: Lab) -> None:
    (lab.home.control / ".pause").touch()
    lab.drop("later.jsonl", chats(20, 900))
    page.goto(f"{lab.url}/quests")
    note = page.locator(".note", has_text="later.jsonl")
    note.get_by_role("combobox").select_option("high")
    eventually(lambda: any((lab.home.queue / "high").iterdir()), PATIENCE)
    expect(page.locator(".lane", has_text="high").locator(".note", has_text="later.jsonl")).to_be_visible(timeout=SLOW)
    (lab.home.control / ".pause").unlink()
