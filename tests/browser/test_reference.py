"""The REST reference, from which the paths are called."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.browsing import Visitor, barriers, kept, look, look_at_all
from tests.e2e.server import Server

# Swagger UI's own: pale words, buttons in buttons, small ones, a list without a label.
KNOWN = ("color-contrast", "nested-interactive", "target-size", "select-name")
PATHS = ("/orders/get_all", "/orders/add", "/orders/change-status", "/orders/delete")


def authorize(page: Page, key: str) -> None:
    page.get_by_role("button", name="Authorize").first.click()
    dialog = page.locator(".modal-ux")
    dialog.locator("#api_key_value").fill(key)
    dialog.get_by_role("button", name="Apply credentials").first.click()
    dialog.get_by_role("button", name="Close").first.click()


def execute(page: Page, path: str) -> None:
    operation = page.locator(".opblock", has_text=path)
    operation.get_by_role("button", name=path).first.click()
    operation.get_by_role("button", name="Execute").click()


def status(page: Page) -> str:
    return page.locator(".live-responses-table .response-col_status").last.inner_text().strip()


def test_a_path_is_called_with_the_key(visitor: Visitor, service: Server) -> None:
    page = visitor.open("/docs")
    for path in PATHS:
        expect(page.locator(".opblock-summary-path", has_text=path)).to_be_visible()
    assert barriers(page, but=KNOWN) == []
    key = service.key("Administrator's")  # who has few orders: the page takes long over many
    authorize(page, key)
    execute(page, "/orders/get_all")
    answer = page.locator(".live-responses-table")
    expect(answer).to_contain_text('"orderNum":')
    assert status(page).startswith("200")
    look(page, "reference-called")
    assert key not in kept(page)
    page.reload()
    # It is gone with the page.
    expect(page.get_by_role("button", name="Authorize").first).to_be_visible()
    assert page.locator(".authorization__btn.locked").count() == 0


@pytest.mark.parametrize(("key", "expected"), [(None, "401"), ("ofk_wrong", "403")])
def test_a_wrong_key_is_refused(visitor: Visitor, key: str | None, expected: str) -> None:
    page = visitor.open("/docs")
    if key:
        authorize(page, key)
    execute(page, "/orders/get_all")
    expect(page.locator(".live-responses-table .response-col_status").last).to_contain_text(
        expected
    )
    # Browsers write each such answer into the console.
    assert visitor.problems(but=f"status of {expected}") == []


def test_it_is_to_be_looked_at(visitor: Visitor) -> None:
    page = visitor.open("/docs")
    expect(page.locator(".opblock").last).to_be_visible()
    look_at_all(page, "reference")
    # The last was a phone's.
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
