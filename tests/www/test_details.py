"""What a page tells when one looks closer, and what it keeps: in the address, in the inbox, in no file unless asked."""

import hashlib
import re
import signal
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from realm.guild.trainers.bin import attributes
from tests.arena.realm_home import eventually
from tests.www.lab import PATIENCE, Lab, chats

SLOW = 1000 * PATIENCE  # ms
MEGABYTE = 2**20
BAD = b'{"messages": [{"role": "wizard", "content": "<b>abracadabra</b>"}]}\n'


@pytest.fixture(scope="module", autouse=True)
def fought(lab: Lab) -> None:
    """A quest behind us, and one that was turned away."""
    lab.drop("behind.jsonl", chats(60) + chats(2))
    lab.drop("spoilt.jsonl", chats(9, 400) + BAD * 2 + b'{"torn": \n' + chats(9, 500))
    eventually(lambda: any(lab.home.failed.iterdir()) and lab.step >= 1 and lab.training.quest is None, 120)
    (lab.home.control / ".seal").touch()
    eventually(lambda: any(lab.home.completed.iterdir()), 120)


@pytest.fixture(autouse=True)
def quiet(lab: Lab) -> Any:
    """Nothing goes wrong, but for a tavern that a test kills."""
    lab.heard.clear()
    yield
    assert [said for said in lab.heard if "ERR_CONNECTION" not in said and "ERR_EMPTY" not in said] == []


def look_at(page: Page, lab: Lab, title: str) -> Locator:
    page.goto(f"{lab.url}/quests")
    page.locator(".note", has_text=title).first.get_by_role("button").first.click()
    detail = page.get_by_role("dialog", name="Quest")
    expect(detail.get_by_role("heading", name=title)).to_be_visible()
    return detail


def result_of(lab: Lab, title: str) -> dict[str, Any]:
    folder = next(
        folder
        for folder in lab.home.completed.iterdir()
        if msgspec.json.decode((folder / "meta.json").read_bytes())["original_name"] == title
    )
    return dict(msgspec.json.decode((folder / "result.json").read_bytes()))


def gravely(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found if one["impact"] in ("serious", "critical")]


# Quests


def test_a_finished_quest_tells_what_it_brought(page: Page, lab: Lab) -> None:
    detail, result = look_at(page, lab, "behind.jsonl"), result_of(lab, "behind.jsonl")
    expect(detail).to_contain_text(f"+{result['steps']} XP")
    expect(detail).to_contain_text("+100 gold")
    expect(detail).to_contain_text(f"{result['first_loss']:.4f} → {result['last_loss']:.4f}")
    first, last = result["first_step"] + 1, result["first_step"] + result["steps"]
    expect(detail.get_by_role("link", name="steps")).to_have_attribute("href", f"/watchtower?span={first}-{last}")
    expect(detail).to_contain_text("standard passed")
    detail.get_by_role("button", name="Count lines that repeat").click()
    expect(detail).to_contain_text("2 lines (3.2 %)")
    expect(detail).to_contain_text("line 61 as 1")
    expect(detail).to_contain_text("Tokens of an example, in 62 sampled lines")
    expect(detail).to_contain_text("The largest batch that it can make")
    assert gravely(page) == []
    assert (
        page.evaluate("document.querySelector('dialog').scrollWidth - document.querySelector('dialog').clientWidth")
        <= 0
    )


def test_a_refused_quest_is_mended_and_stays_until_it_is_buried(page: Page, lab: Lab) -> None:
    detail = look_at(page, lab, "spoilt.jsonl")
    expect(detail.locator("figure.row").first).to_contain_text("quest.jsonl:10")
    expect(detail.locator("figure.row pre").first).to_have_text(
        re.compile(r'"role": "wizard",\n\s+"content": "<b>abra')
    )
    expect(detail).to_contain_text("unknown_role 2 times")
    expect(detail.get_by_role("button", name="Fight again")).to_be_disabled()
    assert gravely(page) == []
    detail.get_by_role("button", name="Leave the bad lines out").click()
    expect(detail).to_contain_text("has the 18 good lines; 3 left out", timeout=SLOW)
    page.keyboard.press("Escape")
    expect(page.locator(".note", has_text="spoilt-mended.jsonl")).to_contain_text("18 lines", timeout=SLOW)
    expect(page.locator("[aria-label=Failed] .note", has_text="spoilt.jsonl")).to_be_visible()
    detail = look_at(page, lab, "spoilt.jsonl")
    expect(detail.get_by_role("button", name="Bury")).to_be_disabled()
    detail.get_by_role("textbox").fill("spoilt.jsonl")
    detail.get_by_role("button", name="Bury").click()
    eventually(lambda: not [path for path in lab.home.failed.iterdir() if "-spoilt-" in path.name], PATIENCE)


def test_an_upload_goes_on_when_the_tavern_is_back(page: Page, lab: Lab, tmp_path: Path) -> None:
    """The tavern is killed in its middle; what was there before is not sent again."""
    content = chats(60) + b'{"text": "' + b"x" * 24 * MEGABYTE + b'"}\n'  # it will be refused: so long a line is none
    quest = tmp_path / "big.jsonl"
    quest.write_bytes(content)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 6 * MEGABYTE}
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    sent: list[int] = []
    page.on("request", lambda request: "from=" in request.url and sent.append(int(request.url.rpartition("=")[2])))
    page.goto(f"{lab.url}/quests")
    network.send("Network.emulateNetworkConditions", slow)
    page.set_input_files("input[type=file]", quest)
    hidden = lab.home.inbox / "normal"
    eventually(lambda: sum(path.stat().st_size for path in hidden.glob(".*.tmp")) > 9 * MEGABYTE, PATIENCE)
    lab.kill("tavern")
    try:
        here = sum(path.stat().st_size for path in hidden.glob(".*.tmp"))
        expect(page.locator("main")).to_contain_text("it goes on where it is", timeout=SLOW)
    finally:
        lab.start("tavern")
    expect(page.locator("main")).to_contain_text("lies in inbox/normal/big.jsonl", timeout=2 * SLOW)
    note = page.locator("[aria-label=Failed] .note", has_text="big.jsonl")
    expect(note).to_contain_text("line 61", timeout=SLOW)
    (folder,) = (path for path in lab.home.failed.iterdir() if "-big-" in path.name)
    assert msgspec.json.decode((folder / "meta.json").read_bytes())["sha256"] == hashlib.sha256(content).hexdigest()
    assert here in sent
    assert sent.count(0) == 1


# Addresses


def test_what_is_looked_at_stands_in_the_address(page: Page, lab: Lab) -> None:
    page.goto(f"{lab.url}/watchtower?span=2-9&scale=log")
    expect(page.get_by_role("button", name="Whole life")).to_be_enabled()
    page.get_by_role("button", name="Gradient norm").click()
    page.get_by_role("group", name="Whose events").get_by_role("button", name="tavern").click()
    page.wait_for_url(re.compile(r"curve=gradient_norm"))
    page.wait_for_url(re.compile(r"hide=tavern"))
    page.reload()
    for name, pressed in (("Gradient norm", "true"), ("Loss", "false"), ("tavern", "false"), ("trainer", "true")):
        expect(page.get_by_role("button", name=name, exact=True)).to_have_attribute("aria-pressed", pressed)
    expect(page.get_by_role("checkbox", name="logarithmic")).to_be_checked()
    page.get_by_role("button", name="Whole life").click()
    page.wait_for_url(lambda url: "span" not in url)


def test_each_panel_has_a_link_to_itself(page: Page, lab: Lab) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{lab.url}/guild?level-bin=7")
    expect(page.get_by_text(re.compile("calls in a call", re.I)).first).to_be_visible()  # the page grows no more
    page.get_by_role("heading", name="Deeds").hover()
    page.get_by_role("link", name="copy the link to Deeds").click()
    expect(page.locator(".toast", has_text="The link is copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == f"{lab.url}/guild?level-bin=7#deeds"
    assert page.url == f"{lab.url}/guild?level-bin=7#deeds"
    expect(page.get_by_role("button", name=re.compile("^level 7,"))).to_have_attribute("aria-pressed", "true")


# Measured


def test_why_it_is_slow_is_told_by_the_trainers_own_timers(page: Page, lab: Lab) -> None:
    page.goto(lab.url)
    page.get_by_text("Why is it slow?").click()
    told = lab.training.step_seconds
    assert told
    assert told.forward_backward
    assert told.data is not None
    assert told.optimizer
    whole = told.forward_backward + told.data + told.optimizer
    why = page.locator(".why")
    expect(why).to_contain_text(f"{told.forward_backward:.4f} s")
    expect(why).to_contain_text(f" · {100 * told.forward_backward / whole:.1f} %")
    expect(why).to_contain_text(f"{told.data:.4f} s")
    expect(why.get_by_role("progressbar")).to_have_count(4)
    assert gravely(page) == []


def test_a_press_tells_where_a_number_comes_from(page: Page, lab: Lab) -> None:
    page.goto(lab.url)
    button = page.get_by_role("button", name="DEF")
    button.press("Enter")
    expect(button).to_have_attribute("aria-expanded", "true")
    expect(page.locator(".stat", has_text="DEF")).to_contain_text("1 / validation loss of the last evaluation")


# What if


def test_an_idea_is_shown_and_written_only_when_it_is_applied(page: Page, lab: Lab) -> None:
    before = lab.home.config_file.read_bytes()
    page.goto(f"{lab.url}/scheduler")
    panel = page.get_by_role("region", name="What if?")
    expect(panel.get_by_role("button", name="Apply")).to_be_disabled()
    panel.get_by_role("slider", name="Share of levels ahead").fill("0.1")
    expect(panel).to_contain_text("10 batches of the next 10 would be another.", timeout=SLOW)
    expect(panel.locator(".diff")).to_have_text(re.compile(r"curriculum.mix.above\s*0.4\s*0.1"))
    expect(panel.locator("[data-ideas] tr.differs")).to_have_count(1)  # as all ten are alike
    assert gravely(page) == []
    assert lab.home.config_file.read_bytes() == before
    panel.get_by_role("button", name="Apply").click()
    eventually(lambda: b'"above":0.1' in lab.home.config_file.read_bytes().replace(b" ", b""), PATIENCE)
    expect(panel.get_by_role("slider", name="Share of levels ahead")).to_have_value("0.1", timeout=SLOW)
    expect(panel.get_by_role("button", name="Apply")).to_be_disabled()


# Notices


def test_no_notice_pushes_another_away(page: Page, lab: Lab) -> None:
    page.goto(lab.url)
    page.wait_for_selector("main .panel")
    page.evaluate(
        """async () => {
        const { toast } = await import("/js/toasts.js");
        for (const n of [1, 2, 3]) toast("x", `fault ${n}`, "fault");
        for (const n of [1, 2, 3]) toast("x", `notice ${n}`);
        toast("x", "notice 1");
    }"""
    )
    expect(page.locator(".toast")).to_have_count(3)
    expect(page.get_by_role("status").filter(has_text="notice 1")).to_contain_text("×2")
    expect(page.locator(".toasts .more")).to_have_text("3 more notices")
    for n in (2, 3):
        expect(page.locator(".toast", has_text=f"notice {n}")).to_be_visible(timeout=SLOW)
    for n in (1, 2, 3):
        fault = page.get_by_role("alert").filter(has_text=f"fault {n}")
        expect(fault).to_be_visible()
        fault.get_by_role("button", name="dismiss").click()
    expect(page.locator(".toast.fault")).to_have_count(0)


def test_a_screen_reader_is_told_once_a_minute_if_it_is_wanted(page: Page, lab: Lab) -> None:
    page.clock.install()
    page.goto(lab.url)
    chronicle = page.get_by_role("region", name="Chronicle")
    expect(chronicle.get_by_role("listitem").first).to_be_visible()
    chronicle.get_by_role("checkbox", name="tell a screen reader").check()
    lab.drop("aloud.jsonl", b'{"torn": \n')
    expect(chronicle.get_by_role("log")).to_contain_text("aloud.jsonl was turned away")
    told = chronicle.get_by_role("status")
    expect(told).to_have_text("")
    page.clock.fast_forward(60_000)
    expect(told).to_contain_text("aloud.jsonl was turned away")


# What waits


def test_a_wish_that_nobody_has_heard_is_still_shown_after_a_reload(page: Page, lab: Lab) -> None:
    watcher = lab.lives["queue-watcher"]
    (lab.home.control / ".pause").touch()
    lab.drop("patient.jsonl", chats(20, 900))
    try:
        page.goto(f"{lab.url}/quests")
        note = page.locator(".note", has_text="patient.jsonl")
        expect(note).to_be_visible()
        watcher.send_signal(signal.SIGSTOP)
        note.get_by_role("combobox").select_option("high")
        expect(note).to_contain_text("move sent…")
        page.reload()
        expect(note).to_contain_text("move sent…")
        expect(note).to_have_class(re.compile(r"\bsent\b"))
        watcher.send_signal(signal.SIGCONT)
        expect(page.locator(".lane", has_text="high").locator(".note", has_text="patient.jsonl")).to_be_visible()
        expect(note).not_to_contain_text("sent…")
        note.get_by_role("button").first.click()
        known = "of training (" if lab.training.tokens_per_second else "How long it takes is not known"
        expect(page.get_by_role("dialog", name="Quest")).to_contain_text(known)
    finally:
        watcher.send_signal(signal.SIGCONT)
        (lab.home.control / ".pause").unlink()


def test_keys_look_closer_at_a_curve(page: Page, lab: Lab) -> None:
    page.goto(f"{lab.url}/watchtower")
    page.locator(".chart").press("+")
    page.wait_for_url(re.compile(r"span=\d+-\d+"))
    expect(page.get_by_role("button", name="Whole life")).to_be_enabled()
    expect(page.locator(".legend", has_text="of 1 step")).to_be_visible()
    page.locator(".chart").press("0")
    page.wait_for_url(f"{lab.url}/watchtower")


# Numbers


def test_a_shortened_number_tells_all_of_itself(page: Page, lab: Lab) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(lab.url)
    loss = page.locator(".stat", has_text="ATK").locator("data").last
    word = loss.get_by_role("button")
    eventually(lambda: float(loss.get_attribute("value") or 0) == lab.training.loss_ema, PATIENCE)
    raw = str(loss.get_attribute("value"))
    expect(word).to_have_text(f"{float(raw):.3f}")
    bubble = loss.get_by_role("tooltip")
    expect(bubble).to_be_hidden()
    word.hover()
    expect(bubble).to_be_visible()
    assert bubble.inner_text() == raw
    page.mouse.move(0, 0)
    expect(bubble).to_be_hidden()
    word.focus()
    expect(bubble).to_be_visible()
    assert gravely(page) == []
    page.keyboard.press("Control+c")
    assert page.evaluate("navigator.clipboard.readText()") == raw
    page.keyboard.press("Escape")
    expect(bubble).to_be_hidden()
    page.evaluate("getSelection().selectAllChildren(document.querySelector('.stats'))")
    page.keyboard.press("Control+c")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert f"loss {raw}" in copied
    assert word.inner_text() not in copied.replace(raw, "")


# The guild and the watchtower


def test_the_ladder_tells_what_levels_are_made_of(page: Page, lab: Lab) -> None:
    page.goto(f"{lab.url}/guild?level-bin=8")
    facts = page.locator(".panel", has_text="Binary Alchemy").locator(".facts")
    told = attributes(8)
    expect(facts).to_contain_text(f"In symbols{told['in symbols']}")
    expect(facts).to_contain_text(f"Bits{told['bits']}")
    page.get_by_text("All 30 levels").click()
    row = page.locator(".levels tbody tr").nth(6)
    expect(row).to_contain_text("Byte, 8 bits")
    expect(row.get_by_role("img")).to_have_attribute("aria-label", "never examined")
    expect(row.locator("td").last).to_have_text(str(attributes(7)["exam problems"]))
    assert gravely(page) == []


def test_who_turns_most_away_is_said_in_words(page: Page, lab: Lab) -> None:
    page.goto(f"{lab.url}/watchtower")
    panel = page.get_by_role("region", name="Where quests come from")
    lineage = msgspec.json.decode((lab.home.status / "data_lineage.json").read_bytes())
    (name, row), *_ = sorted(lineage["generators"].items(), key=lambda one: -one[1]["failed"])
    answer = f"{name}: {row['failed']} of its {row['total']} drops were turned away"
    expect(panel.get_by_role("region", name="Which generator produces most rejections?")).to_contain_text(answer)
    expect(panel.get_by_role("region", name="Which validator is most aggressive?")).to_contain_text("quick@1: turned")


# Charts


def test_a_line_of_the_chronicle_shows_the_curves_round_it(page: Page, lab: Lab) -> None:
    for room in ("/", "/watchtower"):
        page.goto(lab.url + room)
        line = page.locator(".log li.leads").first
        href = line.get_by_role("link").get_attribute("href")
        line.locator(".text").click(position={"x": 3, "y": 3})
        page.wait_for_url(lab.url + room + str(href))
        expect(page.locator(".chart, .empty").first).to_be_visible()
    page.get_by_role("button", name="Whole life").click()
    page.wait_for_url(f"{lab.url}/watchtower")


def test_fingers_look_closer_and_a_double_tap_shows_all(browser: Browser, lab: Lab) -> None:
    with lab.window(browser, 390, 844, has_touch=True, is_mobile=True) as page:
        page.goto(f"{lab.url}/watchtower")
        area = page.locator(".u-over")
        area.wait_for()
        touch(page, [(60, 200)])
        page.wait_for_url(re.compile(r"span=\d+-\d+"))
        page.get_by_role("button", name="Whole life").click()
        page.wait_for_url(f"{lab.url}/watchtower")
        area.wait_for()
        touch(page, [(120, 60), (180, 240)])
        page.wait_for_url(re.compile(r"span=\d+-\d+"))
        expect(page.get_by_role("button", name="Whole life")).to_be_enabled()
        area.wait_for()
        began = time.time()
        for tap in (0, 0.2):
            touch(page, [(100, 100)], began + tap)
        page.wait_for_url(f"{lab.url}/watchtower")


def touch(page: Page, fingers: list[tuple[int, int]], when: float | None = None) -> None:
    """Each finger from one x of the chart to another; `when`: seconds since 1970, however slow this machine is."""
    box = page.locator(".u-over").bounding_box()
    assert box
    device = page.context.new_cdp_session(page)

    def send(kind: str, *places: int) -> None:
        points = [{"x": box["x"] + x, "y": box["y"] + 60, "id": n} for n, x in enumerate(places)]
        told = {"type": kind, "touchPoints": points, **({"timestamp": when} if when else {})}
        device.send("Input.dispatchTouchEvent", told)

    send("touchStart", *(begin for begin, _ in fingers))
    for part in (1, 2, 3):
        send("touchMove", *(begin + (end - begin) * part // 3 for begin, end in fingers))
    send("touchEnd")


# Wishes


def test_a_flag_rests_striped_until_it_is_obeyed(page: Page, lab: Lab) -> None:
    trainer = lab.lives["trainer"]
    page.goto(lab.url)
    button = page.get_by_role("button", name=re.compile("^Seal"))
    expect(button).to_be_enabled()
    trainer.send_signal(signal.SIGSTOP)
    try:
        button.click()
        for _ in range(2):
            expect(button).to_have_text(re.compile("Seal sent…"))
            expect(button).to_have_class(re.compile(r"\bcooling\b"))
            expect(button).to_be_disabled()
            page.reload()
    finally:
        trainer.send_signal(signal.SIGCONT)
    expect(button).to_be_enabled()
    expect(button).not_to_have_class(re.compile(r"\bcooling\b"))
