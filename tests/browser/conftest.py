"""A browser and a demo service for the tests of a module, and a visitor for each test."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.browsing import PATIENCE_S, Visitor, chromium, require_pages
from tests.e2e.server import Server, running

expect.set_options(timeout=PATIENCE_S * 1_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    require_pages()
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def service(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A demo; whoever needs no browser does not come here, so that it is not started in vain."""
    with running(tmp_path_factory.mktemp("pages"), "--demo") as server:
        yield server


@pytest.fixture
def visitor(browser: Browser, service: Server) -> Iterator[Visitor]:
    """Whose pages must have had no problem by the end of the test."""
    visiting = Visitor(browser, service.url)
    yield visiting
    problems = visiting.problems()
    visiting.close()
    assert problems == []
