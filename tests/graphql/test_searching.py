"""Orders are found by their words, and the index says at each moment what the orders say."""

import asyncio
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.ids import UserId
from app.services import search
from app.services.auth import Authenticator
from app.services.order_queries import OrderFilter, OrderSort, Page
from app.services.orders import list_orders
from app.services.users import add_user
from tests.databases import Databases
from tests.shop import CUSTOMER, LAMP, STOOL, TABLE, Shop, counted_statements, open_shop

FIND = """query ($search: String, $first: Int = 100, $after: String,
    $sort: OrderSort! = CREATED_AT_ASC) {
  orders(filter: { search: $search }, first: $first, after: $after, sort: $sort) {
    totalCount nodes { number address } pageInfo { hasNextPage endCursor }
  }
}"""

ADDRESSES = ["12 Harbour Rd, Fitzroy", "Straße 1, ZÜRICH", "東京都 新宿区"]


async def _find(shop: Shop, text: str, key: str = "customer") -> list[str]:
    page = (await shop.data(FIND, {"search": text}, key=key))["orders"]
    assert page["totalCount"] == len(page["nodes"])
    return [node["address"] for node in page["nodes"]]


class TestSearch:
    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("harbour", ["12 Harbour Rd, Fitzroy"]),
            ("HARB fitz", ["12 Harbour Rd, Fitzroy"]),
            ("arbour", []),
            ("harbour carlton", []),
            ("strasse", ["Straße 1, ZÜRICH"]),
            ("zurich", ["Straße 1, ZÜRICH"]),
            ("京都", ["東京都 新宿区"]),
            ("stool", ["Straße 1, ZÜRICH"]),
            ("table lamp", ["東京都 新宿区"]),
            (
                "customer shop.example",
                ADDRESSES,
            ),
            ("other", []),
            ("🏠 --", ADDRESSES),
            (" ", ADDRESSES),
        ],
    )
    async def test_each_word_begins_a_word_of_the_order(
        self, shop: Shop, text: str, found: list[str]
    ) -> None:
        for products, address in zip(([TABLE], [STOOL], [TABLE, LAMP]), ADDRESSES, strict=True):
            await shop.add(*products, address=address)
        assert await _find(shop, text) == found
        assert await _find(shop, text, key="other") == []

    async def test_nobody_finds_what_is_not_theirs(self, shop: Shop) -> None:
        await shop.add(address="Alpha")
        await shop.add(key="other", address="Alpha Beta")
        assert await _find(shop, "alpha") == ["Alpha"]
        assert await _find(shop, "beta") == []
        assert await _find(shop, "alpha", key="admin") == ["Alpha", "Alpha Beta"]
        assert await _find(shop, "alpha other", key="admin") == ["Alpha Beta"]
        # Nor through the words that the index keeps for owners.
        for text in ("zu", f"zu{CUSTOMER}", f"zu{CUSTOMER}alpha", CUSTOMER):
            assert await _find(shop, text, key="other") == []
            assert await _find(shop, text, key="admin") == []

    @pytest.mark.parametrize(
        "text",
        [
            '"', "'", "*", "alpha*", "al*", '"alpha"', "alpha OR beta", "NOT alpha", "alpha NEAR",
            "words:alpha", "-alpha", "^alpha", "(alpha", "alpha)", "alpha + beta", "{alpha}",
            "alpha'; DROP TABLE orders; --", "\0alpha", "AND", "%", "_", "\\",
        ],
    )  # fmt: skip
    async def test_what_looks_like_a_query_is_words(self, shop: Shop, text: str) -> None:
        await shop.add(address="alpha")
        await shop.add(address="beta or not near and words drop table orders")
        page = (await shop.data(FIND, {"search": text}))["orders"]
        every = {"alpha", "beta or not near and words drop table orders"}
        assert {node["address"] for node in page["nodes"]} == {
            address for address in every if _oracle(text, [address])
        }

    @pytest.mark.usefixtures("plain")
    async def test_pages_counts_and_sorts_go_together(self, shop: Shop) -> None:
        for number in range(7):
            await shop.add(*[LAMP] * (number % 3 + 1), address=f"{number} Main St")
            await shop.add(address=f"{number} Side St")
        for sort in ("CREATED_AT_DESC", "UPDATED_AT_ASC", "TOTAL_ASC", "TOTAL_DESC"):
            whole = (await shop.data(FIND, {"search": "main", "sort": sort}))["orders"]
            seen: list[Any] = []
            variables: dict[str, Any] = {"search": "main", "sort": sort, "first": 3}
            while True:
                with counted_statements() as statements:
                    page = (await shop.data(FIND, variables))["orders"]
                assert len(statements) == 3  # the key, the page, the count
                assert page["totalCount"] == 7
                seen += page["nodes"]
                if not page["pageInfo"]["hasNextPage"]:
                    break
                variables["after"] = page["pageInfo"]["endCursor"]
            assert seen == whole["nodes"]


class TestInStep:
    async def test_a_deleted_order_is_forgotten(self, shop: Shop) -> None:
        await shop.add(address="Alpha")
        await shop.rest("POST", "/orders/delete", {"orderId": await shop.order_ids()})
        assert await _find(shop, "alpha") == []
        assert await shop.rows("SELECT * FROM order_words") == []
        if shop.database.place.endswith(".db"):  # elsewhere an index can't hold what is gone
            index = "SELECT rowid FROM order_search WHERE order_search MATCH 'alpha'"
            assert await shop.rows(index) == []

    async def test_a_refused_order_leaves_no_words(self, shop: Shop) -> None:
        body = {"items": [{"product": TABLE, "quantity": 0, "shipping": "Regular"}], "address": "A"}
        assert (await shop.rest("POST", "/orders/add", body)).status_code == 400
        assert await shop.rows("SELECT * FROM order_words") == []

    async def test_a_corrected_address(self, shop: Shop) -> None:
        await shop.add(address="Alpha")
        principal = await Authenticator(shop.database).authenticate(shop.keys["customer"])
        async with shop.database.transaction() as connection:
            page = await list_orders(
                connection,
                principal,
                Page(1),
                conditions=OrderFilter(),
                sort=OrderSort.CREATED_AT_ASC,
            )
            await connection.exec_driver_sql("UPDATE orders SET address = 'Beta'")
            changed = [replace(order, address="Beta") for order in page.orders]
            await search.index_orders(connection, changed)
            await search.index_orders(connection, changed)
        assert (await _find(shop, "alpha"), await _find(shop, "beta")) == ([], ["Beta"])

    async def test_a_renamed_customer(self, shop: Shop) -> None:
        for address in ("Alpha", "Beta"):
            await shop.add(address=address)
        await shop.add(key="other", address="Gamma")
        async with shop.database.transaction() as connection:
            await connection.exec_driver_sql(
                f"UPDATE users SET name = 'Zoë Quist', email = NULL WHERE id = '{CUSTOMER}'"
            )
            await search.index_customer(connection, UserId(CUSTOMER))
        assert await _find(shop, "zoe qui", key="admin") == ["Alpha", "Beta"]
        assert await _find(shop, "customer") == []
        assert await _find(shop, "other", key="admin") == ["Gamma"]

    async def test_an_account_made_after_its_orders(self, shop: Shop) -> None:
        await shop.add(address="Alpha")
        async with shop.database.transaction() as connection:
            await connection.exec_driver_sql(f"DELETE FROM users WHERE id = '{CUSTOMER}'")
            await search.index_customer(connection, UserId(CUSTOMER))
        assert await _find(shop, "customer", key="admin") == []
        assert await _find(shop, "alpha", key="admin") == ["Alpha"]
        async with shop.database.transaction() as connection:
            await add_user(connection, "new@shop.example", user_id=CUSTOMER)
        assert await _find(shop, "new alpha", key="admin") == ["Alpha"]


def _folded(text: str) -> list[str]:
    """The words of a text, by other means than the service's; for the letters of `TEXT` alone."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    plain = plain.replace("\u0131", "i").casefold().replace("京", " 京 ").replace("都", " 都 ")
    return re.findall(r"[^\W_]+", plain)


def _oracle(text: str, texts: Iterable[str]) -> bool:
    words = [word for one in texts for word in _folded(one)]
    return all(any(word.startswith(begun) for word in words) for begun in _folded(text))


TEXT = st.text("abAzZ09 éÉßﬁ_'@.,-*\"京都\u0131İΣς🏠\u0301", max_size=12)


class TestOracle:
    @settings(max_examples=40, deadline=None)
    @given(
        addresses=st.lists(TEXT.filter(str.strip), min_size=1, max_size=6),
        searches=st.lists(TEXT, min_size=1, max_size=8),
        doomed=st.sets(st.integers(0, 5)),
    )
    def test_finds_what_a_plain_comparison_finds(
        self, databases: Databases, addresses: list[str], searches: list[str], doomed: set[int]
    ) -> None:
        async def run(url: str) -> None:
            async with open_shop(url) as shop:
                await self._check(shop, addresses, searches, doomed)

        with databases.fresh() as url:
            asyncio.run(run(url))

    async def _check(
        self, shop: Shop, addresses: Sequence[str], searches: Sequence[str], doomed: set[int]
    ) -> None:
        keys = ("customer", "other")
        for number, address in enumerate(addresses):
            await shop.add(LAMP, key=keys[number % 2], address=address)
        left = {}
        for place, key in enumerate(keys):
            ids = await shop.order_ids(key=key)
            own = dict(zip(range(place, len(addresses), 2), ids, strict=True))
            gone = [id_ for number, id_ in own.items() if number in doomed]
            await shop.rest("POST", "/orders/delete", {"orderId": gone}, key=key)
            left[key] = [addresses[number] for number in own if number not in doomed]
        # Beginnings of what is there, beside texts that mostly are not.
        texts = [*searches, *(word[:2] for address in addresses for word in _folded(address))]
        for text in texts[:12]:
            if len(set(_folded(text))) > 10:
                continue
            expected = {
                key: [
                    address
                    for address in left[key]
                    if _oracle(text, [address, "lamp", key, f"{key}@shop.example"])
                ]
                for key in keys
            }
            for key in keys:
                assert await _find(shop, text, key=key) == expected[key], text
            found = await _find(shop, text, key="admin")
            assert sorted(found) == sorted(expected["customer"] + expected["other"]), text
