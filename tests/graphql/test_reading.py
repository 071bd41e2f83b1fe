"""The root fields that read, and what they cost in statements."""

from datetime import datetime
from typing import Any

import pytest

from tests.shop import ADMIN, CUSTOMER, LAMP, STOOL, TABLE, UNKNOWN, Shop, counted_statements

PAGE = """
query ($first: Int, $after: String, $filter: OrderFilter) {
  orders(first: $first, after: $after, filter: $filter) {
    totalCount
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    edges { cursor node { number } }
    nodes {
      id number status address version createdAt updatedAt
      total { amount currencyCode }
      customer { id name email isAdmin }
      items {
        id name image quantity shipping productId
        unitPrice { amount currencyCode } total { amount }
        product { id name description image price { amount currencyCode } }
      }
    }
  }
}
"""


async def _date(shop: Shop, number: int, created_at: str) -> None:
    await shop.execute(
        f"UPDATE orders SET created_at = :at, updated_at = :at WHERE order_number = {number}",
        at=datetime.fromisoformat(created_at),
    )


class TestOrders:
    async def test_a_whole_order(self, shop: Shop) -> None:
        await shop.add(TABLE, STOOL)
        await _date(shop, 1, "2024-11-30T14:03:20.120000Z")
        items = await shop.rows("SELECT id FROM order_items ORDER BY position")
        [id_] = await shop.order_ids()
        page = (await shop.data(PAGE))["orders"]
        assert page["totalCount"] == 1
        assert page["nodes"] == [
            {
                "id": id_,
                "number": 1,
                "status": "PENDING",
                "address": "1 Main St",
                "version": 0,
                "createdAt": "2024-11-30T14:03:20.120Z",
                "updatedAt": "2024-11-30T14:03:20.120Z",
                "total": {"amount": "99.98", "currencyCode": "USD"},
                "customer": {
                    "id": CUSTOMER,
                    "name": "Customer",
                    "email": "customer@shop.example",
                    "isAdmin": False,
                },
                "items": [
                    {
                        "id": items[0][0],
                        "name": "brown table",
                        "image": "1700110836527.webp",
                        "quantity": 2,
                        "shipping": "REGULAR",
                        "productId": TABLE,
                        "unitPrice": {"amount": "30.00", "currencyCode": "USD"},
                        "total": {"amount": "60.00"},
                        "product": {
                            "id": TABLE,
                            "name": "brown table",
                            "description": "Oak.",
                            "image": "1700110836527.webp",
                            "price": {"amount": "30.00", "currencyCode": "USD"},
                        },
                    },
                    {
                        "id": items[1][0],
                        "name": "stool",
                        "image": None,
                        "quantity": 2,
                        "shipping": "REGULAR",
                        "productId": STOOL,
                        "unitPrice": {"amount": "19.99", "currencyCode": "USD"},
                        "total": {"amount": "39.98"},
                        "product": {
                            "id": STOOL,
                            "name": "stool",
                            "description": "",
                            "image": None,
                            "price": {"amount": "19.99", "currencyCode": "USD"},
                        },
                    },
                ],
            }
        ]

    async def test_an_empty_list(self, shop: Shop) -> None:
        page = (await shop.data(PAGE))["orders"]
        assert page == {
            "totalCount": 0,
            "pageInfo": {
                "hasNextPage": False,
                "hasPreviousPage": False,
                "startCursor": None,
                "endCursor": None,
            },
            "edges": [],
            "nodes": [],
        }

    async def test_newest_first_unless_asked_otherwise(self, shop: Shop) -> None:
        for _ in range(3):
            await shop.add()
        data = await shop.data(
            "{ a: orders { nodes { number } }"
            " b: orders(sort: CREATED_AT_ASC) { nodes { number } }"
            " c: orders(last: 2) { nodes { number } } }"
        )
        assert [n["number"] for n in data["a"]["nodes"]] == [3, 2, 1]
        assert [n["number"] for n in data["b"]["nodes"]] == [1, 2, 3]
        assert [n["number"] for n in data["c"]["nodes"]] == [2, 1]

    async def test_a_page_has_20_unless_asked_otherwise(self, shop: Shop) -> None:
        for _ in range(21):
            await shop.add()
        page = (await shop.data(PAGE))["orders"]
        assert (len(page["nodes"]), page["totalCount"]) == (20, 21)
        assert page["pageInfo"]["hasNextPage"] is True
        assert len((await shop.data(PAGE, {"first": 100}))["orders"]["nodes"]) == 21
        none = (await shop.data(PAGE, {"first": 0}))["orders"]
        assert (none["nodes"], none["pageInfo"]["hasNextPage"]) == ([], True)

    @pytest.mark.parametrize(
        ("conditions", "numbers"),
        [
            ({}, [4, 3, 2, 1]),
            ({"status": None, "createdAt": None}, [4, 3, 2, 1]),
            ({"status": []}, []),
            ({"status": ["DELIVERY"]}, [2]),
            ({"status": ["DELIVERY", "PENDING", "DELIVERY"]}, [4, 2, 1]),
            ({"createdAt": {"gte": "2024-01-02T00:00:00Z"}}, [4, 3, 2]),
            ({"createdAt": {"lt": "2024-01-02T00:00:00.000Z"}}, [1]),
            (
                {
                    "createdAt": {
                        "gte": "2024-01-02T01:00:00+01:00",
                        "lt": "2024-01-03T00:00:00.001Z",
                    }
                },
                [3, 2],
            ),
            ({"createdAt": {"gte": None, "lt": None}}, [4, 3, 2, 1]),
            ({"status": ["PENDING"], "createdAt": {"gte": "2024-01-02T00:00:00Z"}}, [4]),
        ],
    )
    async def test_filters(self, shop: Shop, conditions: Any, numbers: list[int]) -> None:
        for number in range(1, 5):
            await shop.add()
            await _date(shop, number, f"2024-01-0{number}T00:00:00.000000Z")
        ids = await shop.order_ids()
        changes = [
            {"orderId": ids[1], "status": "delivery"},
            {"orderId": ids[2], "status": "completed"},
        ]
        await shop.rest("POST", "/orders/change-status", {"items": changes}, key="admin")
        page = (await shop.data(PAGE, {"filter": conditions}))["orders"]
        assert [node["number"] for node in page["nodes"]] == numbers
        assert page["totalCount"] == len(numbers)

    @pytest.mark.parametrize(
        ("arguments", "message", "field"),
        [
            ("first: 101", "first must be from 0 to 100, not 101.", ["first"]),
            ("first: -1", "first must be from 0 to 100, not -1.", ["first"]),
            ("last: 101", "last must be from 0 to 100, not 101.", ["last"]),
            ("first: 1, last: 1", "last can't be used together with first.", ["last"]),
            ('after: "x"', "after is not a cursor of this list.", ["after"]),
            ('after: ""', "after is not a cursor of this list.", ["after"]),
            ('before: "\\u0000é🏠"', "before is not a cursor of this list.", ["before"]),
        ],
    )
    async def test_bad_page_arguments_are_named(
        self, shop: Shop, arguments: str, message: str, field: list[str]
    ) -> None:
        answer = await shop.graphql(f"{{ orders({arguments}) {{ totalCount }} }}")
        assert answer["data"] is None
        [error] = answer["errors"]
        assert error["message"] == message
        assert error["path"] == ["orders"]
        assert error["extensions"] == {"code": "BAD_USER_INPUT", "field": field}

    @pytest.mark.parametrize(
        "instant",
        [
            "2024-01-01",
            "2024-01-01T00:00:00",
            "2024-02-30T00:00:00Z",
            "x",
            5,
            "0001-01-01T00:00:00+01:00",
        ],
    )
    async def test_bad_instants_are_refused(self, shop: Shop, instant: Any) -> None:
        answer = await shop.graphql(PAGE, {"filter": {"createdAt": {"gte": instant}}})
        assert "data" not in answer
        assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
        assert ".createdAt.gte: DateTime must be an instant" in answer["errors"][0]["message"]

    async def test_a_product_that_is_gone_is_null(self, shop: Shop) -> None:
        await shop.add(TABLE)
        async with shop.database.transaction() as connection:
            await connection.exec_driver_sql("DELETE FROM products")
        [order] = (await shop.data(PAGE))["orders"]["nodes"]
        assert order["items"][0]["product"] is None
        assert order["items"][0]["name"] == "brown table"

    async def test_a_customer_who_is_gone_is_null(self, shop: Shop) -> None:
        await shop.add(key="other")
        async with shop.database.transaction() as connection:
            await connection.exec_driver_sql("DELETE FROM users WHERE name = 'Other'")
        [order] = (await shop.data(PAGE, key="admin"))["orders"]["nodes"]
        assert order["customer"] is None


@pytest.mark.usefixtures("plain")
class TestStatements:
    """One for the key, one for the orders with items, one each for products, users, count, ends."""

    async def test_they_do_not_grow_with_the_page(self, shop: Shop) -> None:
        for number in range(12):
            await shop.add(TABLE, STOOL, LAMP, key=("customer", "other")[number % 2])
        counts = []
        for first in (1, 2, 12):
            with counted_statements() as statements:
                page = (await shop.data(PAGE, {"first": first}, key="admin"))["orders"]
            assert len(page["nodes"]) == first
            counts.append(len(statements))
        assert counts == [5, 5, 5]

    async def test_the_neighbours_and_the_count_only_when_asked_for(self, shop: Shop) -> None:
        for _ in range(3):
            await shop.add()
        cursor = (await shop.data(PAGE, {"first": 1}))["orders"]["edges"][0]["cursor"]
        plain = f'{{ orders(first: 1, after: "{cursor}") {{ nodes {{ number }} }} }}'
        with counted_statements() as statements:
            await shop.data(plain)
        assert len(statements) == 2
        with counted_statements() as statements:
            await shop.data(plain.replace("nodes", "pageInfo { hasPreviousPage } nodes"))
        assert len(statements) == 3

    async def test_get_all_takes_two(self, shop: Shop) -> None:
        for _ in range(5):
            await shop.add(TABLE, STOOL)
        with counted_statements() as statements:
            await shop.rest("GET", "/orders/get_all")
        assert len(statements) == 2

    async def test_lists_of_customers_orders_are_loaded_once_each(self, shop: Shop) -> None:
        for number in range(10):
            await shop.add(key=("customer", "other")[number % 2])
        query = "{ orders { nodes { customer { orders(first: 1) { nodes { number } } } } } }"
        with counted_statements() as statements:
            await shop.data(query, key="admin")
        assert len(statements) == 5  # the key, the page, the users, and a page of each of the two


class TestOthers:
    async def test_order(self, shop: Shop) -> None:
        await shop.add()
        [id_] = await shop.order_ids()
        query = "query ($id: ID!) { order(id: $id) { id number } }"
        for spelling in (id_, id_.upper()):
            found = (await shop.data(query, {"id": spelling}))["order"]
            assert found == {"id": id_, "number": 1}
        assert (await shop.data(query, {"id": id_}, key="admin"))["order"]["id"] == id_
        assert (await shop.data(query, {"id": id_}, key="other")) == {"order": None}
        assert (await shop.data(query, {"id": UNKNOWN})) == {"order": None}

    @pytest.mark.parametrize("field", ["order", "node"])
    async def test_what_is_no_id_is_refused(self, shop: Shop, field: str) -> None:
        answer = await shop.graphql(f'{{ {field}(id: "abcdefghijkl") {{ id }} }}')
        assert answer["data"] == {field: None}
        assert answer["errors"][0]["message"] == "id must be an id of 24 hex digits."
        assert answer["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT", "field": ["id"]}

    async def test_node(self, shop: Shop) -> None:
        await shop.add()
        [id_] = await shop.order_ids()
        query = """query ($id: ID!) { node(id: $id) { __typename id
            ... on Order { number } ... on Product { name } ... on User { email } } }"""
        assert (await shop.data(query, {"id": id_}))["node"] == {
            "__typename": "Order",
            "id": id_,
            "number": 1,
        }
        assert (await shop.data(query, {"id": TABLE}))["node"] == {
            "__typename": "Product",
            "id": TABLE,
            "name": "brown table",
        }
        assert (await shop.data(query, {"id": CUSTOMER}))["node"] == {
            "__typename": "User",
            "id": CUSTOMER,
            "email": "customer@shop.example",
        }
        assert (await shop.data(query, {"id": ADMIN})) == {"node": None}
        assert (await shop.data(query, {"id": CUSTOMER}, key="admin"))["node"]["id"] == CUSTOMER
        assert (await shop.data(query, {"id": id_}, key="other")) == {"node": None}

    async def test_products(self, shop: Shop) -> None:
        query = (
            "query ($ids: [ID!], $first: Int! = 20) { products(ids: $ids, first: $first) { name } }"
        )
        names = [p["name"] for p in (await shop.data(query))["products"]]
        assert names == ["brown table", "lamp", "stool"]
        assert len((await shop.data(query, {"first": 1}))["products"]) == 1
        some = await shop.data(query, {"ids": [STOOL, UNKNOWN, TABLE, STOOL], "first": 1})
        assert [p["name"] for p in some["products"]] == ["brown table", "stool"]
        assert (await shop.data(query, {"ids": []})) == {"products": []}
        for variables, field in (
            ({"first": 101}, ["first"]),
            ({"ids": [UNKNOWN] * 101}, ["ids"]),
            ({"ids": [TABLE, "x"]}, ["ids", "1"]),
        ):
            answer = await shop.graphql(query, variables)
            assert answer["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT", "field": field}

    async def test_me_and_scopes(self, shop: Shop) -> None:
        query = "{ me { id isAdmin orders { totalCount } } scopes }"
        await shop.add()
        assert await shop.data(query) == {
            "me": {"id": CUSTOMER, "isAdmin": False, "orders": {"totalCount": 1}},
            "scopes": ["ORDERS_READ", "ORDERS_WRITE"],
        }
        assert await shop.data(query, key="admin") == {
            "me": {"id": ADMIN, "isAdmin": True, "orders": {"totalCount": 0}},
            "scopes": ["ORDERS_READ", "ORDERS_WRITE", "ADMIN"],
        }
        assert (await shop.data("{ scopes }", key="writer")) == {"scopes": ["ORDERS_WRITE"]}

    async def test_admin_counts_only_while_the_user_is_one(self, shop: Shop) -> None:
        await shop.execute("UPDATE users SET is_admin = false")
        assert await shop.data("{ scopes }", key="admin") == {
            "scopes": ["ORDERS_READ", "ORDERS_WRITE"]
        }
