"""What the table of the contract can't say: it needs a clock, a setting, or something broken."""

import re
from datetime import datetime

import pytest

from app.domain import clock
from tests.shop import CUSTOMER, Shop, open_shop


async def test_an_order_is_created_now(shop: Shop) -> None:
    before = clock.now()
    await shop.add()
    after = clock.now()
    [id_] = await shop.order_ids()
    body = {"items": [{"orderId": id_, "status": "pending"}]}
    [order] = (await shop.rest("POST", "/orders/change-status", body, key="admin")).json()
    assert before <= datetime.fromisoformat(order["createdAt"]) <= after
    assert (order["user"], order["status"]) == (CUSTOMER, "pending")


async def test_the_legacy_size_is_taken_whatever_the_limit(database_url: str) -> None:
    async with open_shop(database_url, body_limit_bytes=102_400) as shop:
        for size, status in ((102_400, 200), (102_401, 413)):
            response = await shop.rest(
                "POST",
                "/orders/delete",
                content=b'{"orderId":[]}'.ljust(size),
                headers={"Content-Type": "application/json"},
            )
            assert response.status_code == status
        assert response.json() == {"msg": "The request body must not be larger than 102400 bytes."}


async def test_every_answer_of_the_service_may_be_read_by_any_origin(shop: Shop) -> None:
    answers = [
        await shop.rest("GET", "/nowhere"),
        await shop.rest("POST", "/graphql", {"query": "{ __typename }"}),
        await shop.rest("POST", "/graphql", {"query": "{"}),
    ]
    assert {answer.headers["access-control-allow-origin"] for answer in answers} == {"*"}


@pytest.mark.parametrize("path", ["/", "/docs", "/graphql"])
async def test_no_page_for_people_may_be_read_by_another(shop: Shop, path: str) -> None:
    headers = {"Accept": "text/html", "Origin": "https://elsewhere.example"}
    page = await shop.rest("GET", path, key=None, headers=headers)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert not [name for name in page.headers if name.startswith("access-control")]


@pytest.mark.parametrize("sent", ["a b", "x" * 65, 'x"y', ""])
async def test_a_request_id_that_is_not_sane_is_replaced(shop: Shop, sent: str) -> None:
    made = await shop.rest("GET", "/orders/get_all", headers={"X-Request-Id": sent})
    assert re.fullmatch("[0-9a-f]{32}", made.headers["x-request-id"])


async def test_answers_show_nothing_of_the_inside(shop: Shop) -> None:
    async with shop.database.transaction() as connection:
        await connection.exec_driver_sql("UPDATE api_keys SET scopes = 'nonsense'")
    response = await shop.rest("GET", "/orders/get_all")
    assert (response.status_code, response.json()) == (500, {"msg": "request error"})
    assert not re.search(r"Traceback|SELECT|\.py|nonsense", response.text)
