"""Finding objects by what names them: ids, numbers, and words of a product's name."""

import asyncio
import gc
from typing import Any

import pytest

from app.db import migrations
from app.domain.ids import ProductId
from app.domain.order import Product
from app.services.products import replace_products
from tests.databases import Databases, SQLiteDatabases
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

NODES = """query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id
  ... on Order { number } ... on ApiKey { prefix } } }"""
PRODUCTS = """query ($ids: [ID!], $search: String, $first: Int! = 20) {
  products(ids: $ids, search: $search, first: $first) { name } }"""
NUMBERED = "query ($number: Int!) { me { order(number: $number) { id number } } }"


async def key_id(shop: Shop, key: str) -> str:
    [(id_,)] = await shop.rows(f"SELECT id FROM api_keys WHERE prefix = '{shop.keys[key][:12]}'")
    return str(id_)


class TestNodes:
    @pytest.mark.parametrize(
        ("ids", "message", "field"),
        [
            ([UNKNOWN] * 101, "ids must have at most 100 elements, not 101.", ["ids"]),
            ([TABLE, "x"], "ids[1] must be an id of 24 hex digits.", ["ids", "1"]),
        ],
    )
    async def test_bad_ids_are_named(
        self, shop: Shop, ids: list[str], message: str, field: list[str]
    ) -> None:
        answer = await shop.graphql(NODES, {"ids": ids})
        assert answer["data"] is None
        [error] = answer["errors"]
        assert error["message"] == message
        assert error["extensions"] == {"code": "BAD_USER_INPUT", "field": field}

    async def test_needs_a_key_and_the_right_to_read(self, shop: Shop) -> None:
        for key, code in ((None, "UNAUTHENTICATED"), ("writer", "FORBIDDEN")):
            answer = await shop.graphql(NODES, {"ids": [TABLE]}, key=key)
            assert answer["data"] is None
            assert [error["extensions"]["code"] for error in answer["errors"]] == [code]

    @pytest.mark.usefixtures("plain")
    async def test_each_kind_in_the_order_asked(self, shop: Shop) -> None:
        await shop.add()
        await shop.add(key="other")
        [mine], [others] = await shop.order_ids(), await shop.order_ids(key="other")
        my_key, others_key = await key_id(shop, "customer"), await key_id(shop, "other")
        ids = [my_key, UNKNOWN, CUSTOMER, TABLE, OTHER, others, mine.upper(), others_key, TABLE]
        table = {"__typename": "Product", "id": TABLE}
        order = {"__typename": "Order", "id": mine, "number": 1}
        key = {"__typename": "ApiKey", "id": my_key, "prefix": shop.keys["customer"][:12]}
        user = {"__typename": "User", "id": CUSTOMER}
        with counted_statements() as statements:
            found = (await shop.data(NODES, {"ids": ids}))["nodes"]
        assert found == [key, None, user, table, None, None, order, None, table]
        assert len(statements) == 5  # the caller's key, then orders, products, users and keys
        everything = (await shop.data(NODES, {"ids": ids}, key="admin"))["nodes"]
        assert [node and node["__typename"] for node in everything] == [
            "ApiKey",
            None,
            "User",
            "Product",
            "User",
            "Order",
            "Order",
            "ApiKey",
            "Product",
        ]
        assert await shop.data(NODES, {"ids": []}) == {"nodes": []}

    @pytest.mark.usefixtures("plain")
    async def test_statements_do_not_grow(self, shop: Shop) -> None:
        for _ in range(8):
            await shop.add()
        ids = await shop.order_ids()
        with counted_statements() as statements:
            await shop.data(
                NODES, {"ids": [*ids, LAMP, STOOL, ADMIN, *[UNKNOWN] * 80]}, key="admin"
            )
        assert len(statements) == 5

    @pytest.mark.usefixtures("plain")
    async def test_node_and_order_share_their_statements(self, shop: Shop) -> None:
        for _ in range(3):
            await shop.add()
        ids = await shop.order_ids()
        fields = [f'a{n}: node(id: "{id_}") {{ id }}' for n, id_ in enumerate(ids)]
        fields += [f'b{n}: order(id: "{id_}") {{ id }}' for n, id_ in enumerate(ids)]
        with counted_statements() as statements:
            data = await shop.data(f"{{ {' '.join(fields)} }}")
        assert [found["id"] for found in data.values()] == ids * 2
        assert len(statements) == 2


class TestFailingBeside:
    QUERY = """query ($id: ID!) {
      a: node(id: $id) { ... on User { apiKeys { name } orders(first: 101) { totalCount } } }
      b: node(id: $id) { ... on User { apiKeys { name } } } }"""

    async def test_what_waits_for_the_same_is_answered(self, shop: Shop) -> None:
        """The keys of `a` are given up when its orders fail, those of `b` are not."""
        answer = await shop.graphql(self.QUERY, {"id": CUSTOMER})
        assert answer["data"] == {"a": None, "b": {"apiKeys": [{"name": ""}]}}
        assert [error["path"] for error in answer["errors"]] == [["a", "orders"]]

    async def test_what_nobody_waits_for_is_not_logged(self, shop: Shop) -> None:
        logged: list[dict[str, Any]] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, about: logged.append(about))
        query = f'{{ orders {{ totalCount }} nodes(ids: ["{TABLE}"]) {{ id }} }}'
        for _ in range(5):
            assert (await shop.graphql(query, key=None))["data"] is None
            gc.collect()
        assert logged == []


class TestOrderByNumber:
    async def test_needs_the_right_to_read(self, shop: Shop) -> None:
        answer = await shop.graphql(NUMBERED, {"number": 1}, key="writer")
        assert answer["data"] == {"me": {"order": None}}
        assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"

    @pytest.mark.parametrize("number", [0, -1, 3, 2**31 - 1])
    async def test_no_such_number_is_null(self, shop: Shop, number: int) -> None:
        await shop.add()
        await shop.add()
        assert await shop.data(NUMBERED, {"number": number}) == {"me": {"order": None}}

    async def test_numbers_are_each_users_own(self, shop: Shop) -> None:
        await shop.add()
        await shop.add(key="other")
        await shop.add()
        ids = await shop.order_ids()
        for number, id_ in enumerate(ids, start=1):
            found = (await shop.data(NUMBERED, {"number": number}))["me"]["order"]
            assert found == {"id": id_, "number": number}
        assert await shop.data(NUMBERED, {"number": 2}, key="other") == {"me": {"order": None}}
        assert await shop.data(NUMBERED, {"number": 1}, key="admin") == {"me": {"order": None}}

    async def test_many_in_one_statement(self, shop: Shop) -> None:
        for number in range(6):
            await shop.add(key=("customer", "other")[number % 2])
        query = """{ orders { nodes { number customer {
          first: order(number: 1) { number } third: order(number: 3) { number } } } } }"""
        with counted_statements() as statements:
            nodes = (await shop.data(query, key="admin"))["orders"]["nodes"]
        assert len(statements) == 4  # the key, the orders, the users, the numbered orders
        assert len(nodes) == 6
        assert {str(node["customer"]) for node in nodes} == {
            str({"first": {"number": 1}, "third": {"number": 3}})
        }

    async def test_of_any_number_of_users(self, shop: Shop) -> None:
        await shop.add()
        people = (
            "WITH RECURSIVE n(n) AS (VALUES (1001) UNION ALL SELECT n + 1 FROM n WHERE n < 1190)"
        )
        await shop.execute(
            "INSERT INTO users (id, name, is_admin, created_at)"
            f" {people} SELECT '00000000000000000000' || n, 'x', false, created_at FROM n, users"
            f" WHERE id = '{CUSTOMER}'",
        )
        await shop.execute(
            "INSERT INTO orders (user_id, id, order_number, status, address, currency,"
            " total_minor, version, created_at, updated_at)"
            f" {people} SELECT '00000000000000000000' || n, '10000000000000000000' || n, 1, status,"
            " '', currency, 0, 0, created_at, updated_at FROM n, orders"
        )
        page = "{ nodes { id customer { order(number: 1) { id } } } }"
        query = f"{{ a: orders(first: 100) {page} b: orders(last: 100) {page} }}"
        with counted_statements() as statements:
            pages = (await shop.data(query, key="admin")).values()
        nodes = [node for page in pages for node in page["nodes"]]
        assert len({node["id"] for node in nodes}) == 191
        assert all(node["customer"]["order"]["id"] == node["id"] for node in nodes)
        assert len(statements) == 6  # the key, two pages, the users, a hundred numbers at a time

    @pytest.mark.usefixtures("plain")
    async def test_it_is_found_by_its_index(self, sqlite_databases: SQLiteDatabases) -> None:
        with sqlite_databases.fresh() as url:
            async with open_shop(url) as shop:
                await self._check_index(shop)

    async def _check_index(self, shop: Shop) -> None:
        await shop.add()
        with counted_statements() as statements:
            await shop.data(NUMBERED, {"number": 1})
        async with shop.database.read() as connection:
            explained = await connection.exec_driver_sql(
                f"EXPLAIN QUERY PLAN {statements[-1]}", (CUSTOMER, CUSTOMER, 1)
            )
            steps = [str(step[-1]) for step in explained]
        assert any("(user_id=? AND order_number=?)" in step for step in steps)
        assert not any("SCAN orders" in step for step in steps)


class TestEmail:
    async def test_of_oneself_and_for_administrators(self, shop: Shop) -> None:
        assert await shop.data("{ me { email } }") == {"me": {"email": "customer@shop.example"}}
        query = "query ($id: ID!) { node(id: $id) { ... on User { email } } }"
        found = await shop.data(query, {"id": OTHER}, key="admin")
        assert found == {"node": {"email": "other@shop.example"}}
        assert await shop.data(query, {"id": OTHER}) == {"node": None}


CATALOGUE = (
    "Crème brûlée torch",
    "Smørrebrød board",
    "STRASSE sign",
    "100% wool_rug",
    "table lamp",
    "ﬂoor 木の椅子",
)


class TestSearchingProducts:
    @pytest.fixture
    async def catalogue(self, shop: Shop) -> Shop:
        async with shop.database.transaction() as connection:
            await replace_products(
                connection,
                [
                    Product(ProductId(f"{n:024x}"), name, None, "", 100, "USD")
                    for n, name in enumerate(CATALOGUE, start=1)
                ],
            )
        return shop

    @pytest.mark.parametrize(
        ("search", "message"),
        [
            ("x" * 201, "search must have at most 200 characters, not 201."),
            ("a b c d e f g h i j k", "search must have at most 10 words, not 11."),
        ],
    )
    async def test_too_much_is_refused(self, shop: Shop, search: str, message: str) -> None:
        answer = await shop.graphql(PRODUCTS, {"search": search})
        assert answer["data"] is None
        [error] = answer["errors"]
        assert error["message"] == message
        assert error["extensions"] == {"code": "BAD_USER_INPUT", "field": ["search"]}

    @pytest.mark.parametrize(
        ("search", "names"),
        [
            ("table", ["brown table", "table lamp"]),
            ("TAB", ["brown table", "table lamp"]),
            ("table brown", ["brown table"]),
            ("lamp table", ["table lamp"]),
            ("able", []),
            ("brule", ["Crème brûlée torch"]),
            ("BRÛLÉE crem", ["Crème brûlée torch"]),
            ("straße", ["STRASSE sign"]),
            ("floor", ["ﬂoor 木の椅子"]),
            ("椅子", ["ﬂoor 木の椅子"]),
            ("100%", ["100% wool_rug"]),
            ("rug", ["100% wool_rug"]),
            ("100 stool", []),
            ("' OR 1=1 --", []),
        ],
    )
    async def test_each_word_begins_a_word_of_the_name(
        self, catalogue: Shop, search: str, names: list[str]
    ) -> None:
        found = (await catalogue.data(PRODUCTS, {"search": search}))["products"]
        assert [product["name"] for product in found] == names

    @pytest.mark.parametrize("search", [None, "", " ", "%", "_!?"])
    async def test_no_word_is_no_condition(self, catalogue: Shop, search: str | None) -> None:
        found = (await catalogue.data(PRODUCTS, {"search": search}))["products"]
        assert len(found) == 3 + len(CATALOGUE)

    async def test_together_with_the_other_arguments(self, catalogue: Shop) -> None:
        async def names(**variables: Any) -> list[str]:
            found = (await catalogue.data(PRODUCTS, variables))["products"]
            return [product["name"] for product in found]

        assert await names(search="t", first=1) == ["Crème brûlée torch"]
        assert await names(search="t", ids=[TABLE, STOOL], first=0) == ["brown table"]
        assert await names(search="t", ids=[]) == []

    async def test_a_new_name_is_found_and_the_old_one_not(self, catalogue: Shop) -> None:
        renamed = Product(ProductId(TABLE), "écritoire", None, "", 100, "USD")
        async with catalogue.database.transaction() as connection:
            await replace_products(connection, [renamed])
        for search, names in (("ecrit", ["écritoire"]), ("brown", [])):
            found = (await catalogue.data(PRODUCTS, {"search": search}))["products"]
            assert [product["name"] for product in found] == names


async def test_products_from_before_the_migration_are_found(databases: Databases) -> None:
    with databases.empty() as url:
        await migrations.migrate(url, "0002")
        databases.run(
            url,
            "INSERT INTO products (id, name, description, price_minor, currency)"
            f" VALUES ('{UNKNOWN}', 'Café chair', '', 1, 'USD')",
        )
        await migrations.migrate(url)
        async with open_shop(url) as shop:
            found = (await shop.data(PRODUCTS, {"search": "cafe"}))["products"]
            assert [product["name"] for product in found] == ["Café chair"]
