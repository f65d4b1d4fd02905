"""Whoever only asks a skill's server leaves no trace in the home: every page of it, a thousand times."""

import http.client
from typing import Any

import pytest

from realm.core.paths import Home
from realm.guild.skills import get_skill
from realm.guild.skills.api import SkillApi
from realm.guild.skills.in_process import InProcessTrainer
from tests.cli.console import picture
from tests.guild.skills.conftest import echo_skill, skill_server
from tests.ports import free_port

PAGES = ("/health", "/info", "/levels", "/eval?level=9&count=5&seed=a", "/eval?level=99", "/nothing")
READS = 1000


def routes(app: Any) -> set[str]:
    """Whatever answers a GET."""
    return {route.rule for route in app.routes if route.method == "GET"}


def test_the_pages_are_all_there_are() -> None:
    skill = get_skill("bin")
    app = SkillApi(skill, InProcessTrainer(skill, "bin")).app
    assert routes(app) == {page.partition("?")[0] for page in PAGES} - {"/nothing"}


@pytest.mark.parametrize("page", PAGES)
def test_a_thousand_looks_at_a_page_change_nothing(home: Home, page: str) -> None:
    port = free_port()
    echo_skill(home, port)
    with skill_server(home, "bon"):
        before = picture(home)
        kept = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for _ in range(READS):
            kept.request("GET", page)
            kept.getresponse().read()
        kept.close()
        assert picture(home) == before
