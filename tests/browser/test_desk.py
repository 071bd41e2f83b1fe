"""The orders desk, as the staff of a shop and its customers use it."""

import hashlib
import json
import re
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.browser.browsing import DESKTOP, PHONE, Visitor, barriers, kept, look, wait_until
from tests.e2e.server import ROOT, Server, running

ORDERS = 600
DOCUMENTS = ROOT / "app" / "static" / "desk" / "documents.json"
UNREACHABLE = (
    "ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|ERR_CONNECTION_RESET"
    "|Unable to preload CSS|ProgressEvent"
)


class Api:
    """The service as its other clients see it, as an administrator."""

    def __init__(self, service: Server) -> None:
        self._url = service.url
        self.admin = service.key("Administrator's")
        self.customer = service.key("Customer's key")

    def ask(self, query: str, **variables: Any) -> Any:
        answer = httpx.post(
            f"{self._url}/graphql",
            json={"query": query, "variables": variables},
            headers={"Authorization": self.admin},
        ).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def place(self, *, key: str | None = None, address: str = "1 Main St, Carlton") -> str:
        """Place an order through REST and return its id."""
        item = {"product": "0000000d0200000000000001", "quantity": 2, "shipping": "Regular"}
        headers = {"Authorization": key or self.customer}
        body = {"items": [item], "address": address}
        response = httpx.post(f"{self._url}/orders/add", json=body, headers=headers)
        assert response.text == "ORDER SUCCESS"
        id_: str = self.ask("{ orders(first: 1) { nodes { id } } }")["orders"]["nodes"][0]["id"]
        return id_

    def set_status(self, order_id: str, status: str) -> None:
        self.ask(
            "mutation ($id: ID!, $status: OrderStatus!) { changeOrderStatus(input:"
            " { changes: [{ orderId: $id, status: $status }] }) { userErrors { message } } }",
            id=order_id,
            status=status,
        )

    def delete(self, order_id: str) -> None:
        self.ask(
            "mutation ($id: ID!) { deleteOrders(input: { ids: [$id] }) { deletedIds } }",
            id=order_id,
        )

    def new_key(self, *scopes: str) -> tuple[str, str]:
        """A key of the administrator's, with its id."""
        made = self.ask(
            'mutation ($scopes: [Scope!]!) { createApiKey(input: { name: "desk", scopes: $scopes'
            " }) { secret apiKey { id } } }",
            scopes=scopes,
        )["createApiKey"]
        return made["secret"], made["apiKey"]["id"]

    def status(self, order_id: str) -> str:
        found: str = self.ask("query ($id: ID!) { order(id: $id) { status } }", id=order_id)[
            "order"
        ]["status"]
        return found


@pytest.fixture(scope="module")
def api(service: Server) -> Api:
    return Api(service)


def sign_in(visitor: Visitor, key: str, path: str = "/desk", **how: Any) -> Page:
    page = visitor.open(path, **how)
    page.get_by_label("API key").fill(key)
    page.keyboard.press("Enter")
    expect(page.get_by_label("API key")).to_have_count(0)
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    return page


def rows(page: Page) -> Locator:
    """The rows of orders that are in the page."""
    return page.get_by_role("row").filter(has=page.get_by_role("link"))


def row(page: Page, order_id: str) -> Locator:
    return page.locator(f'[role=row]:has(a[href="/desk/orders/{order_id}"])')


def viewer(page: Page) -> Locator:
    """Who has signed in; rows of orders have names of customers, too."""
    return page.get_by_role("banner").locator(".viewer-name")


def told(page: Page, text: str) -> None:
    """A screen reader is told so."""
    expect(page.get_by_role("status").filter(has_text=text)).not_to_have_count(0)


class TestSigningIn:
    def test_the_key_stays_in_the_tab(self, visitor: Visitor, api: Api) -> None:
        page = visitor.open("/desk")
        assert barriers(page) == []
        look(page, "desk-sign-in")
        page.get_by_label("API key").fill(f"Bearer {api.admin}")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="Orders", exact=True)).to_be_visible()
        expect(viewer(page)).to_have_text("Cleo Lindqvist")
        assert api.admin not in kept(page).replace(
            json.dumps({"orders-desk-key": api.admin}, separators=(",", ":")), ""
        )
        page.reload()
        expect(rows(page).first).to_be_visible()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("API key")).to_be_focused()
        assert api.admin not in kept(page)

    def test_a_demo_offers_its_keys(self, visitor: Visitor) -> None:
        page = visitor.open("/desk")
        page.get_by_role("button", name="Customer").click()
        expect(viewer(page)).to_have_text("Ada Marsh")
        expect(page.get_by_role("columnheader", name="Customer")).to_have_count(0)

    def test_a_wrong_key_is_refused(self, visitor: Visitor) -> None:
        page = visitor.open("/desk")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_have_text("Enter your API key.")
        page.get_by_label("API key").fill("ofk_wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("The service does not know this key.")
        expect(page.get_by_label("API key")).to_be_focused()
        assert "ofk_wrong" not in kept(page)
        assert barriers(page) == []
        assert visitor.problems(but="status of 40[01]") == []

    def test_a_key_that_is_revoked_meanwhile(self, visitor: Visitor, api: Api) -> None:
        key, key_id = api.new_key("ADMIN")
        page = sign_in(visitor, key, "/desk/?status=pending")
        expect(rows(page).first).to_be_visible()
        api.ask(
            "mutation ($id: ID!) { revokeApiKey(input: { id: $id }) { apiKey { id } } }", id=key_id
        )
        told(page, "Your key has expired or was revoked.")
        assert key not in kept(page)
        assert barriers(page) == []
        look(page, "desk-key-ended")
        # One goes on where one was.
        page.get_by_label("API key").fill(api.admin)
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="Pending", pressed=True)).to_be_visible()
        assert visitor.problems(but="status of 40[01]") == []

    def test_a_key_without_the_right_to_read(self, visitor: Visitor, api: Api) -> None:
        key, _ = api.new_key("ORDERS_WRITE")
        page = visitor.open("/desk")
        page.get_by_label("API key").fill(key)
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("it needs the scope orders:read")
        assert visitor.problems(but="status of 40[013]") == []


class TestList:
    def test_it_is_narrowed_and_sorted(self, visitor: Visitor, api: Api) -> None:
        page = sign_in(visitor, api.admin)
        page.get_by_role("button", name="Completed").click()
        expected = api.ask("{ orders(first: 0, filter: {status: [COMPLETED]}) { totalCount } }")
        count = expected["orders"]["totalCount"]
        told(page, f"{count} orders")
        expect(rows(page).first).to_contain_text("Completed")

        page.get_by_label("Shipping").select_option("NEXT_DAY")
        page.get_by_label("Sorted by").select_option("TOTAL_DESC")
        page.keyboard.press("/")
        page.get_by_role("searchbox").fill("elm fitz ada")
        found = api.ask(
            "{ orders(first: 1, sort: TOTAL_DESC, filter: {status: [COMPLETED], shipping:"
            ' [NEXT_DAY], search: "elm fitz ada"}) { totalCount nodes { id } } }'
        )["orders"]
        told(page, f"{found['totalCount']} orders")
        expect(rows(page)).to_have_count(found["totalCount"])
        expect(rows(page).first.get_by_role("link")).to_have_attribute(
            "href", f"/desk/orders/{found['nodes'][0]['id']}"
        )
        expect(page.get_by_role("columnheader", name="Total")).to_have_attribute(
            "aria-sort", "descending"
        )
        # All of it is in the address.
        page.reload()
        expect(rows(page)).to_have_count(found["totalCount"])
        page.get_by_role("searchbox").fill("nowhere")
        expect(page.get_by_role("heading", name="No order matches")).to_be_visible()
        look(page, "desk-no-match")
        page.get_by_role("button", name="Show all orders").click()
        told(page, f"{ORDERS} orders")
        expect(page.get_by_role("searchbox")).to_have_value("")

    def test_days_are_those_of_the_reader(self, visitor: Visitor, api: Api) -> None:
        page = sign_in(visitor, api.admin)
        page.get_by_label("Placed").select_option("between")
        page.get_by_label("From").fill("2026-09-01")
        page.get_by_label("to", exact=True).fill("2026-09-30")
        ends = page.evaluate(
            "['2026-09-01T00:00', '2026-10-01T00:00'].map((day) => new Date(day).toISOString())"
        )
        found = api.ask(
            "query ($range: DateTimeRange) { orders(first: 0, filter: { createdAt: $range })"
            " { totalCount } }",
            range={"gte": ends[0], "lt": ends[1]},
        )
        told(page, f"{found['orders']['totalCount']} orders")
        page.get_by_role("button", name="Clear", exact=True).click()
        told(page, f"{ORDERS} orders")

    def test_a_customers_orders(self, visitor: Visitor, api: Api) -> None:
        page = sign_in(visitor, api.admin)
        page.get_by_label("Customer", exact=True).press_sequentially("ben")
        option = page.locator("datalist option")
        expect(option).to_have_attribute("value", "Ben Okafor (ben@demo.example)")
        page.keyboard.press("Enter")
        told(page, "176 orders")
        expect(rows(page).first).to_contain_text("Ben Okafor")
        page.get_by_role("button", name="Any customer").click()
        told(page, f"{ORDERS} orders")

    def test_pages_come_as_one_scrolls(self, visitor: Visitor, api: Api) -> None:
        page = sign_in(visitor, api.admin)
        grid = page.get_by_role("grid")
        expect(rows(page).first).to_be_visible()
        oldest = api.ask("{ orders(last: 1) { nodes { id } } }")["orders"]["nodes"][0]["id"]
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.post_data or ""))
        seen = 0
        for _ in range(40):
            grid.evaluate("(element) => element.scrollBy(0, 2000)")
            page.wait_for_timeout(30)
            seen = max(seen, rows(page).count())
            if row(page, oldest).count():
                break
        expect(row(page, oldest)).to_be_visible()
        assert seen < 60
        pages = [body for body in asked if '"operationName":"Orders"' in body]
        # 50 orders came first, then 100 with each page.
        assert len(pages) == 6
        assert grid.get_attribute("aria-rowcount") == str(ORDERS + 1)

    def test_where_one_was_is_kept(self, visitor: Visitor, api: Api) -> None:
        newest = api.ask("{ orders(first: 1) { nodes { id } } }")["orders"]["nodes"][0]["id"]
        page = sign_in(visitor, api.admin)
        expect(rows(page).first).to_be_visible()
        page.get_by_role("grid").evaluate("(element) => element.scrollTo(0, 1200)")
        expect(row(page, newest)).to_have_count(0)
        link = rows(page).nth(12).get_by_role("link")
        name = link.inner_text()
        link.click()
        expect(page.get_by_role("heading", name=f"Order {name}")).to_be_visible()
        page.get_by_role("link", name="Orders", exact=True).first.click()
        expect(rows(page).first).to_be_visible()
        wait_until(page, "document.querySelector('[role=grid]').scrollTop === 1200")

    def test_it_is_used_by_keys(self, visitor: Visitor, api: Api) -> None:
        page = sign_in(visitor, api.admin)
        expect(rows(page).first).to_be_visible()
        for key in ("j", "j", "ArrowDown", "k"):
            page.keyboard.press(key)
        grid = page.get_by_role("grid")
        active = grid.get_attribute("aria-activedescendant")
        assert active == rows(page).nth(1).get_attribute("id")
        page.keyboard.press("Space")
        expect(rows(page).nth(1)).to_have_attribute("aria-selected", "true")
        page.keyboard.press("Shift+j")
        told(page, "2 orders selected.")
        page.keyboard.press("Escape")
        expect(page.get_by_role("toolbar")).to_have_count(0)
        page.keyboard.press("?")
        expect(page.get_by_role("dialog")).to_contain_text("Next order")
        assert barriers(page) == []
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_contain_text("Order #")
        expect(page.get_by_role("main")).to_be_focused()

    def test_what_can_not_be_loaded_is_said(self, visitor: Visitor, api: Api) -> None:
        page = visitor.open("/desk")
        broken = True

        def answer(route: Route) -> None:
            if broken and '"operationName":"Orders"' in (route.request.post_data or ""):
                route.abort()
            else:
                route.fallback()

        page.route("**/graphql", answer)
        page.get_by_label("API key").fill(api.admin)
        page.keyboard.press("Enter")
        alert = page.get_by_role("alert")
        expect(alert).to_contain_text("The orders could not be loaded")
        look(page, "desk-error")
        assert barriers(page) == []
        broken = False
        alert.get_by_role("button", name="Try again").click()
        expect(rows(page).first).to_be_visible()
        assert visitor.problems(but="ERR_FAILED") == []


class TestChanging:
    def test_many_at_a_time_and_back(self, visitor: Visitor, api: Api) -> None:
        orders = [api.place(), api.place()]
        page = sign_in(visitor, api.admin)
        for order in orders:
            row(page, order).get_by_role("checkbox").click()
        toolbar = page.get_by_role("toolbar", name="Selected orders")
        expect(toolbar).to_contain_text("2 selected")
        look(page, "desk-selected")
        toolbar.get_by_role("button", name="In delivery").click()
        told(page, "2 orders set to in delivery.")
        expect(page.get_by_role("grid")).to_be_focused()
        for order in orders:
            expect(row(page, order)).to_contain_text("In delivery")
            assert api.status(order) == "DELIVERY"
        page.get_by_role("button", name="Each order").click()
        expect(page.get_by_role("list", name="Each order").get_by_role("listitem")).to_have_text(
            [re.compile("#.* of Ada Marsh.*Pending → In delivery")] * 2
        )
        assert barriers(page) == []
        look(page, "desk-changed")
        page.get_by_role("button", name="Undo").click()
        told(page, "2 orders set back.")
        for order in orders:
            expect(row(page, order)).to_contain_text("Pending")
            assert api.status(order) == "PENDING"

    def test_what_somebody_else_changed_is_refused(self, visitor: Visitor, api: Api) -> None:
        ours, theirs = api.place(), api.place()
        page = sign_in(visitor, api.admin)
        for order in (ours, theirs):
            row(page, order).get_by_role("checkbox").click()
        changed = False

        def answer(route: Route) -> None:
            nonlocal changed
            if "ChangeStatus" in (route.request.post_data or "") and not changed:
                changed = True
                api.set_status(theirs, "COMPLETED")
            route.fallback()

        page.route("**/graphql", answer)
        page.keyboard.press("2")
        told(page, "1 order set to in delivery, 1 could not be.")
        outcome = page.get_by_role("list", name="Each order").get_by_role("listitem")
        expect(outcome.first).to_contain_text("Somebody else changed it meanwhile")
        expect(row(page, theirs)).to_contain_text("Completed")
        expect(row(page, ours)).to_contain_text("In delivery")
        look(page, "desk-conflict")

    def test_what_fails_is_shown_as_it_was(self, visitor: Visitor, api: Api) -> None:
        order = api.place()
        page = sign_in(visitor, api.admin)
        row(page, order).get_by_role("checkbox").click()
        held: list[Route] = []

        def answer(route: Route) -> None:
            if "ChangeStatus" in (route.request.post_data or ""):
                held.append(route)
            else:
                route.fallback()

        page.route("**/graphql", answer)
        with page.expect_request(lambda sent: "ChangeStatus" in (sent.post_data or "")):
            page.keyboard.press("3")
        # Before the service has answered; and as it was when it does not.
        expect(row(page, order)).to_contain_text("Completed")
        assert len(held) == 1
        held[0].abort()
        expect(row(page, order)).to_contain_text("Pending")
        told(page, "1 order could not be set to completed.")
        expect(page.get_by_role("list", name="Each order")).to_contain_text("can't be reached")
        assert api.status(order) == "PENDING"
        assert visitor.problems(but="ERR_FAILED") == []

    def test_deleting_is_asked_about_and_undone(self, visitor: Visitor, api: Api) -> None:
        order = api.place()
        page = sign_in(visitor, api.admin)
        row(page, order).get_by_role("checkbox").click()
        page.keyboard.press("Delete")
        dialog = page.get_by_role("dialog", name="Delete 1 order?")
        expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
        assert barriers(page) == []
        look(page, "desk-delete")
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
        expect(row(page, order)).to_be_visible()
        page.get_by_role("button", name="Delete …").click()
        dialog.get_by_role("button", name="Delete", exact=True).click()
        told(page, "1 order deleted.")
        expect(page.get_by_role("grid")).to_be_focused()
        expect(row(page, order)).to_have_count(0)
        page.keyboard.press("z")
        told(page, "1 order restored.")
        expect(row(page, order)).to_be_visible()
        assert api.status(order) == "PENDING"

    def test_a_customer_deletes_only(self, visitor: Visitor, api: Api) -> None:
        order = api.place()
        page = sign_in(visitor, api.customer)
        row(page, order).get_by_role("checkbox").click()
        expect(page.get_by_role("toolbar").get_by_role("button")).to_have_text(["Delete …", ""])
        page.keyboard.press("2")
        page.get_by_role("button", name="Delete …").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("Only an administrator can bring it back.")
        dialog.get_by_role("button", name="Delete", exact=True).click()
        told(page, "1 order deleted.")
        expect(page.get_by_role("button", name="Undo")).to_have_count(0)
        expect(row(page, order)).to_have_count(0)

    def test_who_may_only_read_has_nothing_to_select(self, visitor: Visitor, api: Api) -> None:
        key, _ = api.new_key("ORDERS_READ")
        page = sign_in(visitor, key, size=PHONE)
        expect(rows(page).first).to_be_visible()
        expect(page.get_by_role("checkbox")).to_have_count(0)
        for pressed in ("j", "x", "a", "2", "Delete"):
            page.keyboard.press(pressed)
        expect(page.get_by_role("toolbar")).to_have_count(0)
        expect(page.get_by_role("dialog")).to_have_count(0)
        assert barriers(page) == []
        look(page, "desk-phone-reader")
        rows(page).first.get_by_role("link").click()
        expect(page.get_by_role("region", name="History")).to_be_visible()
        expect(page.get_by_role("button", name="Delete …")).to_have_count(0)
        expect(page.get_by_role("button", name="Completed")).to_have_count(0)


class TestLive:
    def test_two_browsers_see_the_same(self, visitor: Visitor, api: Api) -> None:
        one, other = sign_in(visitor, api.admin), sign_in(visitor, api.customer)
        expect(rows(one).first).to_be_visible()
        expect(rows(other).first).to_be_visible()
        # An order that comes, changes and goes, without a reload.
        order = api.place(address="7 Live St")
        for page in (one, other):
            expect(rows(page).first).to_contain_text("7 Live St")
        row(one, order).get_by_role("checkbox").click()
        one.keyboard.press("3")
        for page in (one, other):
            expect(row(page, order)).to_contain_text("Completed")
        api.delete(order)
        for page in (one, other):
            expect(row(page, order)).to_have_count(0)

    def test_what_comes_to_match_appears(self, visitor: Visitor, api: Api) -> None:
        page = sign_in(visitor, api.admin, "/desk/?status=completed&q=newcomer")
        expect(page.get_by_role("heading", name="No order matches")).to_be_visible()
        order = api.place(address="1 Newcomer St")
        api.place(address="2 Other St")
        api.set_status(order, "COMPLETED")
        expect(row(page, order)).to_be_visible()
        expect(rows(page)).to_have_count(1)
        told(page, "1 order")
        api.set_status(order, "DELIVERY")
        expect(rows(page)).to_have_count(0)
        expect(page.get_by_role("heading", name="No order matches")).to_be_visible()

    def test_new_orders_do_not_move_what_is_read(self, visitor: Visitor, api: Api) -> None:
        page = sign_in(visitor, api.admin)
        expect(rows(page).first).to_be_visible()
        grid = page.get_by_role("grid")
        grid.evaluate("(element) => element.scrollTo(0, 800)")
        page.wait_for_timeout(100)
        watched = rows(page).nth(15)
        name, at = watched.get_attribute("id"), watched.bounding_box()
        order = api.place()
        page.get_by_role("button", name="1 new order").wait_for()
        assert page.locator(f"[id='{name}']").bounding_box() == at
        page.get_by_role("button", name="1 new order").click()
        expect(row(page, order)).to_be_in_viewport()
        expect(page.get_by_role("button", name="1 new order")).to_have_count(0)

    def test_a_service_that_stops_and_comes_back(self, browser: Browser, tmp_path: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        with running(tmp_path, "--demo", "--port", port) as service:
            visitor = Visitor(browser, service.url)
            page = sign_in(visitor, service.key("Administrator's"))
            expect(rows(page).first).to_be_visible()
            service.stop(signal.SIGTERM)
        expect(page.get_by_role("button", name="Try now")).to_be_visible()
        expect(page.get_by_text("Offline", exact=True)).to_be_visible()
        # What was there can still be read, and what is tried is said to fail.
        expect(rows(page).first).to_be_visible()
        assert barriers(page) == []
        look(page, "desk-offline")
        # What was not loaded yet can't be shown; one can go back.
        page.get_by_role("link", name="Dashboard").click()
        expect(page.get_by_role("heading", name="This page could not be shown")).to_be_visible()
        assert barriers(page) == []
        page.get_by_role("link", name="Orders", exact=True).click()
        rows(page).first.get_by_role("checkbox").click()
        page.keyboard.press("3")
        told(page, "1 order could not be set to completed.")
        with running(tmp_path, "--demo", "--port", port) as service:
            # Placed before the desk is back: it hears of it all the same.
            order = Api(service).place(address="1 Meanwhile St")
            expect(page.get_by_text("Live", exact=True)).to_be_visible()
            expect(row(page, order)).to_contain_text("1 Meanwhile St")
            expect(page.get_by_role("button", name="Try now")).to_have_count(0)
            assert visitor.problems(but=UNREACHABLE) == []
            visitor.close()


class TestOrder:
    def test_all_of_it_is_shown_and_follows(self, visitor: Visitor, api: Api) -> None:
        order = api.place(address="3 Page St")
        page = sign_in(visitor, api.admin, f"/desk/orders/{order}")
        expect(page.get_by_role("heading", level=1)).to_contain_text("Order #")
        table = page.get_by_role("table")
        expect(table.get_by_role("row").nth(1)).to_contain_text("oak dining table")
        expect(table).to_contain_text("$422.50")
        expect(table.get_by_role("row").last).to_contain_text("$845.00")
        history = page.get_by_role("region", name="History").get_by_role("listitem")
        expect(history).to_have_text([re.compile("Placed.*Ada Marsh, through REST")])
        assert barriers(page) == []

        page.get_by_role("button", name="Correct the address").click()
        page.get_by_label("Address").fill(" ")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("alert")).to_have_text("Enter an address.")
        page.get_by_label("Address").fill("4 Page St\nCarlton")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("region", name="Delivery")).to_contain_text("4 Page St")
        expect(history).to_have_count(2)

        page.get_by_role("button", name="In delivery").click()
        expect(page.get_by_role("button", name="In delivery")).to_have_attribute(
            "aria-pressed", "true"
        )
        expect(history.last).to_contain_text("Pending → In delivery")
        # On its way its address is fixed.
        expect(page.get_by_role("button", name="Correct the address")).to_have_count(0)
        # Somebody else's change shows, too.
        api.set_status(order, "COMPLETED")
        expect(history.last).to_contain_text("In delivery → Completed")
        look(page, "desk-order")

    def test_it_is_deleted_and_brought_back(self, visitor: Visitor, api: Api) -> None:
        order = api.place()
        page = sign_in(visitor, api.admin, f"/desk/orders/{order}")
        page.get_by_role("button", name="Delete …").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
        expect(page.get_by_role("heading", name="There is no such order")).to_be_visible()
        assert barriers(page) == []
        page.get_by_role("button", name="Bring it back").click()
        history = page.get_by_role("region", name="History").get_by_role("listitem")
        expect(history.last).to_contain_text("Brought back")

    def test_others_orders_are_not_there(self, visitor: Visitor, api: Api) -> None:
        order = api.place(key=api.admin)
        page = sign_in(visitor, api.customer, f"/desk/orders/{order}")
        expect(page.get_by_role("heading", name="There is no such order")).to_be_visible()
        expect(page.get_by_role("button", name="Bring it back")).to_have_count(0)


class TestDashboard:
    def test_figures_are_those_of_the_service(self, visitor: Visitor, api: Api) -> None:
        page = sign_in(visitor, api.admin, "/desk/dashboard")
        page.get_by_role("button", name="1 year").click()
        start, end = page.evaluate(
            "[364, -1].map((ago) => { const now = new Date(); return new Date("
            "now.getFullYear(), now.getMonth(), now.getDate() - ago).toISOString(); })"
        )
        stats = api.ask(
            "query ($range: DateTimeRange) { stats(filter: { createdAt: $range }) { orderCount"
            " total { amount } byStatus { status orderCount } topProducts(first: 1) { name } } }",
            range={"gte": start, "lt": end},
        )["stats"]
        expect(page.get_by_role("region", name="Orders", exact=True)).to_contain_text(
            str(stats["orderCount"])
        )
        expect(page.get_by_role("region", name="Revenue", exact=True)).to_contain_text(
            f"${float(stats['total']['amount']):,.2f}"
        )
        expect(page.get_by_role("region", name="Orders per week").locator("canvas")).to_be_visible()
        expect(page.get_by_role("region", name="Top products")).to_contain_text(
            stats["topProducts"][0]["name"]
        )
        assert barriers(page) == []
        look(page, "desk-dashboard")
        table = page.get_by_role("region", name="Orders per week")
        table.get_by_text("As a table").click()
        cells = table.locator("tbody td").all_inner_texts()
        assert sum(map(int, cells)) == stats["orderCount"]

    def test_it_follows_and_leads_to_the_orders(self, visitor: Visitor, api: Api) -> None:
        page = sign_in(visitor, api.customer, "/desk/dashboard")
        page.get_by_role("button", name="7 days").click()
        expect(page.get_by_role("button", name="7 days", pressed=True)).to_be_visible()
        expect(page.locator(".figures[aria-busy=false]")).to_be_visible()
        orders = page.get_by_role("region", name="Orders", exact=True)
        before = int(orders.locator(".tile-value").inner_text())
        api.place()
        expect(orders.locator(".tile-value")).to_have_text(str(before + 1))
        page.get_by_role("link", name="Pending").click()
        expect(page.get_by_role("button", name="Pending", pressed=True)).to_be_visible()
        expect(page.get_by_label("Placed")).to_have_value("7d")
        expect(rows(page).first).to_be_visible()


class TestScreens:
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
    def test_everybody_can_use_it(
        self, visitor: Visitor, api: Api, size: tuple[int, int], scheme: str
    ) -> None:
        page = sign_in(visitor, api.admin, size=size, scheme=scheme)
        rows(page).nth(1).get_by_role("checkbox").click()
        name = f"desk-{'phone' if size == PHONE else 'desktop'}-{scheme}"
        expect(page.get_by_role("toolbar")).to_be_visible()
        for place in ("list", "order", "dashboard"):
            if place == "order":
                rows(page).first.get_by_role("link").click()
                expect(page.get_by_role("region", name="History")).to_be_visible()
            elif place == "dashboard":
                page.get_by_role("link", name="Dashboard").click()
                expect(page.get_by_role("region", name="By status")).to_be_visible()
            assert barriers(page) == []
            assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
            look(page, f"{name}-{place}")


class TestDocuments:
    @contextmanager
    def bodies(self, page: Page) -> Iterator[list[Mapping[str, Any]]]:
        """The GraphQL requests that the page sends meanwhile."""
        sent: list[Mapping[str, Any]] = []
        page.on(
            "request",
            lambda request: (
                sent.append(json.loads(request.post_data or "{}"))
                if request.url.endswith("/graphql")
                else None
            ),
        )
        yield sent

    def test_a_service_that_takes_nothing_else(self, browser: Browser, tmp_path: Path) -> None:
        with running(tmp_path, "--demo", ORDERS_PERSISTED_ONLY="true") as service:
            visitor = Visitor(browser, service.url)
            key = service.key("Administrator's")
            refused = httpx.post(
                f"{service.url}/graphql",
                json={"query": "{ scopes }"},
                headers={"Authorization": key},
            )
            assert refused.json()["errors"][0]["extensions"]["code"] == "PERSISTED_QUERY_ONLY"
            page = visitor.open("/desk")
            with self.bodies(page) as sent:
                page.get_by_label("API key").fill(key)
                page.keyboard.press("Enter")
                rows(page).first.get_by_role("checkbox").click()
                page.keyboard.press("1")
                expect(page.get_by_role("list", name="Each order")).to_have_count(0)
                told(page, "1 order set to pending.")
                page.get_by_role("button", name="Undo").click()
                told(page, "1 order set back.")
                rows(page).first.get_by_role("link").click()
                expect(page.get_by_role("region", name="History")).to_be_visible()
                page.get_by_role("link", name="Dashboard").click()
                expect(page.get_by_role("region", name="By status")).to_be_visible()
                expect(page.get_by_text("Live", exact=True)).to_be_visible()
            documents = json.loads(DOCUMENTS.read_bytes())
            assert {body["operationName"] for body in sent} == {
                *("Viewer", "Orders", "OrderCount", "OrderEvents"),
                *("ChangeStatus", "Order", "Figures"),
            }
            for body in sent:
                assert "query" not in body
                assert body["operationName"] in documents[body["documentId"].split(":")[1]]
            assert visitor.problems() == []
            visitor.close()

    def test_a_service_that_does_not_know_them(self, visitor: Visitor, api: Api) -> None:
        page = visitor.open("/desk")

        def answer(route: Route) -> None:
            body = json.loads(route.request.post_data or "{}")
            if "documentId" in body:
                body["documentId"] = f"sha256:{'0' * 64}"
            route.fallback(post_data=json.dumps(body))

        page.route("**/graphql", answer)
        with self.bodies(page) as sent:
            page.get_by_label("API key").fill(api.admin)
            page.keyboard.press("Enter")
            expect(rows(page).first).to_be_visible()
            expect(page.get_by_text("Live", exact=True)).to_be_visible()
        # What is sent then is the very text that the ids are made of.
        texts = [body["query"] for body in sent if "query" in body]
        documents = json.loads(DOCUMENTS.read_bytes())
        assert len(texts) >= 4
        for text in texts:
            assert documents[hashlib.sha256(text.encode()).hexdigest()] == text
        assert visitor.problems(but="status of 400") == []
