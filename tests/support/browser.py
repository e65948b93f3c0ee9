"""A headless Chromium of the system, driven by playwright; tests skip with the reason where one of them is absent."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# software rendering: machines that run tests have no graphics card
ARGUMENTS = ("--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist")
LOCAL = ("file:", "data:", "blob:")
WAIT_MS = 120_000  # a machine with other work needs long to draw


@dataclass
class Seen:
    """What a page did. Attributes: page: playwright's. errors: of its scripts. requests: beyond the disk."""

    page: Any
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


def find_browser() -> str:
    """The browser's program; skips where it or playwright is not installed."""
    pytest.importorskip("playwright", reason="playwright is not installed (pip install playwright)")
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium is installed (apt-get install chromium)")
    return found


@contextmanager
def open_page(url: str | Path, width: int = 1280, scheme: str = "light") -> Iterator[Seen]:
    """A page in the browser; a path is opened from disk, without any network."""
    from playwright.sync_api import sync_playwright

    program = find_browser()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, offline=isinstance(url, Path)
        )
        context.set_default_timeout(WAIT_MS)
        page = context.new_page()
        seen = Seen(page)
        page.on("pageerror", lambda error: seen.errors.append(str(error)))
        page.on("console", lambda message: seen.errors.append(message.text) if message.type == "error" else None)
        page.on("request", lambda r: None if r.url.startswith(LOCAL) else seen.requests.append(r.url))
        page.goto(url.resolve().as_uri() if isinstance(url, Path) else url, timeout=WAIT_MS)
        try:
            yield seen
        finally:
            browser.close()


def drawn_charts(page: Any) -> int:
    """Waits until all charts are drawn; how many there are."""
    page.wait_for_function(
        "() => [...document.querySelectorAll('.plotly-graph-div')].every(chart => chart.querySelector('.main-svg'))"
    )
    return int(page.locator(".plotly-graph-div").count())


def overflow_px(page: Any) -> int:
    """By how many pixels the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))
