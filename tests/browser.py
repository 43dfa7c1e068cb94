"""Pages in a real browser: headless Chromium of the system, driven by Playwright; a test is skipped without it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

WIDTHS = (1280, 390)  # px, of a desktop and of a phone
PATIENCE = 300_000  # ms after which a browser that does not respond is a failure; a busy machine takes long


@dataclass(frozen=True, eq=False)
class OpenPage:
    """A page in the browser, and what it did that a page of avfer must not do."""

    page: Any  # playwright.sync_api.Page
    errors: list[str] = field(default_factory=list[str])  # of the console, of scripts, and dialogs
    requests: list[str] = field(default_factory=list[str])  # addresses, beside that of the page itself

    @property
    def scroll_width(self) -> int:
        """The width of the content in px: that of the window, unless the page scrolls sideways."""
        return self.page.evaluate("document.documentElement.scrollWidth")


@contextmanager
def browser() -> Iterator[Any]:
    """Start a browser for the block, or skip the test where none is installed."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium is installed")
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"], timeout=PATIENCE)
        try:
            yield started
        finally:
            started.close()


@contextmanager
def open_page(browser: Any, path: Path, width: int = 1280, scheme: str = "light") -> Iterator[OpenPage]:
    """Open a file in a window of some width (px), with a light or dark colour scheme."""
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    context.set_default_timeout(PATIENCE)
    opened = OpenPage(context.new_page())
    opened.page.on("console", lambda message: opened.errors.append(message.text))
    opened.page.on("pageerror", lambda error: opened.errors.append(str(error)))
    opened.page.on("dialog", lambda dialog: (opened.errors.append(dialog.message), dialog.dismiss()))
    opened.page.on("request", lambda request: opened.requests.append(request.url))
    try:
        opened.page.goto(path.as_uri())
        opened.requests.remove(path.as_uri())
        yield opened
    finally:
        context.close()
