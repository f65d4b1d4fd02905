"""The oracle's page: a real oracle is asked, stopped, voted on, challenged, saved from, and killed in mid-sentence."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.base import AxeResults
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.oracle.compatible import compatible
from tests.oracle.conftest import NEWER, OLDER
from tests.tavern.oracle_lab import OracleLab, oracle_lab, sit
from tests.www.conftest import WIDTHS
from tests.www.lab import Windows

CUT = "[...document.querySelectorAll('.panel')].filter((one) => one.scrollWidth > one.clientWidth).map(({id}) => id)"
EVIL = "<img src=x onerror=document.title='broken'>"
QUESTION = "Compute: add(①, ①⓪)"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, squire: Path) -> Iterator[OracleLab]:
    with oracle_lab(tmp_path_factory.mktemp("oracle") / "home", squire) as lab:
        yield lab


@pytest.fixture
def page(browser: Browser, lab: OracleLab) -> Iterator[Page]:
    """Nothing goes wrong in it."""
    windows = Windows()
    with windows.window(browser) as page:
        yield page
    assert windows.heard == []


def ask(page: Page, text: str, tokens: int = 16) -> None:
    """Greedy, as this model then says the same for ever: many tokens take seconds."""
    page.get_by_label("Temperature").fill("0")
    page.get_by_label("Tokens").fill(str(tokens))
    page.get_by_label("Question").fill(text)
    expect(page.get_by_role("button", name="Ask Ctrl")).to_be_enabled()  # the models are told
    page.get_by_label("Question").press("Control+Enter")


def reply(page: Page, number: int = 0) -> Locator:
    return page.locator(".reply").nth(number)


def test_the_page_is_whole_at_each_width_by_night_and_by_day(page: Page, lab: OracleLab) -> None:
    page.goto(f"{lab.url}/oracle?other=base&seed=3")
    ask(page, f"{EVIL} {'x' * 300}")
    expect(reply(page, 1)).to_have_class(re.compile("done"))
    expect(page.locator(".asked .said")).to_contain_text("<img src=x")
    assert page.locator("main img").count() == 0
    for (width, height), theme in zip(WIDTHS.items(), ("day", "night"), strict=True):
        page.set_viewport_size({"width": width, "height": height})
        page.get_by_role("button", name=f"change to {theme}").click()
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        assert page.evaluate(CUT) == []
        assert grave(Axe().run(page)) == []


def grave(found: AxeResults) -> list[str]:
    return [one["id"] for one in found.response["violations"] if one["impact"] in ("serious", "critical")]


def test_a_checkpoint_is_found_loaded_asked_stopped_and_asked_again(page: Page, lab: OracleLab) -> None:
    page.goto(f"{lab.url}/oracle")
    page.get_by_label("Search the models").fill("step<600")
    expect(page.locator(".model")).to_have_count(1)
    page.locator(".pick").click()
    page.get_by_role("button", name=f"load {OLDER}").click()
    expect(page.locator(".model .good")).to_have_text("● in memory")
    ask(page, QUESTION, 4000)
    expect(reply(page)).to_contain_text("tokens/s")
    page.keyboard.press("Escape")
    expect(reply(page)).to_have_class(re.compile("stopped"))
    expect(reply(page)).to_contain_text(re.compile(r"first token after [0-9.]+ s .*seed 1 · sha256 [0-9a-f]{12}"))
    page.get_by_role("button", name="Ask again").click()
    page.keyboard.press("Escape")
    expect(reply(page)).to_contain_text(re.compile("seed 2|It was stopped"))
    assert f"model={OLDER}" in page.url
    assert "seed=2" in page.url
    page.get_by_role("button", name="Edit").click()
    expect(page.get_by_label("Question")).to_have_value(QUESTION)
    ask(page, "another one")
    expect(reply(page)).to_have_class(re.compile("done"))
    expect(page.locator(".asked .said")).to_have_text(["another one"])
    expect(page.locator("[role=status].unseen")).not_to_be_empty()  # a whole answer is read out


def test_a_blind_duel_tells_names_after_the_vote_and_keeps_it(page: Page, lab: OracleLab) -> None:
    withheld: list[Route] = []
    page.route("**/oracle/models?*", lambda route: withheld.append(route))
    page.goto(f"{lab.url}/oracle?model={NEWER}&seed=9")
    expect(page.get_by_label("Duel")).to_be_disabled()  # whom it would meet is not told yet
    page.unroute("**/oracle/models?*")
    for request in withheld:
        request.continue_()
    page.get_by_label("Duel").check()
    page.get_by_label("Blind").check()
    ask(page, QUESTION)
    bar = page.get_by_role("group", name="Which answer is better")
    expect(bar).to_be_visible()
    assert "step" not in page.locator(".replies").inner_text()
    assert "sha256" not in page.locator(".replies").inner_text()
    page.get_by_role("heading", name="Conversation").click()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("2")
    expect(page.get_by_text("You voted")).to_contain_text("right, blind")
    page.reload()  # as after a look at another room
    expect(page.get_by_text("You voted")).to_contain_text("right, blind")
    expect(reply(page, 1)).to_contain_text("Right · step")
    vote = json.loads((lab.home.history / "votes.jsonl").read_text().splitlines()[-1])
    assert {vote["left"]["model"], vote["right"]["model"]} == {NEWER, OLDER}
    assert (vote["vote"], vote["blind"], vote["seed"]) == ("right", True, 9)
    assert vote["messages"] == [{"role": "user", "content": QUESTION}]
    assert vote["right"]["answer"].strip() == page.locator(".reply .said").nth(1).inner_text()


def test_the_binary_digits_need_no_typeface_of_the_system(page: Page, lab: OracleLab) -> None:
    page.goto(f"{lab.url}/oracle")
    ask(page, "①⓪")
    said = page.locator(".asked .said").last
    expect(said).to_have_text("①⓪")
    page.evaluate("document.fonts.ready.then(() => true)")
    browser = page.context.new_cdp_session(page)
    browser.send("DOM.enable")
    browser.send("CSS.enable")
    said.evaluate("(node) => node.id = 'asked'")
    root = browser.send("DOM.getDocument")["root"]["nodeId"]
    node = browser.send("DOM.querySelector", {"nodeId": root, "selector": "#asked"})["nodeId"]
    fonts = browser.send("CSS.getPlatformFontsForNode", {"nodeId": node})["fonts"]
    assert [(font["familyName"], font["glyphCount"]) for font in fonts] == [("Realm Signs", 2)]


def test_a_challenge_is_graded_and_a_chat_is_exported_and_becomes_a_quest(page: Page, lab: OracleLab) -> None:
    page.goto(f"{lab.url}/oracle")
    page.get_by_role("button", name="Challenge").click()
    expect(page.get_by_role("region", name="Grade")).to_contain_text("Wrong")
    expect(page.locator(".asked")).to_contain_text("BIN L1")
    ask(page, QUESTION)
    expect(page.locator(".reply.done")).to_have_count(2)
    page.get_by_label("keep").first.uncheck()
    page.get_by_label("Name").fill("an evening")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
    said = json.loads(Path(download.value.path()).read_text())
    assert said["messages"][0]["content"] == QUESTION
    assert said["metadata"]["answers"][0]["seed"] == 1
    page.get_by_role("button", name="Save as a quest").click()
    expect(page.locator(".toast")).to_contain_text("inbox/normal/an evening.jsonl")
    quest = json.loads((lab.home.inbox / "normal" / "an evening.jsonl").read_text())
    assert quest["messages"] == said["messages"]


def test_the_next_champion_is_compared_before_and_crowned_with_a_reason_where_that_does_not_decide(
    page: Page, lab: OracleLab
) -> None:
    page.goto(f"{lab.url}/oracle?model={OLDER}")
    panel = page.get_by_role("region", name="Champion")
    expect(panel).to_contain_text("Nobody wears the crown yet.")
    panel.get_by_role("button", name="Crown step 500").click()
    expect(panel).to_contain_text("step 500, for 0 s.")
    expect(page.locator(".tag.champion")).to_have_text("👑 champion")
    page.goto(f"{lab.url}/oracle?model={NEWER}")
    expect(panel).to_contain_text("have sat no exam with the same items")
    crown = panel.get_by_role("button", name="Crown step 1,000")
    expect(crown).to_be_disabled()
    sit(lab.home, OLDER, range(4, 10))
    sit(lab.home, NEWER, range(9))
    page.reload()
    expect(panel.locator("dl")).to_contain_text("Only the new one right4Only the champion right1")
    expect(panel).to_contain_text("maybe by chance: p is 0.375")
    expect(crown).to_be_disabled()
    panel.get_by_label("Reason").fill(EVIL)
    crown.click()
    expect(panel).to_contain_text(f"step 1,000, for 0 s, before step 500 (p 0.375): “{EVIL}”")
    (lab.home.root / "champion.json").unlink()


def test_what_a_model_says_is_text_and_its_thoughts_are_folded(page: Page, lab: OracleLab) -> None:
    with compatible([f"<think>{EVIL}", "</think>", EVIL]) as server:
        lab.name_host("3090", int(server.url.rpartition(":")[2]))
        page.goto(f"{lab.url}/oracle?host=3090&model=qwen")
        expect(page.locator(".mood")).to_contain_text("listens")
        ask(page, "hello")
        expect(reply(page).locator("> .said")).to_have_text(EVIL)
        expect(reply(page).get_by_text("It thought first")).to_be_visible()
        expect(reply(page).locator(".thought .said")).to_be_hidden()
        assert page.locator("main img").count() == 0
        assert page.title() == "Oracle · Realm of Training"


def test_a_checkpoint_that_is_damaged_says_so_where_it_is_chosen(page: Page, lab: OracleLab) -> None:
    weights = lab.home.current_model / OLDER / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    unload = json.dumps({"model": OLDER, "host": "here"}).encode()
    lab.door("/oracle/unload", "POST", unload, Content_Type="application/json")  # if a test before this had it loaded
    page.goto(f"{lab.url}/oracle?model={OLDER}")
    page.get_by_role("button", name=f"load {OLDER}", exact=True).click()
    expect(page.locator(".model .bad")).to_contain_text(f"restore {OLDER} from another copy")
    weights.write_bytes(whole)


def test_an_oracle_that_is_killed_in_mid_sentence_is_told_and_found_again(page: Page, lab: OracleLab) -> None:
    page.goto(f"{lab.url}/oracle")
    ask(page, QUESTION, 4000)
    expect(reply(page)).to_have_class(re.compile("coming"))
    lab.kill()
    expect(reply(page).get_by_role("alert")).to_contain_text("broke off")
    expect(page.get_by_role("region", name="The Oracle")).to_contain_text("`realm run oracle` starts one")
    ask(page, QUESTION)
    expect(reply(page, 1).get_by_role("alert")).to_contain_text("No Oracle runs on this machine")
    lab.give_memory(0.05)
    lab.start()
    expect(page.locator(".mood")).to_contain_text("no model is in memory")
    page.get_by_label("Duel").check()  # two models that do not fit into memory together answer one after the other
    page.get_by_role("button", name="Ask again").click()
    expect(reply(page, 1)).to_have_class(re.compile("done"))
    expect(reply(page, 2)).to_have_class(re.compile("done"))
    expect(page.locator(".held li")).to_have_count(1)
