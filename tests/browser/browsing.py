"""A browser for tests: Chromium, and pages that are watched for what no page of ours may do."""

import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, NoReturn

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, sync_playwright

from app.web.built import find_built_pages
from tests.e2e.server import ROOT

PICTURES = ROOT / "tests" / "browser" / "pictures"
DESKTOP, PHONE = (1280, 800), (360, 740)
# The machine may be busy: a page that is right is so in the end.
PATIENCE_S = 20

_SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
# Root, as in a container, gets no sandbox; and nothing is to be asked of the internet.
_FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
_OWN_SCHEMES = ("data:", "blob:")
_AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"


def require_pages() -> None:
    """Skip the test, and say why, where the web pages are not built."""
    if find_built_pages() is None:
        _cannot("The web pages are not built: `make web` builds them.")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser that is running; the test is skipped where none is installed.

    In the thread that starts it no event loop can be run until it ends, so it must not outlive the
    tests of one module.
    """
    path = os.pathsep.join([os.defpath, "/usr/local/bin"])
    program = next(filter(None, (shutil.which(name, path=path) for name in _PROGRAMS)), None)
    if program is None:
        _cannot("Chromium is not installed (Debian: apt-get install chromium).")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_FLAGS)
        yield browser
        browser.close()


def _cannot(reason: str) -> NoReturn:
    if os.environ.get("ORDERS_TEST_BROWSER") == "required":  # noqa: TID251 (a setting of the tests)
        pytest.fail(reason)
    pytest.skip(reason)


class Visitor:
    """Somebody who opens pages of one service, each as in a browser of its own."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.url = url
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self._problems: list[str] = []

    def open(
        self,
        path: str,
        *,
        size: tuple[int, int] = DESKTOP,
        scheme: Literal["light", "dark"] = "light",
    ) -> Page:
        """A page in a browser without a past."""
        width, height = size
        context = self._browser.new_context(
            color_scheme=scheme,
            viewport={"width": width, "height": height},
            reduced_motion="reduce",
        )
        context.set_default_timeout(PATIENCE_S * 1_000)
        self._contexts.append(context)
        page = context.new_page()
        page.on("request", self._look_at)
        page.on("websocket", lambda socket: self._look_at_address(socket.url))
        page.on("pageerror", lambda error: self._problems.append(f"error: {error}"))
        page.on(
            "console",
            lambda message: (
                self._problems.append(f"console: {message.text}")
                if message.type in {"error", "warning"}
                else None
            ),
        )
        page.goto(self.url + path)
        return page

    def problems(self, *, but: str | None = None) -> list[str]:
        """What the pages did and should not have, since this was last asked.

        Args:
            but: A pattern of what is expected this time.
        """
        found, self._problems = self._problems, []
        return [one for one in found if but is None or not re.search(but, one)]

    def close(self) -> None:
        """Close all pages."""
        for context in self._contexts:
            context.close()

    def _look_at(self, request: Request) -> None:
        self._look_at_address(request.url)

    def _look_at_address(self, address: str) -> None:
        if not address.startswith((self.url, self.url.replace("http", "ws", 1), *_OWN_SCHEMES)):
            self._problems.append(f"foreign request: {address}")


def look(page: Page, name: str) -> None:
    """Keep a picture of the page, for people to look at."""
    PICTURES.mkdir(exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png")


def look_at_all(page: Page, name: str) -> None:
    """Keep pictures of the page on a large and a small screen, light and dark."""
    for screen, (width, height) in {"desktop": DESKTOP, "phone": PHONE}.items():
        page.set_viewport_size({"width": width, "height": height})
        for scheme in _SCHEMES:
            page.emulate_media(color_scheme=scheme)
            # A page follows in its own time, and nothing says when it has.
            page.wait_for_timeout(250)
            look(page, f"{name}-{screen}-{scheme}")


def barriers(page: Page, *, but: Sequence[str] = ()) -> list[dict[str, Any]]:
    """What of the page is a serious barrier to people with disabilities, as far as axe-core sees.

    Args:
        page: The page, as it is now.
        but: Rules that what others made is known to break.
    """
    # The page's policy forbids a script element.
    page.evaluate(_AXE.read_text())
    found: dict[str, Any] = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        {
            "rule": violation["id"],
            "help": violation["help"],
            "where": [node["target"] for node in violation["nodes"]],
        }
        for violation in found["violations"]
        if violation["impact"] in {"serious", "critical"} and violation["id"] not in but
    ]


def wait_until(page: Page, expression: str) -> None:
    """Wait for what a page says in JavaScript; Playwright's own waiting needs eval in the page."""
    deadline = time.monotonic() + PATIENCE_S
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, expression
        page.wait_for_timeout(50)


def kept(page: Page) -> str:
    """All that the page keeps in the browser, and its address."""
    text = page.evaluate(
        "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, location.href])"
    )
    return str(text)
