"""The first visit: four steps at real controls, gone on with after a reload, left at any time, and never again."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.www.conftest import WIDTHS
from tests.www.lab import Lab

POINTED = re.compile(r"\bpointed\b")


def tour_of(page: Page) -> tuple[str, str]:
    tour = page.get_by_role("complementary", name="Tour")
    return tour.locator("p").first.inner_text(), tour.get_by_role("heading").inner_text()


def test_it_leads_to_each_control_and_ends(browser: Browser, lab: Lab, width: int) -> None:
    lab.heard.clear()
    with lab.window(browser, width, WIDTHS[width], is_new=True) as page:
        page.goto(lab.url)
        expect(page.locator(".area-hero .bar")).to_have_class(POINTED)
        assert tour_of(page) == ("A look round: 1 of 4", "This is your hero")
        found = Axe().run(page)
        page.get_by_role("link", name="Next").click()
        page.wait_for_url(f"{lab.url}/quests")
        expect(page.locator(".drop")).to_have_class(POINTED)
        page.reload()  # and it goes on there
        assert tour_of(page) == ("A look round: 2 of 4", "Quests are files")
        page.get_by_role("link", name="Next").press("Enter")
        page.wait_for_url(f"{lab.url}/")
        expect(page.locator(".area-battle .buttons")).to_have_class(POINTED)
        page.goto(f"{lab.url}/scheduler")  # whoever walks away is shown the way back
        page.get_by_role("link", name="Show me").click()
        page.wait_for_url(f"{lab.url}/")
        page.get_by_role("link", name="Next").click()
        expect(page.locator(".ladder").first).to_have_class(POINTED)
        page.get_by_role("button", name="Done").click()
        expect(page.get_by_role("complementary", name="Tour")).to_have_count(0)
        expect(page.locator(".pointed")).to_have_count(0)
        page.goto(lab.url)
        page.wait_for_selector("main .panel")
        expect(page.get_by_role("complementary", name="Tour")).to_have_count(0)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert [one["id"] for one in found.response["violations"] if one["impact"] in ("serious", "critical")] == []
    assert lab.heard == []


@pytest.mark.parametrize("room", ["/", "/quests"])
def test_it_can_be_skipped_once_and_for_all(browser: Browser, lab: Lab, room: str) -> None:
    with lab.window(browser, is_new=True) as page:
        page.goto(lab.url + room)
        page.get_by_role("button", name="Skip the tour").click()
        for _ in range(2):
            expect(page.get_by_role("complementary", name="Tour")).to_have_count(0)
            page.reload()
            page.wait_for_selector("main .panel")
