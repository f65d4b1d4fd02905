"""Each page, wide and narrow: nothing goes wrong, nothing overflows, keys and screen readers find their way."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.arena.realm_home import eventually
from tests.www.conftest import WIDTHS
from tests.www.lab import ROOMS, Lab, chats

CUT = "[...document.querySelectorAll('.panel')].filter((one) => one.scrollWidth > one.clientWidth).map(({id}) => id)"


@pytest.fixture(scope="module", autouse=True)
def fought(lab: Lab) -> None:
    """There is something to look at: a battle behind us, one that failed, and one that waits."""
    lab.drop("sums.jsonl", chats(120))
    lab.drop("torn.jsonl", b'{"messages": [{"role": "user"\n')
    eventually(lambda: any(lab.home.failed.iterdir()) and lab.step >= 8, 120)


@pytest.mark.parametrize("theme", ["night", "day"])
@pytest.mark.parametrize("room", ROOMS)
def test_a_page_is_whole(browser: Browser, lab: Lab, room: str, width: int, theme: str) -> None:
    lab.heard.clear()
    with lab.window(browser, width, WIDTHS[width]) as page:
        page.add_init_script(f"localStorage.setItem('realm.choices', JSON.stringify({{theme: '{theme}'}}))")
        page.goto(lab.url + room)
        page.wait_for_selector("main .panel")
        page.locator("main .age", has_text="updated").first.wait_for()
        overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        cut = page.evaluate(
            "[...document.querySelectorAll('.panel')].filter((p) => p.scrollWidth > p.clientWidth).map((p) => p.id)"
        )
        found = Axe().run(page)
    grave = [
        f"{one['id']}: {one['help']}: {node['html'][:160]}"
        for one in found.response["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]
    assert overflow <= 0
    assert cut == []
    assert grave == []
    assert lab.heard == []


def test_keys_lead_through_the_house(page: Page, lab: Lab) -> None:
    page.goto(lab.url)
    page.wait_for_selector("main .panel")
    for key, room in zip("qgsowt", ("quests", "guild", "scheduler", "oracle", "watchtower", ""), strict=True):
        page.keyboard.press("g")
        page.keyboard.press(key)
        page.wait_for_url(f"{lab.url}/{room}")
        page.wait_for_selector("main .panel")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()


def test_tab_reaches_the_page_first_and_then_each_room(page: Page, lab: Lab) -> None:
    page.goto(lab.url)
    page.wait_for_selector("main .panel")
    reached = []
    for _ in range(8):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.textContent.trim()"))
    assert reached[0] == "Skip to the page"
    assert reached[2:8] == ["Tavern", "Quests", "Guild", "Scheduler", "Oracle", "Watchtower"]


def test_what_failed_says_its_line_and_how_to_mend_it(page: Page, lab: Lab) -> None:
    page.goto(f"{lab.url}/quests")
    note = page.locator("[aria-label=Failed] .note", has_text="torn.jsonl")
    expect(note).to_contain_text("line 1")
    note.get_by_role("button").first.click()
    expect(page.get_by_role("dialog", name="Quest")).to_contain_text("line 1")


def test_names_are_text_and_never_markup(page: Page, lab: Lab) -> None:
    name = "<img src=x onerror=document.title='broken'>.jsonl"
    lab.drop(name, chats(1, 500))
    page.goto(f"{lab.url}/quests")
    page.locator(".note", has_text="<img").first.wait_for()
    assert page.locator("main img").count() == 0
    assert page.title() == "Quests · Realm of Training"
