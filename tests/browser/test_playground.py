"""The playground, as somebody uses it who opens the demo for the first time."""

import httpx
from playwright.sync_api import Page, expect

from app.graphql.playground import playground_start
from tests.browser.browsing import Visitor, barriers, kept, look, look_at_all, wait_until
from tests.e2e.server import Server

ORDER = {
    "items": [{"product": "0000000d0200000000000001", "quantity": 2, "shipping": "Regular"}],
    "address": "1 Main St, Carlton",
}
# GraphiQL's own: pale words, buttons in buttons, small ones.
KNOWN = ("color-contrast", "nested-interactive", "target-size")
TABS = "localStorage['graphiql:tabState']"
PLACED = 20


def has_text(page: Page, text: str) -> None:
    """Wait for the editor, which comes after the buttons and the tabs around it."""
    expect(page.locator(".graphiql-query-editor .view-lines")).to_contain_text(text)


def run(page: Page) -> None:
    has_text(page, "{")
    page.get_by_role("button", name="Execute query").click()


def answer(page: Page) -> str:
    """The part of the answer that is in view; the editor shows spaces as such that do not break."""
    return page.locator(".graphiql-response .view-lines").inner_text().replace("\xa0", " ")


def shows(page: Page, text: str) -> None:
    expect(page.locator(".graphiql-response .view-lines")).to_contain_text(text)


def test_an_example_runs_with_the_demo_key(visitor: Visitor, service: Server) -> None:
    page = visitor.open("/graphql")
    assert page.title() == "Playground - orders-graphql"
    expect(page.get_by_role("tab")).to_have_count(len(playground_start(None)["defaultTabs"]))
    run(page)
    shows(page, '"totalCount":')
    assert '"orders": {' in answer(page)
    assert '"errors"' not in answer(page)
    expect(page.locator(".graphiql-editor-tool")).to_contain_text(service.key("Administrator's"))
    assert barriers(page, but=KNOWN) == []


def test_the_key_is_kept_nowhere_and_is_there_again(visitor: Visitor, service: Server) -> None:
    key = service.key("Administrator's")
    page = visitor.open("/graphql")
    run(page)
    shows(page, '"totalCount":')
    # GraphiQL writes its tabs half a second after they changed.
    wait_until(page, f"Boolean({TABS})")
    assert "The newest orders" in kept(page)
    assert key not in kept(page)
    page.reload()
    expect(page.locator(".graphiql-editor-tool")).to_contain_text(key)
    run(page)
    shows(page, '"totalCount":')
    page.get_by_role("button", name="Show History").click()
    expect(page.get_by_role("region", name="History")).to_contain_text("Orders")
    assert key not in kept(page)


def test_the_editor_knows_the_schema(visitor: Visitor) -> None:
    page = visitor.open("/graphql")
    page.get_by_role("button", name="Show Documentation Explorer").click()
    docs = page.locator(".graphiql-doc-explorer")
    docs.get_by_role("link", name="Query", exact=True).click()
    expect(docs).to_contain_text("Several objects by id, in the order asked")
    look(page, "playground-docs")
    has_text(page, "query Orders")
    page.get_by_role("button", name="New tab").click()
    page.locator(".graphiql-query-editor .monaco-editor").click()
    page.keyboard.press("Control+A")
    page.keyboard.type("{ or")
    page.keyboard.press("Control+Space")
    expect(page.locator(".suggest-widget .monaco-list-row").first).to_contain_text("order")
    look(page, "playground-completion")


def test_a_mistake_is_marked(visitor: Visitor) -> None:
    page = visitor.open("/graphql")
    has_text(page, "query Orders")
    page.get_by_role("button", name="New tab").click()
    page.locator(".graphiql-query-editor .monaco-editor").click()
    page.keyboard.press("Control+A")
    page.keyboard.type("{ nonsense ")
    expect(page.locator(".graphiql-query-editor .squiggly-error").first).to_be_visible()


def test_a_subscription_shows_what_happens(visitor: Visitor, service: Server) -> None:
    page = visitor.open("/graphql")
    has_text(page, "query Orders")
    page.get_by_role("tab", name="OrderEvents").click()
    has_text(page, "subscription OrderEvents")
    # The editor reads the tab's operation soon; the tabs are kept only later.
    wait_until(page, f"JSON.parse({TABS} ?? '{{}}').activeTabIndex > 0")
    with page.expect_websocket() as opened:
        run(page)
    assert opened.value.url == service.url.replace("http", "ws") + "/graphql"
    key = {"Authorization": service.key("Customer's key")}
    for _ in range(PLACED):
        # Only what happens after it has begun is shown, and that is not to be seen from here.
        placed = httpx.post(f"{service.url}/orders/add", json=ORDER, headers=key)
        assert placed.text == "ORDER SUCCESS"
        page.wait_for_timeout(250)
        if '"orderEvents"' in answer(page):
            break
    shows(page, '"type": "CREATED"')
    look(page, "playground-subscription")
    page.get_by_role("button", name="Stop query").click()
    assert service.key("Administrator's") not in kept(page)


def test_it_is_to_be_looked_at(visitor: Visitor) -> None:
    page = visitor.open("/graphql")
    run(page)
    shows(page, '"totalCount":')
    look_at_all(page, "playground")


def test_it_becomes_dark_with_the_system(visitor: Visitor) -> None:
    page = visitor.open("/graphql")
    has_text(page, "query Orders")
    # Of the numbers of lines: that of the operation changes when it has been read, too.
    color = "getComputedStyle(document.querySelector('.graphiql-query-editor .line-numbers')).color"
    light = page.evaluate(color)
    page.emulate_media(color_scheme="dark")
    wait_until(page, f"{color} !== '{light}'")
    page.emulate_media(color_scheme="light")
    wait_until(page, f"{color} === '{light}'")
