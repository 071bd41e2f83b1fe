"""Limits, budgets, time and outages look the same whichever way an operation is answered."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from app.db.database import Database
from app.db.postgresql_connections import Connections
from app.db.prepared import Bound
from app.db.sqlite_inline import InlineReader
from app.domain.errors import Fault, Unavailable
from app.domain.ids import OrderId, ProductId, UserId
from app.domain.order import Order
from tests.clock import move_clock
from tests.db.test_deadline import ENDLESS
from tests.graphql.compiler.nasty import GONE_CUSTOMER, NEVER, ORDERS, fill
from tests.graphql.compiler.test_never_different import ask, compare, counted
from tests.graphql.fuzzing import open_both_ways
from tests.graphql.test_limits import slow_statements
from tests.shop import CUSTOMER, TABLE


def _large(number: int, product: str, *, user: str = CUSTOMER, address: str = "x") -> Order:
    """An order of 100 items."""
    [order] = [one for one in ORDERS if len(one.items) == 1 and one.user_id == CUSTOMER][:1]
    items = tuple(
        replace(order.items[0], id=f"{number:02x}{n:022x}", product_id=ProductId(product))
        for n in range(100)
    )
    return replace(
        order,
        id=OrderId(f"{number:024x}"),
        user_id=UserId(user),
        number=number,
        address=address,
        external_id=None,
        items=items,
    )


LARGE = [
    _large(1, NEVER),
    _large(2, TABLE),
    replace(_large(3, TABLE, address="y" * 9_050), items=()),
    replace(_large(4, TABLE, user=GONE_CUSTOMER), items=()),
    replace(_large(5, NEVER), items=_large(5, NEVER).items[:12]),
]


def _id(number: int) -> str:
    return f'id: "{number:024x}"'


# Operations with FIELDS in them, a number of fields that all have a place of their own.
AT_THE_EDGE = [
    f"{{ order({_id(1)}) {{ items {{ id FIELDS(name) }} }} }}",
    f"{{ order({_id(1)}) {{ items {{ FIELDS(__typename) }} }} }}",
    f"{{ order({_id(1)}) {{ items {{ product {{ FIELDS(name) }} }} }} }}",
    f"{{ order({_id(5)}) {{ items {{ p: product {{ FIELDS(name) price {{ FIELDS(amount) }} }}"
    " } } }",
    f"{{ order({_id(2)}) {{ items {{ product {{ id price {{ amount }} }} FIELDS(id) }} }} }}",
    f"{{ order({_id(2)}) {{ items {{ total {{ FIELDS(amount) }} }} }} }}",
    f"{{ order({_id(2)}) {{ items {{ total {{ FIELDS(__typename) }} }} }} }}",
    f'{{ nodes(ids: ["{1:024x}", "{TABLE}"]) {{ ... on Order {{ items {{ FIELDS(name) }} }} }} }}',
    f'{{ nodes(ids: ["{5:024x}", "{5:024x}"]) {{ id ... on Order {{ items {{ FIELDS(id) }} }}'
    " ... on User { FIELDS(email) } } }",
    "{ products { FIELDS(name) price { FIELDS(amount) } } }",
    "{ me { order(number: 2) { items { FIELDS(name) } } } }",
    "{ orders(first: 2, sort: TOTAL_ASC) { nodes { items { FIELDS(name) } } } }",
    "{ orders(first: 100) { nodes { FIELDS(address) } } }",
    "{ me { orders { edges { cursor node { FIELDS(address) } } nodes { FIELDS(id) } } } }",
    "{ a: orders { nodes { FIELDS(address) } } b: orders { nodes { FIELDS(address) } } }",
    f'{{ orders(filter: {{ ids: "{4:024x}" }}) {{ nodes {{ customer {{ FIELDS(name) }} }} }} }}',
]


def _with_fields(operation: str, number: int) -> str:
    text = operation
    while "FIELDS(" in text:
        before, _, after = text.partition("FIELDS(")
        name, _, rest = after.partition(")")
        fields = " ".join(f"a{n}: {name}" for n in range(number))
        text = f"{before}{fields}{rest}"
    return text


async def test_the_values_of_an_answer(database_url: str) -> None:
    seen: Counter[str] = Counter()
    async with open_both_ways(database_url, max_query_values=1_000, max_query_aliases=500) as shops:
        await fill(shops[0], LARGE)
        for operation in AT_THE_EDGE:
            for number in (1, 5, 8, 9, 10, 11, 39):
                query = _with_fields(operation, number)
                way, answer = await compare(*shops, {"query": query}, "admin")
                is_refused = "errors" in answer
                seen["refused" if is_refused else way] += 1
                assert not (is_refused and way == "compiled")
    assert seen["compiled"] > 20, seen
    assert seen["refused"] > 20, seen


async def test_pages_and_budgets(database_url: str) -> None:
    page = "query ($n: Int) { orders(first: $n) { nodes { id items { id } } } }"
    async with open_both_ways(
        database_url, max_page_size=50, max_query_cost=100, cost_budget=100, cost_restore_per_s=1
    ) as shops:
        await fill(shops[0], ORDERS)
        ways = [
            (await compare(*shops, {"query": page, "variables": {"n": n}}, "customer"))[0]
            for n in (50, 51, 101, 100)
        ]
        assert ways == ["compiled", "refused", "refused", "refused"]
        statuses = []
        for _ in range(6):
            both = [
                await ask(shop, {"query": page, "variables": {"n": 20}}, "customer")
                for shop in shops
            ]
            assert both[0][0] == both[1][0]
            statuses.append(both[0][0])
            for _, answer in both:
                for error in answer.get("errors", ()):
                    # What a moment brought back to a budget.
                    del error["extensions"]["cost"], error["extensions"]["retryAfter"]
                    error["message"] = error["message"].partition(" and ")[0]
            assert both[0][1] == both[1][1]
        assert statuses[0] == 200
        assert statuses[-1] == 429


@contextmanager
def endless(containing: str) -> Iterator[None]:
    """Make statements with that text run until somebody stops them, both ways."""
    with pytest.MonkeyPatch.context() as patch, slow_statements(containing):
        for kind, name in (
            *product(Database.__subclasses__(), ["_fetched"]),
            (Connections, "_rows"),
        ):
            patch.setattr(kind, name, _endless_instead(kind, name, containing))
        # What reads in the event loop gives up after a moment, and leaves it to the others.
        patch.setattr(InlineReader, "read", lambda *_: None)
        yield


def _endless_instead(kind: Any, name: str, containing: str) -> Any:
    fetched = getattr(kind, name)

    async def instead(self: Any, driver: Any, read: Bound, *more: Any) -> Any:
        slow = Bound(str(ENDLESS), ()) if containing in read.text else read
        return await fetched(self, driver, slow, *more)

    return instead


async def test_statements_that_take_too_long(database_url: str) -> None:
    async with open_both_ways(database_url, operation_timeout_s=0.3) as shops:
        await fill(shops[0], ORDERS)
        cases: tuple[tuple[str, dict[str, Any] | None], ...] = (
            ("{ __typename orders { nodes { id } } }", None),
            (f'{{ __typename order(id: "{ORDERS[0].id}") {{ id }} }}', {"order": None}),
        )
        for query, data in cases:
            before = counted()
            with endless("FROM orders"):
                answers = [await ask(shop, {"query": query}, "customer") for shop in shops]
            assert (counted() - before)["compiled"] == 1
            for status, answer in answers:
                assert status == 200
                assert answer["data"] == (data and {"__typename": "Query"} | data)
                [error] = answer["errors"]
                assert error["extensions"] == {"code": "TIMEOUT", "maximum": 0.3}
            assert answers[0] == answers[1]
            # And all goes on.
            assert (await compare(*shops, {"query": query}, "customer"))[0] == "compiled"


async def test_a_database_that_is_away(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_both_ways(database_url) as shops:
        await fill(shops[0], ORDERS)
        queries: dict[str, Any] = {
            "{ __typename orders { nodes { id } } }": None,
            "{ me { id orders { totalCount } } }": None,
            f'{{ __typename a: order(id: "{ORDERS[0].id}") {{ id }} }}': {
                "__typename": "Query",
                "a": None,
            },
        }
        for query in queries:  # which also has the keys known
            assert (await compare(*shops, {"query": query}, "customer"))[0] == "compiled"

        def gone(*_: object, **__: object) -> Any:
            raise Unavailable(Fault("the database", "it is away"))

        for kind in Database.__subclasses__():
            monkeypatch.setattr(kind, "at_once", lambda *_: None)
        # First only what reads orders finds nobody there, then also what looks up keys again.
        for away, ways in ((("query", "fetch"), {"compiled"}), (("read", "latest"), {"declined"})):
            for kind, name in product(Database.__subclasses__(), away):
                monkeypatch.setattr(kind, name, gone)
            move_clock(monkeypatch, seconds=2 if "read" in away else 0)
            for query, data in queries.items():
                before = counted()
                answers = [await ask(shop, {"query": query}, "customer") for shop in shops]
                assert ways < set(counted() - before)
                assert answers[0] == answers[1]
                assert answers[0][1]["data"] == data
                [error] = answers[0][1]["errors"]
                assert error["extensions"]["code"] == "SERVICE_UNAVAILABLE"
        monkeypatch.undo()
