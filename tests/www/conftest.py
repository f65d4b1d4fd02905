"""A realm with all its daemons, and Debian's chromium looking at its Tavern."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.www.lab import PATIENCE, Lab

WIDTHS = {1440: 900, 390: 844}  # CSS pixels

expect.set_options(timeout=1000 * PATIENCE)  # other tests may run beside


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        reason = "no chromium here (Debian: apt-get install chromium)"
        (pytest.fail if os.environ.get("REALM_SYSTEM_TESTS") == "required" else pytest.skip)(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, squire: Path) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("lab") / "home", squire) as lab:
        yield lab


@pytest.fixture(params=WIDTHS, ids=lambda width: f"{width}px")
def width(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def page(browser: Browser, lab: Lab) -> Iterator[Page]:
    """A window of 1440 x 900; what the console says and what goes wrong is in `lab.heard`."""
    with lab.window(browser) as page:
        yield page
