"""Take the pictures of the pages that the documentation shows: `make screenshots`.

They are taken of the worked examples by Debian's chromium. Run it again when a page looks different, and look at
what comes out before it is committed.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

from ninefold.design.analysis import analyse
from ninefold.design.compare import compare
from ninefold.design.load import load
from ninefold.design.page import compare_page, report_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from ninefold.design.model import Infrastructure
    from ninefold.design.results import Report

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
# Nobody waits for a page of the documentation.
BYTES_MAX = 200 * 1024
POLICY_YEARS = 200

Design = tuple["Infrastructure", "Report"]


def analysed(file: Path) -> Design:
    model, findings = load(file)
    if model is None:
        sys.exit("\n".join(str(finding) for finding in findings))
    return model, analyse(model, policy_years=POLICY_YEARS)


def shoot(
    browser: Browser, page: Path, name: str, *, width: int, height: int, section: str = ""
) -> None:
    """Take a picture of a window onto a page, or of one section of it."""
    window = browser.new_page(viewport={"width": width, "height": height})
    window.goto(page.as_uri())
    file = IMAGES / f"{name}.png"
    if section:
        window.locator(f"#{section}").screenshot(path=file)
    else:
        window.screenshot(path=file)
    window.close()
    size = file.stat().st_size
    assert size <= BYTES_MAX, f"{file.name} has {size} bytes"
    print(f"{file.relative_to(ROOT)}: {size // 1024} KiB")  # noqa: T201 - a program for whoever runs make


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=Path, default=ROOT / "examples")
    examples = parser.parse_args().examples
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("no chromium is installed; see packaging/debian-packages.txt")
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as directory, sync_playwright() as playwright:
        report, compared = Path(directory, "report.html"), Path(directory, "compared.html")
        model, found = analysed(examples / "two-node-drbd" / "infrastructure.yaml")
        report.write_text(report_page(found, model), encoding="utf-8")
        variants = ("before.yaml", "infrastructure.yaml", "improved.yaml")
        designs = [analysed(examples / "two-node-drbd" / variant) for variant in variants]
        compared.write_text(compare_page(compare(designs)), encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        shoot(browser, report, "report", width=1280, height=860)
        shoot(
            browser,
            report,
            "report-infrastructure",
            width=1280,
            height=900,
            section="infrastructure",
        )
        shoot(browser, report, "report-groups", width=1280, height=900, section="groups")
        shoot(browser, report, "report-narrow", width=400, height=860)
        shoot(browser, compared, "comparison", width=1280, height=860)
        browser.close()


if __name__ == "__main__":
    main()
