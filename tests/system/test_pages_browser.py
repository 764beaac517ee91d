"""The pages in a real browser: nothing is missed, loaded, cut off, too small, too pale; they print."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from ninefold.design.page import audit_page, compare_page, report_page
from tests.page_world import hostile, shop_audit, shop_comparison, shop_model, shop_report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.system

PAGES: dict[str, Callable[[], str]] = {
    "report": lambda: report_page(shop_report(), shop_model()),
    "audit": lambda: audit_page(shop_audit()),
    "comparison": lambda: compare_page(shop_comparison()),
    "hostile report": lambda: report_page(hostile(shop_report()), shop_model()),
}
# Pages whose texts are those of a real model.
READ = ("report", "audit", "comparison")
WIDTHS = (1280, 1152, 1000, 880, 700, 400)
# Below this nobody reads on a screen; 11 pixels are eight points.
TEXT_PX_MIN = 11
# WCAG 2.1, 1.4.3: text against its background.
CONTRAST_MIN = 4.5

SMALL_TEXTS = """() => {
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || !element.getClientRects().length || element.closest("title")) continue;
    const turned = element.ownerSVGElement ? element.getScreenCTM() : {a: 1, b: 0};
    const scale = Math.hypot(turned.a, turned.b);
    const size = parseFloat(getComputedStyle(element).fontSize) * scale;
    found.push([Math.round(size * 100) / 100, node.data.trim().slice(0, 40)]);
  }
  return found;
}"""

PALE_TEXTS = """() => {
  const parts = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => {
      v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const box = e.tagName === "g" ? [...e.querySelectorAll(":scope > rect.box")].pop() : null;
      const found = parts(box ? getComputedStyle(box).fill : getComputedStyle(e).backgroundColor);
      if (found.length === 3 || found[3] === 1) return found;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || !element.getClientRects().length || element.closest("title, .tag-text")) continue;
    const style = getComputedStyle(element);
    const ink = parts(element.ownerSVGElement ? style.fill : style.color);
    const [a, b] = [light(ink), light(behind(element))].sort((x, y) => y - x);
    found.push([(a + 0.05) / (b + 0.05), element.textContent.trim().slice(0, 40)]);
  }
  return found;
}"""

# What reaches out of the window and is in no box that scrolls.
OUTSIDE = """() => [...document.querySelectorAll("body *")].filter((e) => {
  const box = e.getBoundingClientRect();
  return box.width && box.right > innerWidth + 1 && !e.closest(".table, .drawing, svg");
}).map((e) => e.outerHTML.slice(0, 120))"""

# Texts in a diagram that are wider than the box they stand in.
TOO_WIDE = """() => [...document.querySelectorAll("svg g")].flatMap((g) => {
  const box = [...g.querySelectorAll(":scope > rect.box")].pop();
  if (!box || !box.getClientRects().length) return [];
  const room = box.getBoundingClientRect().width;
  return [...g.querySelectorAll(":scope > text")]
    .filter((text) => text.getBoundingClientRect().width > room + 1).map((t) => t.textContent);
})"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("no chromium is installed; see packaging/debian-packages.txt")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Its sandbox does not run as root; nothing foreign is shown here.
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()


class Seen:
    """A page in a window, with whatever the browser had to say about it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))

    def ask(self, question: str) -> Any:
        return self.page.evaluate(question)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    found = {}
    for name, make in PAGES.items():
        found[name] = tmp_path_factory.mktemp("pages") / "page.html"
        found[name].write_text(make(), encoding="utf-8")
    return found


@pytest.fixture
def show(browser: Browser, files: dict[str, Path]) -> Iterator[Callable[..., Seen]]:
    contexts = []

    def open_one(name: str, width: int, scheme: Any = "light") -> Seen:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        seen = Seen(context.new_page())
        seen.page.goto(files[name].as_uri())
        return seen

    yield open_one
    for context in contexts:
        context.close()


@pytest.mark.parametrize("name", PAGES)
def test_browser_has_nothing_to_complain_about_and_loads_one_file(
    show: Callable[..., Seen], files: dict[str, Path], name: str
) -> None:
    seen = show(name, 1280)

    assert seen.complaints == []
    assert seen.requests == [files[name].as_uri()]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_page_never_scrolls_sideways(show: Callable[..., Seen], name: str, width: int) -> None:
    seen = show(name, width)

    assert seen.ask("document.documentElement.scrollWidth") <= width
    assert seen.ask(OUTSIDE) == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", READ)
def test_no_text_is_too_small_to_read(show: Callable[..., Seen], name: str, width: int) -> None:
    texts = show(name, width).ask(SMALL_TEXTS)

    assert len(texts) > 50
    assert [text for text in texts if text[0] < TEXT_PX_MIN] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", READ)
def test_no_text_is_too_pale_to_read(show: Callable[..., Seen], name: str, scheme: str) -> None:
    texts = show(name, 1280, scheme).ask(PALE_TEXTS)

    assert len(texts) > 50
    assert [text for text in texts if text[0] < CONTRAST_MIN] == []


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("name", ["report", "hostile report"])
def test_texts_of_a_diagram_stay_in_their_boxes(
    show: Callable[..., Seen], name: str, width: int
) -> None:
    assert show(name, width).ask(TOO_WIDE) == []


def test_one_of_two_drawings_is_shown_on_each_width(show: Callable[..., Seen]) -> None:
    for width, look in ((1280, "on-wide"), (400, "on-narrow")):
        shown = show("report", width).ask(
            "[...document.querySelectorAll('.drawing')].filter((d) => d.offsetParent)"
            ".map((d) => d.className)"
        )
        assert len(shown) >= 7
        assert set(shown) == {f"drawing {look}"}


def test_every_entry_of_the_contents_leads_somewhere(show: Callable[..., Seen]) -> None:
    seen = show("report", 1280)

    seen.page.click("nav a[href='#fencing']")

    seen.page.wait_for_function("location.hash === '#fencing'")
    assert seen.ask("document.querySelector('#fencing').getBoundingClientRect().height > 50")


@pytest.mark.parametrize("name", READ)
def test_page_prints_dark_on_white_whatever_the_screen_likes(
    show: Callable[..., Seen], name: str
) -> None:
    seen = show(name, 690, "dark")
    seen.page.emulate_media(media="print", color_scheme="dark")

    assert seen.ask("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert seen.ask("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert seen.ask("document.documentElement.scrollWidth") <= 690
    printed = seen.page.pdf(format="A4", prefer_css_page_size=True)
    assert printed.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) >= 2
