"""An order that others change between reading and storing it, which SQLite's one writer rules out.

So the other change is made here by hand, in the transaction itself.
"""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import text

from app.db.prepared import Prepared
from app.db.steps import Statement, Steps
from app.domain.ids import OrderId
from app.domain.order import Order
from app.domain.principal import Principal
from app.services import order_changes, order_storage
from tests.graphql.writing import mutation, place, problems, write
from tests.shop import Shop

CHANGED = "UPDATE orders SET version = version + 1, status = 'completed' WHERE id = '{}'"
DELETED = "DELETE FROM orders WHERE id = '{}'"


def interrupt(monkeypatch: pytest.MonkeyPatch, statement: str, *, times: int = 1) -> None:
    """Let a statement be executed after orders were read, the first few times."""
    left = [times]

    def read_and_interrupt(
        principal: Principal, ids: Sequence[OrderId]
    ) -> Steps[dict[OrderId, Order]]:
        found = yield from order_storage.accessible_by_id(principal, ids)
        if left[0]:
            left[0] -= 1
            yield Statement(Prepared(text(statement)))
        return found

    monkeypatch.setattr(order_changes, "accessible_by_id", read_and_interrupt)


class TestStatus:
    async def _change(self, shop: Shop, *ids: str, **more: Any) -> Any:
        changes = [{"orderId": id_, "status": "DELIVERY", **more} for id_ in ids]
        return await write(shop, "changeOrderStatus", {"changes": changes}, key="admin")

    async def test_it_is_decided_anew(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        first, second = (await place(shop))["id"], (await place(shop))["id"]
        interrupt(monkeypatch, CHANGED.format(second))
        payload = await self._change(shop, second, first)
        assert payload == {
            "orders": [
                {"id": second, "status": "DELIVERY", "version": 2},
                {"id": first, "status": "DELIVERY", "version": 1},
            ],
            "userErrors": [],
        }
        log = "SELECT order_id, from_status, order_version FROM order_events ORDER BY seq"
        assert (await shop.rows(log))[2:] == [(second, "completed", 2), (first, "pending", 1)]

    async def test_it_is_past_the_version_expected(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, second = (await place(shop))["id"], (await place(shop))["id"]
        before = await shop.everything()
        interrupt(monkeypatch, CHANGED.format(second))
        payload = await self._change(shop, first, second, expectedVersion=0)
        assert problems(payload) == [("CONFLICT", "changes.1.expectedVersion")]
        assert payload["userErrors"][0]["message"].endswith("which is 1.")
        assert await shop.everything() == before

    async def test_it_is_gone(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        id_ = (await place(shop))["id"]
        before = await shop.everything()
        interrupt(monkeypatch, DELETED.format(id_))
        assert problems(await self._change(shop, id_)) == [("NOT_FOUND", "changes.0.orderId")]
        assert await shop.everything() == before

    async def test_others_never_stop(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        id_ = (await place(shop))["id"]
        before = await shop.everything()
        interrupt(monkeypatch, CHANGED.format(id_), times=100)
        change = {"changes": [{"orderId": id_, "status": "DELIVERY"}]}
        answer = await shop.graphql(mutation("changeOrderStatus"), {"input": change}, key="admin")
        assert [error["extensions"]["code"] for error in answer["errors"]] == ["RETRY"]
        assert await shop.everything() == before


class TestAddress:
    async def test_it_is_not_pending_any_more(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        id_ = (await place(shop))["id"]
        before = await shop.everything()
        interrupt(monkeypatch, CHANGED.format(id_))
        payload = await write(shop, "changeOrderAddress", {"orderId": id_, "address": "new"})
        assert problems(payload) == [("INVALID", "orderId")]
        assert "COMPLETED" in payload["userErrors"][0]["message"]
        assert await shop.everything() == before


class TestDeletion:
    async def test_the_log_keeps_the_order_as_it_was_deleted(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        id_ = (await place(shop))["id"]
        interrupt(monkeypatch, CHANGED.format(id_))
        payload = await write(shop, "deleteOrders", {"ids": [id_]})
        assert payload == {"deletedIds": [id_], "userErrors": []}
        log = "SELECT CAST(data AS TEXT), order_version FROM order_events"
        data, version = (await shop.rows(log))[-1]
        assert (json.loads(data)["order"]["status"], version) == ("completed", 2)

    async def test_it_is_gone(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        first, second = (await place(shop))["id"], (await place(shop))["id"]
        interrupt(monkeypatch, DELETED.format(first))
        response = await shop.rest("POST", "/orders/delete", {"orderId": [first, second]})
        assert response.json() == {"acknowledged": True, "deletedCount": 1}
        log = "SELECT order_id FROM order_events WHERE type = 'deleted'"
        assert await shop.rows(log) == [(second,)]
