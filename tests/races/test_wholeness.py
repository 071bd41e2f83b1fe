"""That the check which the other tests of this folder end with sees what it is there for."""

import pytest

from tests.databases import Databases
from tests.races.wholeness import ITEMS, violations
from tests.shop import CUSTOMER, LAMP, STOOL, TABLE, InsideShop


@pytest.mark.parametrize(
    ("damage", "seen"),
    [
        ("DELETE FROM order_items WHERE position = 2 AND order_id = {}", "2 rows in order_items"),
        ("DELETE FROM order_words WHERE order_id = {}", "0 rows in order_words"),
        ("DELETE FROM order_events WHERE order_id = {}", "0 rows in order_events"),
        ("DELETE FROM orders WHERE id = {}", "which is no order"),
        ("UPDATE orders SET order_number = 9 WHERE id = {}", "gaps or twins"),
        ("UPDATE order_counters SET last_order_number = 1 WHERE {} <> ''", "counter"),
        ("UPDATE order_events SET order_version = 1 WHERE order_id = {}", "another thing"),
        ("UPDATE orders SET status = 'delivery' WHERE id = {}", "another thing"),
    ],
)
async def test_damage_is_seen(
    databases: Databases, shop: InsideShop, damage: str, seen: str
) -> None:
    for _ in range(2):
        await shop.add(TABLE, STOOL, LAMP)
    assert len([TABLE, STOOL, LAMP]) == ITEMS
    assert await violations(shop.rows, [CUSTOMER], engine=databases.name) == []
    first = (await shop.order_ids())[0]
    async with shop.database.transaction() as connection:
        await connection.exec_driver_sql(damage.format(repr(first)))
    found = await violations(shop.rows, [CUSTOMER], engine=databases.name)
    assert any(seen in line for line in found), found
