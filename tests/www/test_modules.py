"""The pages' modules, called in a browser: modules.js has what goes in, and what comes out."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from realm.core.config import Tavern
from realm.core.paths import Home
from tests.tavern.conftest import opened

CASES = Path(__file__).with_name("modules.js").read_text()
WWW = Path(__file__).parents[2] / "www"


@pytest.fixture(scope="module")
def empty(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A page of a Tavern whose realm has nothing."""
    home = Home(tmp_path_factory.mktemp("empty") / "home")
    home.create()
    with opened(home, Tavern()) as door:
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{door.port}/guild")
        page.wait_for_selector("main")
        yield page
        page.close()


def test_the_modules_answer_as_they_shall(empty: Page) -> None:
    told = empty.evaluate(CASES)
    assert told["wrong"] == []
    assert told["asked"] > 40


def test_each_module_can_be_loaded(empty: Page) -> None:
    names = [f"/{path.relative_to(WWW)}" for path in (WWW / "js").rglob("*.js") if path.name != "main.js"]
    load = "(names) => Promise.all(names.map((one) => import(one))).then((all) => all.length)"
    assert empty.evaluate(load, names) == len(names) > 40
