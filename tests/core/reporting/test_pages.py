"""The pages of a report in a real browser, opened from the disk."""

from __future__ import annotations

import shutil

import pytest
from browser import Browser, find_chromium

from cmda_core.reporting import write_report

CHROMIUM = find_chromium()
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium or Chrome, found neither")

TEST, SOURCE = "cases/test-001.html", "cases/source-003.html"
BOX = (
    "(box => [box.x, box.y, box.width, box.height])(document.querySelector('.stage').getBoundingClientRect())"
)
CURSOR = "document.getElementById('cursor').textContent"
SHOWN = "document.getElementById('slice-number').textContent"
PICTURES = "[...document.querySelectorAll('.stage canvas:first-child')].map(one => one.toDataURL())"
MARKS = "[...document.querySelectorAll('.stage canvas:last-of-type')].map(one => one.toDataURL())"


@pytest.fixture(scope="module")
def report(tmp_path_factory, build_run):
    fake = build_run(tmp_path_factory.mktemp("pages"), cases=("crossmoda2021_ldn_211", "<b>odd"))
    return write_report(fake.everything().run).parent


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Browser(str(CHROMIUM), tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture
def page(browser, report):
    """Opens a page and waits for its slices; fails the test if the page complains."""

    def opened(name, **options):
        browser.open(report / name, **options)
        browser.run("localStorage.clear()")
        if name != "index.html":
            settle(browser)
        return browser

    yield opened
    assert browser.problems == []
    assert [url for url in browser.requests if not url.startswith(("file:", "data:"))] == []


def settle(browser):
    """Wait until everything that was asked for is drawn."""
    browser.wait(lambda: browser.run("document.body.dataset.drawn"), "the panes are drawn")
    browser.wait(lambda: browser.run("!document.querySelector('.pane.waiting')"), "the slices are decoded")
    browser.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def press(browser, *keys):
    for key in keys:
        browser.press(key)
    settle(browser)


@pytest.mark.parametrize("name", ["index.html", TEST, "cases/test-002.html", SOURCE, "cases/target-005.html"])
@pytest.mark.parametrize("dark", [False, True])
def test_pages_open_without_a_complaint(page, name, dark):
    browser = page(name, dark=dark)
    shade = browser.run("getComputedStyle(document.body).backgroundColor")
    levels = [int(level) for level in shade.removeprefix("rgb(").removesuffix(")").split(",")]
    assert (max(levels) < 64) if dark else (min(levels) > 192)


def test_the_overview_leads_to_every_page(page, report):
    browser = page("index.html")
    links = browser.run("[...document.querySelectorAll('a')].map(one => one.getAttribute('href'))")
    assert {link for link in links if link.startswith("cases/")} == {
        f"cases/{path.name}" for path in (report / "cases").glob("*.html")
    }
    assert browser.run("document.querySelectorAll('svg.strips circle').length") == 2 * 2 * 2 * 2
    browser.click("#scores th:nth-child(4) button")
    column = "[...document.querySelectorAll('#scores tbody td:nth-child(4)')]"
    dice = browser.run(f"{column}.map(one => one.textContent)")
    assert dice == sorted(dice)


def test_scrolling_changes_the_slice_in_every_pane(page):
    browser = page(TEST)
    assert browser.run("document.querySelectorAll('.pane').length") == 2
    before, pictures = browser.run(SHOWN), browser.run(PICTURES)
    x, y, width, height = browser.run(BOX)
    browser.point("mouseWheel", x + width / 2, y + height / 2, deltaX=0, deltaY=-120)
    browser.wait(lambda: browser.run(SHOWN) != before, "the wheel changes the slice")
    settle(browser)
    assert int(browser.run(SHOWN).split()[0]) == int(before.split()[0]) + 1
    assert all(new != old for new, old in zip(browser.run(PICTURES), pictures, strict=True))


def test_keys_and_slider_change_the_slice(page):
    browser = page(TEST)
    for keys, shown in (
        (("Home",), "1 / 12"),
        (("ArrowUp", "ArrowUp"), "3 / 12"),
        (("ArrowDown",), "2 / 12"),
        (("PageUp",), "7 / 12"),
        (("End", "ArrowUp"), "12 / 12"),
    ):
        press(browser, *keys)
        assert browser.run(SHOWN) == shown
    slider = "Object.assign(document.getElementById('slice'), {value: 4})"
    browser.run(f"{slider}.dispatchEvent(new Event('input'))")
    settle(browser)
    assert browser.run(SHOWN) == "5 / 12"
    # It began where the tumour is largest, and G goes on to the next structure.
    press(browser, "g")
    assert browser.run(SHOWN) == "8 / 12"
    press(browser, "g")
    assert browser.run(SHOWN) == "7 / 12"


def test_segmentations_can_be_hidden_and_faded(page):
    browser = page(TEST)
    everything = browser.run(MARKS)
    press(browser, "2")
    without = browser.run(MARKS)
    assert without[0] != everything[0]
    assert without[1] == everything[1]
    browser.click("#overlays tbody tr:nth-child(2) input")
    settle(browser)
    assert browser.run(MARKS) == everything
    press(browser, "]")
    assert browser.run("document.getElementById('opacity').value") == "0.4"
    assert browser.run(MARKS) != everything
    press(browser, "o", "f")
    nothing = browser.run(MARKS)
    press(browser, "o", "e")
    assert browser.run(MARKS) == nothing  # neither filled nor outlined


def test_panes_are_arranged_and_linked(page):
    browser = page(SOURCE)
    selects = "[...document.querySelectorAll('.pane select:first-child')]"
    names = f"{selects}.map(one => one.selectedOptions[0].text)"
    assert browser.run(names) == ["ceT1", "fake hrT2", "cycle ceT1"]
    press(browser, "l")
    assert browser.run(names) == ["ceT1"]
    before = browser.run(PICTURES)
    press(browser, "i")
    assert browser.run(names) == ["fake hrT2"]
    assert browser.run(PICTURES) != before
    press(browser, "l", "z")
    assert browser.run("document.getElementById('near').getAttribute('aria-pressed')") == "true"
    near = browser.run(PICTURES)
    press(browser, "z")
    assert all(new != old for new, old in zip(browser.run(PICTURES), near, strict=True))


def test_a_long_name_does_not_bend_the_pictures(page):
    browser = page(SOURCE)
    heights = "[...document.querySelectorAll('.pane figcaption')].map(one => one.clientHeight)"
    before = browser.run(heights)
    long = "fake hrT2 (a method with a name that is longer than a pane is wide, seed 0)"
    browser.run(f"document.querySelector('.pane select option').text = '{long}'")
    press(browser, "i", "i", "i")  # all images, and back to the one with the long name
    after = browser.run(heights)
    assert min(after) > max(before)
    assert len(set(after)) == 1
    select = "document.querySelector('.pane select')"
    assert browser.run(f"{select}.title") == long
    assert browser.run(f"{select}.offsetWidth < document.querySelector('.pane').clientWidth") is True
    sizes = "[...document.querySelectorAll('.stage')].map(one => [one.clientWidth, one.clientHeight])"
    drawn = "[...document.querySelectorAll('.stage canvas:first-child')].map(one => [one.width, one.height])"
    assert browser.run(drawn) == browser.run(sizes)


def test_the_pointer_tells_what_lies_under_it(page):
    browser = page(TEST)
    x, y, width, height = browser.run(BOX)
    edge = min(width, height)
    left, top, voxel = x + (width - edge) / 2, y + (height - edge) / 2, edge / 64
    browser.point("mouseMoved", left + 20.5 * voxel, top + 34.5 * voxel)
    browser.wait(lambda: "reference: vs" in browser.run(CURSOR), "it is told")
    assert "msf-net: vs" in browser.run(CURSOR)


def test_dark_and_light_are_kept(page, report):
    browser = page(TEST)
    browser.press("t")
    assert browser.run("document.documentElement.dataset.theme") == "dark"
    browser.open(report / "index.html")
    assert browser.run("document.documentElement.dataset.theme") == "dark"
    browser.click("#theme")
    assert browser.run("document.documentElement.dataset.theme") == "light"


def test_help_opens_and_closes(page):
    browser = page(TEST)
    browser.press("?")
    assert browser.run("document.getElementById('help').open") is True
    before = browser.run(SHOWN)
    browser.press("ArrowUp")
    assert browser.run(SHOWN) == before
    browser.press("Escape")
    browser.wait(lambda: browser.run("document.getElementById('help').open") is False, "the help closes")


def test_the_panes_can_be_saved(page):
    browser = page(TEST)
    saved = "window.saved = [this.download, this.href.length]"
    browser.run(f"HTMLAnchorElement.prototype.click = function () {{ {saved}; }}")
    browser.press("s")
    name, length = browser.run("window.saved")
    assert name == "_b_odd_slice-7.png"  # of the case '<b>odd'
    assert length > 10_000


def test_slices_that_are_missing_are_named(browser, report, tmp_path):
    copied = shutil.copytree(report, tmp_path / "report")
    shutil.rmtree(copied / "cases" / "test-001")
    browser.open(copied / TEST)
    text = "document.getElementById('panes').textContent"
    browser.wait(lambda: "copy the whole report" in browser.run(text), "the page says what is missing")
