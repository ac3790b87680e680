"""The page in a real browser: it opens from disk, asks no network, and its controls do what they say."""

from __future__ import annotations

import shutil

import pytest

from tests.report.page.small_report import HOSTILE, add_signatures, small_report, small_study

pytestmark = pytest.mark.browser

FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    study = small_study(tmp_path_factory.mktemp("study"))
    add_signatures(study)
    return small_report(study)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # a folder of its own for each start: nothing of the user's profile is read
        opened = playwright.chromium.launch(executable_path=shutil.which("chromium"), headless=True, args=list(FLAGS))
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser, written):
    """Open the page in a context of its own; the test fails where it logs an error or asks for anything but itself."""
    contexts, errors, asked = [], [], []

    def opening(**settings):
        context = browser.new_context(**settings)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: errors.append(message.text))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("dialog", lambda dialog: errors.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(written.page.as_uri())
        return page

    yield opening
    for context in contexts:
        context.close()
    assert errors == []
    assert {address for address in asked if not address.startswith("data:")} == {written.page.as_uri()}


def shown(page, table):
    """Return the visible rows of a table as lists of texts."""
    texts = "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"
    return page.eval_on_selector_all(f"[data-table={table}] tbody tr:not([hidden])", texts)


def test_opens_from_disk_and_hostile_names_stay_text(open_page, written):
    page = open_page()
    assert written.page.stat().st_size < 15_000_000
    assert page.evaluate("document.querySelectorAll('img[src=x]').length") == 0
    assert page.get_by_text(HOSTILE).count() > 3
    broken = "images => images.filter(image => image.src && !image.naturalWidth).length"
    assert page.eval_on_selector_all("main img", broken) == 0


def test_a_heading_sorts_its_column_both_ways(open_page):
    page = open_page()
    heading = page.locator("[data-table=held_out] th", has_text="held-out")
    value = "cells => cells.map(cell => Number(cell.dataset.sort))"
    cells = "[data-table=held_out] tbody tr:not([hidden]) td:nth-child(4)"
    for state, reverse in (("ascending", False), ("descending", True)):
        heading.locator("button").click()
        assert heading.get_attribute("aria-sort") == state
        found = page.eval_on_selector_all(cells, value)
        assert len(found) > 3
        assert found == sorted(found, reverse=reverse)


def test_choices_and_search_hide_rows(open_page):
    page = open_page()
    table = page.locator("[data-table=held_out]")
    assert {row[2] for row in shown(page, "held_out")} == {"AUC"}
    table.locator("select[data-filter='1']").select_option("brier")
    before = shown(page, "held_out")
    assert {row[2] for row in before} == {"Brier"}
    table.locator("input[type=search]").fill("grl")
    after = shown(page, "held_out")
    assert {row[1] for row in after} == {"grl"}
    assert table.locator("output").text_content().startswith(f"{len(after)} of ")
    assert len(after) < len(before)


def test_methods_and_holdouts_can_be_hidden(open_page):
    page = open_page()
    page.locator("#toggles summary").click()
    page.get_by_label("grl", exact=True).uncheck()
    page.get_by_label("40X", exact=True).uncheck()
    rows = shown(page, "held_out")
    assert rows
    assert not [row for row in rows if row[1] == "grl" or row[0] == "40X"]
    # a difference is hidden with either of its methods
    page.get_by_label("baseline", exact=True).uncheck()
    assert shown(page, "comparison") == []
    pictures = page.locator(".pictures li:visible")
    assert pictures.count() == 2
    assert all(HOSTILE in words for words in pictures.all_inner_texts())


def test_a_figure_can_be_enlarged_by_keyboard_and_closed(open_page):
    page = open_page()
    button = page.locator("figure button").first
    button.focus()
    page.keyboard.press("Enter")
    dialog = page.locator("dialog")
    assert dialog.is_visible()
    assert dialog.locator("img").get_attribute("src") == button.locator("img").get_attribute("src")
    page.keyboard.press("Escape")
    assert not dialog.is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_system_until_switched(open_page, scheme):
    page = open_page(color_scheme=scheme)
    ground = "getComputedStyle(document.body).backgroundColor"
    seen = {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 24, 28)"}
    assert page.evaluate(ground) == seen[scheme]
    page.locator("#theme").click()
    assert page.evaluate(ground) == seen["light" if scheme == "dark" else "dark"]
    # figures keep a light card in the dark
    assert page.evaluate("getComputedStyle(document.querySelector('.light')).backgroundColor") == seen["light"]


def test_a_phone_scrolls_tables_and_not_the_page(open_page):
    page = open_page(viewport=PHONE)
    page.locator("#toggles summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert page.evaluate("document.querySelector('[data-table=held_out] .scroll').scrollWidth") > PHONE["width"]


def test_prints_with_everything_open(open_page, tmp_path):
    page = open_page(color_scheme="dark")
    page.pdf(path=str(tmp_path / "report.pdf"))
    assert (tmp_path / "report.pdf").stat().st_size > 50_000
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("#theme").is_visible()


def test_reads_without_scripts(open_page):
    page = open_page(java_script_enabled=False)
    assert page.locator("#theme").is_visible() is False
    assert page.locator("[data-table=held_out] tbody tr").first.is_visible()
