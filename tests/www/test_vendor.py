"""What others made: each file has the digest of the manifest, its licence beside it, and pages use that version."""

import hashlib
import re

from tests.www.vendor import VENDOR, manifest

WWW = VENDOR.parent
MENTION = re.compile(r"/vendor/([^\"')/]+/[^\"')]+)")


def test_each_file_is_the_one_that_was_published() -> None:
    found = {
        path.relative_to(VENDOR).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    }
    stated = {
        f"{folder}/{name}": file["sha256"] for folder, one in manifest().items() for name, file in one["files"].items()
    }
    assert found == stated


def test_each_has_its_licence_beside_it() -> None:
    for folder, one in manifest().items():
        assert one["licence"] in ("MIT", "Apache-2.0", "OFL-1.1")
        assert len((VENDOR / folder / "LICENSE").read_text()) > 500


def test_what_pages_name_is_there_and_nothing_else_is() -> None:
    pages = [path for path in WWW.rglob("*") if path.suffix in (".html", ".css", ".js") and VENDOR not in path.parents]
    named = {name for page in pages for name in MENTION.findall(page.read_text())}
    kept = {f"{folder}/{name}" for folder, one in manifest().items() for name in one["files"] if name != "LICENSE"}
    assert named == kept


def test_no_page_asks_another_host() -> None:
    own = [path for path in WWW.rglob("*") if path.suffix in (".html", ".css", ".js") and VENDOR not in path.parents]
    foreign = {f"{path.name}: {url}" for path in own for url in re.findall(r"https?://[^\s\"'`)]+", path.read_text())}
    assert not foreign, "a page must work without a network"


def test_no_text_is_made_to_markup() -> None:
    """Names of quests, texts of events and answers of models are other people's words."""
    scripts = sorted((WWW / "js").rglob("*.js"))
    assert len(scripts) > 20
    unsafe = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write\(|\beval\(|new Function")
    assert not [path.name for path in scripts if unsafe.search(path.read_text())]
