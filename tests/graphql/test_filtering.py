"""Which orders a list holds, in which order, and along which index they are found."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from sqlalchemy import Engine, event

from app.domain.ids import OrderId, ProductId, UserId
from app.domain.order import Order, OrderItem, OrderStatus, ShippingMethod
from app.services.order_storage import store_orders
from tests.databases import PostgreSQLDatabases, SQLiteDatabases
from tests.shop import (
    ADMIN,
    CUSTOMER,
    LAMP,
    OTHER,
    STOOL,
    TABLE,
    UNKNOWN,
    Shop,
    counted_statements,
    open_shop,
)

LIST = """query ($filter: OrderFilter, $sort: OrderSort! = CREATED_AT_ASC, $first: Int = 100,
    $after: String) {
  orders(filter: $filter, sort: $sort, first: $first, after: $after) {
    totalCount nodes { number externalId } edges { cursor }
    pageInfo { hasNextPage hasPreviousPage }
  }
}"""
ATTRIBUTES = {"CREATED_AT": "created_at", "UPDATED_AT": "updated_at", "TOTAL": "total_minor"}
SORTS = [f"{key}_{way}" for key in ATTRIBUTES for way in ("ASC", "DESC")]
STATUSES, METHODS = list(OrderStatus), list(ShippingMethod)
FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)


def _id(user: str, number: int) -> str:
    return f"{user[-2:]}{number:022x}"


def _order(user: str, number: int) -> Order:
    """The user's order of that number: what it has of each property follows from the number."""
    items = tuple(
        OrderItem(
            _id(user, number * 10 + place),
            ProductId((TABLE, STOOL, LAMP)[(number + place) % 3]),
            f"thing {number}",
            None,
            100 * (number % 5),
            1,
            METHODS[number % 3],
        )
        for place in range(number % 2 + 1)
    )
    return Order(
        id=OrderId(_id(user, number)),
        user_id=UserId(user),
        number=number,
        status=STATUSES[number % 3],
        address=f"{number} Main St",
        currency="USD",
        total_minor=sum(item.total_minor for item in items),
        version=0,
        created_at=FIRST_DAY + timedelta(days=number // 2),
        updated_at=FIRST_DAY + timedelta(days=100 - number // 3),
        external_id=f"po-{number}" if number % 4 else None,
        items=items,
    )


ORDERS = [_order(user, number) for user in (CUSTOMER, OTHER) for number in range(1, 13)]


@pytest.fixture
async def filled(shop: Shop) -> Shop:
    async with shop.database.transaction() as connection:
        await store_orders(connection, ORDERS)
    return shop


async def _numbers(shop: Shop, conditions: Any, key: str = "customer", **more: Any) -> list[int]:
    page = (await shop.data(LIST, {"filter": conditions, **more}, key=key))["orders"]
    assert page["totalCount"] == len(page["nodes"])
    return [node["number"] for node in page["nodes"]]


def _day(number: int) -> str:
    return (FIRST_DAY + timedelta(days=number)).strftime("%Y-%m-%dT%H:%M:%SZ")


ALL = list(range(1, 13))
FILTERS: list[tuple[dict[str, Any], list[int]]] = [
    ({}, ALL),
    (dict.fromkeys(["ids", "shipping", "updatedAt", "productIds", "search"]), ALL),
    ({"ids": []}, []),
    ({"ids": [_id(CUSTOMER, 3).upper(), _id(CUSTOMER, 1), _id(CUSTOMER, 3)]}, [1, 3]),
    ({"ids": [_id(OTHER, 3), UNKNOWN]}, []),
    ({"ids": [_id(CUSTOMER, n) for n in range(100)]}, ALL),
    ({"status": ["PENDING", "COMPLETED"]}, [2, 3, 5, 6, 8, 9, 11, 12]),
    ({"shipping": []}, []),
    ({"shipping": ["REGULAR"]}, [1, 4, 7, 10]),
    ({"shipping": ["BUDGET", "NEXT_DAY", "BUDGET"]}, [2, 3, 5, 6, 8, 9, 11, 12]),
    ({"createdAt": {"gte": _day(2), "lt": _day(3)}}, [4, 5]),
    ({"updatedAt": {"gte": _day(98)}}, [1, 2, 3, 4, 5, 6, 7, 8]),
    ({"updatedAt": {"lt": _day(98)}}, [9, 10, 11, 12]),
    ({"updatedAt": {"gte": _day(99), "lt": _day(98)}}, []),
    ({"productIds": []}, []),
    ({"productIds": [TABLE]}, [3, 5, 6, 9, 11, 12]),
    ({"productIds": [LAMP.upper(), UNKNOWN, TABLE]}, [1, 2, 3, 5, 6, 7, 8, 9, 11, 12]),
    ({"customerIds": []}, []),
    ({"customerIds": [CUSTOMER.upper(), CUSTOMER]}, ALL),
    ({"externalIds": []}, []),
    ({"externalIds": ["po-2", "po-4", "PO-3", "'; --", "po-2"]}, [2]),
    ({"search": "main 7"}, [7]),
    ({"search": "MAIN", "ids": [_id(CUSTOMER, 2)], "status": ["COMPLETED"]}, [2]),
    ({"search": "main", "status": ["PENDING"], "shipping": ["NEXT_DAY"]}, [3, 6, 9, 12]),
    ({"productIds": [STOOL], "createdAt": {"gte": _day(3)}, "externalIds": ["po-7"]}, [7]),
]


class TestFilters:
    async def test_each_alone_and_together(self, filled: Shop) -> None:
        for conditions, numbers in FILTERS:
            assert await _numbers(filled, conditions) == numbers, conditions

    async def test_the_same_for_an_administrator(self, filled: Shop) -> None:
        own = {"customerIds": [CUSTOMER]}
        for conditions, numbers in FILTERS:
            if conditions.get("customerIds") is None:
                found = await _numbers(filled, {**conditions, **own}, key="admin")
                assert found == numbers, conditions
        assert await _numbers(filled, {}, key="admin", sort="TOTAL_ASC", first=100) == [
            order.number
            for order in sorted(ORDERS, key=lambda order: (order.total_minor, order.id))
        ]
        some = {"customerIds": [CUSTOMER, OTHER, UNKNOWN], "externalIds": ["po-2"]}
        assert await _numbers(filled, some, key="admin") == [2, 2]
        assert await _numbers(filled, {"customerIds": [ADMIN]}, key="admin") == []

    async def test_combine_with_whose_list_it_is(self, filled: Shop) -> None:
        query = """query ($filter: OrderFilter) {
            orders(first: 1) { nodes { customer { orders(filter: $filter) { totalCount } } } } }"""
        for customers, count in (([CUSTOMER, OTHER], 12), ([OTHER], 0), ([], 0), (None, 12)):
            variables = {"filter": {"customerIds": customers}}
            [order] = (await filled.data(query, variables, key="admin"))["orders"]["nodes"]
            assert order["customer"]["orders"]["totalCount"] == count

    async def test_customers_other_than_oneself_need_admin(self, filled: Shop) -> None:
        for others in ([OTHER], [CUSTOMER, UNKNOWN]):
            for field in ("orders", "me { orders"):
                query = (
                    f"query ($filter: OrderFilter) {{ {field}(filter: $filter) {{ totalCount }} }}"
                )
                query += " }" if field != "orders" else ""
                answer = await filled.graphql(query, {"filter": {"customerIds": others}})
                assert answer["data"] is None
                assert answer["errors"][0]["extensions"] == {
                    "code": "FORBIDDEN",
                    "requiredScope": "admin",
                }

    @pytest.mark.parametrize(
        ("conditions", "message", "field"),
        [
            ({"ids": [UNKNOWN, "x"]}, "ids[1] must be an id of 24 hex digits", ["ids", "1"]),
            (
                {"productIds": ["6555a1f49feeac7dccd9b1e"]},
                "productIds[0] must be an id of 24 hex digits",
                ["productIds", "0"],
            ),
            (
                {"customerIds": [CUSTOMER + "\n"]},
                "customerIds[0] must be an id of 24 hex digits",
                ["customerIds", "0"],
            ),
            ({"externalIds": ["a", " "]}, "externalIds[1] must not be blank", ["externalIds", "1"]),
            (
                {"externalIds": ["a\0"]},
                "externalIds[0] must not contain the character NUL",
                ["externalIds", "0"],
            ),
            (
                {"search": "x" * 201},
                "search must have at most 200 characters, not 201",
                ["search"],
            ),
            (
                {"search": "a b c d e f g h i j k"},
                "search must have at most 10 words, not 11",
                ["search"],
            ),
            *(
                ({name: [value] * 101}, f"{name} must have at most 100 elements, not 101", [name])
                for name, value in (
                    ("ids", UNKNOWN),
                    ("productIds", UNKNOWN),
                    ("customerIds", CUSTOMER),
                    ("externalIds", "a"),
                    ("status", "PENDING"),
                    ("shipping", "BUDGET"),
                )
            ),
        ],
    )
    async def test_bad_ones_are_named(
        self, shop: Shop, conditions: Any, message: str, field: list[str]
    ) -> None:
        answer = await shop.graphql(LIST, {"filter": conditions})
        assert answer["data"] is None
        [error] = answer["errors"]
        assert error["message"] == f"filter.{message}."
        assert error["extensions"] == {"code": "BAD_USER_INPUT", "field": ["filter", *field]}

    async def test_every_problem_is_told(self, shop: Shop) -> None:
        answer = await shop.graphql(LIST, {"filter": {"ids": ["x", UNKNOWN, "y"]}})
        assert answer["errors"][0]["message"] == (
            "filter.ids[0] must be an id of 24 hex digits."
            " filter.ids[2] must be an id of 24 hex digits."
        )

    async def test_external_ids_are_shown_and_unique_per_customer(self, filled: Shop) -> None:
        page = (await filled.data(LIST, {"first": 4}))["orders"]
        assert [node["externalId"] for node in page["nodes"]] == ["po-1", "po-2", "po-3", None]
        await filled.rest("POST", "/orders/delete", {"orderId": [_id(CUSTOMER, 1)]})
        [(data,)] = await filled.rows("SELECT CAST(data AS TEXT) FROM order_events")
        assert '"external_id": "po-1"' in data


class TestSorts:
    async def test_ties_are_broken_by_id_in_the_same_direction(self, filled: Shop) -> None:
        for sort in SORTS:
            key, _, way = sort.rpartition("_")
            expected = sorted(
                (order for order in ORDERS if order.user_id == CUSTOMER),
                key=lambda order: (getattr(order, ATTRIBUTES[key]), order.id),
                reverse=way == "DESC",
            )
            numbers = [order.number for order in expected]
            assert await _numbers(filled, {}, sort=sort) == numbers, sort
            page = (await filled.data(LIST, {"sort": sort, "first": 5}))["orders"]
            rest = {"sort": sort, "after": page["edges"][-1]["cursor"]}
            page = (await filled.data(LIST, rest))["orders"]
            assert [node["number"] for node in page["nodes"]] == numbers[5:], sort

    async def test_a_cursor_of_another_sort_is_refused(self, filled: Shop) -> None:
        for sort, other in product(SORTS, SORTS):
            page = (await filled.data(LIST, {"sort": sort, "first": 1}))["orders"]
            variables = {"sort": other, "after": page["edges"][0]["cursor"]}
            answer = await filled.graphql(LIST, variables)
            same = sort.rpartition("_")[0] == other.rpartition("_")[0]
            assert ("errors" not in answer) == same
            if not same:
                assert answer["errors"][0]["message"] == "after is not a cursor of this list."


# What many orders may meet is tested along the index of the sort; what few meet is looked up.
TESTED: list[dict[str, Any]] = [
    {},
    {"status": ["PENDING"]},
    {"status": ["PENDING", "DELIVERY"]},
    {"shipping": ["BUDGET"]},
    {"createdAt": {"gte": _day(1), "lt": _day(5)}},
    {"updatedAt": {"gte": _day(1)}},
    {"status": ["PENDING"], "shipping": ["BUDGET"], "updatedAt": {"gte": _day(1)}},
]
LOOKED_UP: list[dict[str, Any]] = [
    {"ids": [_id(CUSTOMER, 1), _id(CUSTOMER, 2)]},
    {"externalIds": ["po-1", "po-2"]},
    {"productIds": [TABLE]},
    {"search": "main thing"},
]


async def _calls(shop: Shop, variables: Any, key: str) -> list[tuple[str, Any]]:
    """The statements that read a page, with their parameters."""
    caught: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, given: Any, *_: Any) -> None:
        if "FROM orders" in statement and "LIMIT" in statement:
            caught.append((statement, given))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        await shop.data(LIST.replace("totalCount ", ""), variables, key=key)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    return caught


async def _variables(
    shop: Shop, conditions: Any, sort: str, key: str, *, more: bool
) -> dict[str, Any]:
    """Of the first page, or of one after a cursor."""
    variables = {"filter": conditions, "sort": sort, "first": 2}
    if more:
        first = await shop.data(LIST, {"sort": sort, "first": 1}, key=key)
        variables["after"] = first["orders"]["edges"][0]["cursor"]
    return variables


@pytest.mark.usefixtures("plain")
class TestIndexesOfPostgreSQL:
    @pytest.fixture
    async def large(self, postgresql_databases: PostgreSQLDatabases) -> AsyncGenerator[Shop]:
        many = [_order(user, number) for user in (ADMIN, OTHER) for number in range(100, 700)]
        with postgresql_databases.fresh() as url:
            async with open_shop(url) as shop:
                async with shop.database.transaction() as connection:
                    await store_orders(connection, [*ORDERS, *many])
                    await connection.exec_driver_sql("ANALYZE")
                yield shop

    async def test_every_list_has_one_that_fits(self, large: Shop) -> None:
        for key, sort in product(("customer", "admin"), SORTS):
            for conditions, more in product(TESTED, (False, True)):
                variables = await _variables(large, conditions, sort, key, more=more)
                [(statement, given)] = await _calls(large, variables, key)
                # The planner weighs costs, and finds sorting so few rows cheap. What is asked here
                # is whether there is a way without reading and sorting them all.
                async with large.database.transaction() as connection:
                    for way in ("seqscan", "sort", "bitmapscan"):
                        await connection.exec_driver_sql(f"SET LOCAL enable_{way} = off")
                    plan = await connection.exec_driver_sql(f"EXPLAIN {statement}", given)
                    steps = [step for (step,) in plan]
                assert not [step for step in steps if "Sort" in step], (key, variables, steps)
                assert not [step for step in steps if "Seq Scan" in step], (key, variables, steps)

    async def test_words_are_looked_up(self, large: Shop) -> None:
        variables = {"filter": {"search": "main nothing"}, "first": 2}
        [(statement, given)] = await _calls(large, variables, "admin")
        async with large.database.transaction() as connection:
            for way in ("seqscan", "indexscan", "indexonlyscan"):
                await connection.exec_driver_sql(f"SET LOCAL enable_{way} = off")
            plan = await connection.exec_driver_sql(f"EXPLAIN {statement}", given)
            assert any("ix_order_words_search" in step for (step,) in plan)

    async def test_a_customers_search_looks_at_their_words_alone(self, large: Shop) -> None:
        [(_, given)] = await _calls(large, {"filter": {"search": "main"}}, "customer")
        assert f"'zu{CUSTOMER}main':*" in given


@pytest.mark.usefixtures("plain")
class TestIndexesOfSQLite:
    @pytest.fixture
    async def filled(self, sqlite_databases: SQLiteDatabases) -> AsyncGenerator[Shop]:
        with sqlite_databases.fresh() as url:
            async with open_shop(url) as shop:
                async with shop.database.transaction() as connection:
                    await store_orders(connection, ORDERS)
                yield shop

    async def _plan(self, shop: Shop, variables: Any, key: str) -> tuple[str, list[str]]:
        """How the page of a call is found: the access to the orders, and all other steps."""
        [(statement, given)] = await _calls(shop, variables, key)
        async with shop.database.read() as connection:
            found = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given)
            steps = [str(step) for *_, step in found]
        [orders] = [step for step in steps if step.split()[1] == "orders"]
        return orders, [step for step in steps if step != orders]

    @pytest.mark.parametrize("statistics", [False, True])
    async def test_every_list_has_one_that_fits(self, filled: Shop, statistics: bool) -> None:
        if statistics:
            # So many users that it would not walk the orders of each.
            users = [f"{number:024x}" for number in range(80)]
            many = [_order(user, number) for user in users for number in range(100, 115)]
            async with filled.database.transaction() as connection:
                for user in users:
                    await connection.exec_driver_sql(
                        "INSERT INTO users (id, name, is_admin, created_at) VALUES (?, '', 0, ?)",
                        (user, "2024-01-01T00:00:00.000000Z"),
                    )
                await store_orders(connection, many)
                await connection.exec_driver_sql("ANALYZE")
        for key, sort in product(("customer", "admin"), SORTS):
            column = ATTRIBUTES[sort.rpartition("_")[0]]
            index = f"ix_orders_{'user_id_' if key == 'customer' else ''}{column}_id"
            for conditions, more in product(TESTED, (False, True)):
                variables = await _variables(filled, conditions, sort, key, more=more)
                orders, others = await self._plan(filled, variables, key)
                by_status = (
                    key == "admin"
                    and sort.startswith("CREATED")
                    and conditions.get("status") == ["PENDING"]
                )
                fitting = ["ix_orders_status_created_at_id" if by_status else index]
                if statistics and "createdAt" in conditions:
                    # It has counted how few orders of all customers are of that time.
                    fitting.append(f"ix_orders_{column}_id")
                assert any(f" USING INDEX {one}" in orders for one in fitting), (
                    *(key, variables, orders),
                )
                assert not [step for step in others if "TEMP B-TREE" in step]
                assert not [step for step in others if step.startswith("SCAN order_items")]
            for conditions, more in product(LOOKED_UP, (False, True)):
                variables = await _variables(filled, conditions, sort, key, more=more)
                orders, others = await self._plan(filled, variables, key)
                # A customer's few orders may also be walked, and tested; so may those of all, once
                # they are counted and few.
                assert orders.startswith("SEARCH orders USING"), (key, variables, orders)
                assert key == "customer" or statistics or "_at" not in orders
                assert key == "customer" or statistics or "total_minor" not in orders
                assert not [step for step in others if step.startswith("SCAN order_items")]

    async def test_a_customers_search_looks_at_their_words_alone(self, filled: Shop) -> None:
        for key, customers, beginning in (
            ("customer", None, f"zu{CUSTOMER}"),
            ("admin", [OTHER], f"zu{OTHER}"),
            ("admin", None, ""),
        ):
            conditions = {"search": "main", "customerIds": customers}
            with counted_statements() as statements:
                calls = await _calls(filled, {"filter": conditions}, key)
            assert len(statements) == 2
            assert f'"{beginning}main"*' in calls[0][1]
