"""What generated operations would meet too seldom, by hand; answered in the same way by both."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from tests.graphql.compiler.nasty import GONE_CUSTOMER, NEVER, ORDERS, REMOVED, open_nasty
from tests.graphql.compiler.test_never_different import compare
from tests.shop import CUSTOMER, LAMP, OTHER, STOOL, TABLE, UNKNOWN, Shop

FIRST, SECOND = ORDERS[0].id, ORDERS[1].id
EMPTY = next(order.id for order in ORDERS if not order.items)
OF_GONE = next(order.id for order in ORDERS if order.user_id == GONE_CUSTOMER)
_FLAGS = "query ($a: Boolean!, $b: Boolean! = true) "
_PAGE = """query ($first: Int, $after: String, $last: Int, $before: String, $sort: OrderSort! =
    UPDATED_AT_ASC, $filter: OrderFilter) {
  orders(first: $first, after: $after, last: $last, before: $before, sort: $sort, filter: $filter) {
    totalCount nodes { id } edges { cursor node { number } }
    pageInfo { startCursor endCursor hasNextPage hasPreviousPage }
  } }"""
_NUMBERED = "query ($number: Int!) { me { order(number: $number) { id number items { id } } } }"
_PRODUCTS = """query ($ids: [ID!], $search: String, $first: Int! = 20) {
  products(ids: $ids, search: $search, first: $first) {
    id name description image price { amount currencyCode } } }"""
_NODES = """query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id
  ... on Order { number total { amount } items { name product { name } } customer { name } }
  ... on Product { name a: price { amount } } ... on User { name orders { totalCount } } } }"""


def _dicts(*variables: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    return variables


def _many(number: int, name: str) -> str:
    return " ".join(f"a{n}: {name}" for n in range(number))


COMPILED: list[tuple[str, dict[str, Any]]] = [
    ("{ __typename t: __typename }", {}),
    ("{ me { __typename } }", {}),
    ("{ me { orders { nodes { items { unitPrice { currencyCode } } } } } }", {}),
    ("{ orders { nodes { items { total { currencyCode } unitPrice { currencyCode } } } } }", {}),
    ("{ orders { nodes { items { __typename } } } }", {}),
    ("{ orders { nodes { __typename } edges { __typename } pageInfo { __typename } } }", {}),
    # Keys that only differ in case, or look like a language's own words.
    (f'{{ order(id: "{FIRST}") {{ a: id A: id _: id select: id null: id __proto__: id }} }}', {}),
    # One field under two keys, with other selections; and one key in several places.
    (
        f'{{ order(id: "{FIRST}") {{ a: items {{ id }} b: items {{ name total {{ amount }} }}'
        " items { product { id } } ... on Order { items { product { name } quantity } } } }",
        {},
    ),
    (
        "{ orders(first: 2) { ...F nodes { id items { name } } ...G } }"
        " fragment F on OrderConnection { nodes { number total { amount } } }"
        " fragment G on OrderConnection { nodes { items { id } total { currencyCode } id } }",
        {},
    ),
    (
        f'{{ a: order(id: "{FIRST}") {{ id }} b: order(id: "{SECOND}") {{ number }}'
        f' c: order(id: "{UNKNOWN}") {{ id }} d: order(id: "{FIRST.upper()}") {{ id }} }}',
        {},
    ),
    # More fields than one call of json_object takes.
    (f'{{ order(id: "{FIRST}") {{ {_many(70, "address")} }} }}', {}),
    (f"{{ orders(first: 2) {{ nodes {{ {_many(70, 'version')} items {{ id }} z: id }} }} }}", {}),
    (f"{{ me {{ {_many(70, 'isAdmin')} }} }}", {}),
    (f'{{ order(id: "{EMPTY}") {{ items {{ id }} total {{ amount }} customer {{ id }} }} }}', {}),
    ("{ orders(last: 2) { nodes { customer { name email isAdmin id __typename } } } }", {}),
    # Nothing is left of a selection.
    (f'{{ order(id: "{FIRST}") {{ id @skip(if: true) }} }}', {}),
    ("{ orders { nodes @skip(if: true) { id } } }", {}),
    ("{ orders(first: 3) { nodes { items { id @include(if: false) } } } }", {}),
    ("{ orders(first: 3) { nodes { total { amount @include(if: false) } id } } }", {}),
    ("{ orders @skip(if: true) { nodes { id } } }", {}),
    ("{ me { name @skip(if: true) orders(first: 1) { totalCount @skip(if: true) } } }", {}),
    *(
        (
            _FLAGS + "{ orders(first: 2) { nodes { ...F @skip(if: $a) ...F @include(if: $b)"
            " ... @include(if: $a) { number @skip(if: $b) } __typename } } }"
            " fragment F on Order { id @include(if: $b) items @skip(if: $a) { id } }",
            flags,
        )
        for flags in ({"a": True}, {"a": False}, {"a": False, "b": False}, {"a": True, "b": False})
    ),
    # Arguments in every form.
    *(
        (_PAGE, variables)
        for variables in _dicts(
            {},
            {"first": None, "filter": None, "after": None},
            {"first": 0},
            {"last": 0},
            {"last": 100, "sort": "TOTAL_ASC"},
            {"filter": {}},
            {"filter": {"ids": None, "status": None, "createdAt": None, "search": None}},
            {"filter": {"ids": []}},
            {"filter": {"status": [], "shipping": []}},
            {"filter": {"externalIds": [], "productIds": []}, "last": 2},
            {"filter": {"status": "PENDING", "ids": [FIRST, FIRST, SECOND.upper()]}},
            {"filter": {"createdAt": {"gte": None, "lt": None}, "updatedAt": {}}},
            {"filter": {"createdAt": {"gte": "0001-01-01T00:00:00Z"}}},
            {"filter": {"createdAt": {"gte": "2024-11-30T10:15:00.9999999+01:00"}}},
            {"filter": {"search": "  "}},
            {"filter": {"search": "main st"}, "first": 2},
            {"unknown": 1, "first": 2},
        )
    ),
    # Orders by their numbers.
    *((_NUMBERED, {"number": number}) for number in (1, 2, 3, 0, -1, 2**31 - 25, 2**31 - 1)),
    (
        "{ me { a: order(number: 1) { id items { product { name } } } name b: order(number: 2) {"
        " customer { email } total { amount } } orders(first: 1) { totalCount }"
        " c: order(number: 99) { id } ... on User { a: order(number: 1) { version __typename } }"
        " } }",
        {},
    ),
    # The catalogue.
    *(
        (_PRODUCTS, variables)
        for variables in _dicts(
            {},
            {"first": 0},
            {"first": 1},
            {"first": 100},
            {"ids": None, "search": None, "first": 2},
            {"ids": [], "search": ""},
            {"ids": [STOOL, LAMP.upper(), REMOVED, NEVER, STOOL], "first": 0},
            {"ids": TABLE},
        )
    ),
    ("{ products { __typename } p: products(first: 1) { price { currencyCode } } }", {}),
    # Many objects.
    *(
        (_NODES, {"ids": ids})
        for ids in (
            *([], TABLE, [STOOL.upper(), TABLE, STOOL], [FIRST, REMOVED, SECOND, LAMP, FIRST]),
            *([OF_GONE, UNKNOWN], [order.id for order in ORDERS]),
        )
    ),
    ("query ($s: [OrderStatus!]) { orders(filter: { status: $s }) { totalCount } }", {}),
    (
        "query ($s: OrderStatus! = DELIVERY) { orders(filter: { status: [$s, PENDING] })"
        " { totalCount } }",
        {},
    ),
    (
        "query ($id: ID!, $at: DateTime) { orders(filter: { ids: [$id], createdAt: { lt: $at } })"
        " { nodes { id } } }",
        {"id": FIRST},
    ),
    (f'{{ orders(filter: {{ ids: "{FIRST}", status: PENDING }}) {{ totalCount }} }}', {}),
]
REFUSED_OR_DECLINED: list[tuple[str, dict[str, Any]]] = [
    # Arguments that don't agree, next to each other and in fragments.
    ("{ orders(first: 1) { totalCount } orders(first: 2) { totalCount } }", {}),
    (
        "{ ...F orders(first: 1) { totalCount } } fragment F on Query { orders { totalCount } }",
        {},
    ),
    ("{ me { ...F ...G } } fragment F on User { a: id } fragment G on User { a: name }", {}),
    # The library's words for what does not fit.
    ("{ order(id: 7) { id } }", {}),
    ('{ order(id: "") { id } }', {}),
    ('{ order(id: "\\u0000") { id } }', {}),
    ("query ($id: ID!) { order(id: $id) { id } }", {"id": 7}),
    ("query ($id: ID!) { order(id: $id) { id } }", {"id": None}),
    ("query ($id: ID!) { order(id: $id) { id } }", {}),
    ("query ($id: ID!) { order(id: $id) { id } }", {"id": 'é"\\'}),
    (_NUMBERED, {"number": "1"}),
    (_NUMBERED, {"number": 2**31}),
    (_NUMBERED, {}),
    (_PRODUCTS, {"first": 101}),
    (_PRODUCTS, {"first": -1}),
    (_PRODUCTS, {"first": None}),
    (_PRODUCTS, {"ids": ["x"]}),
    (_PRODUCTS, {"ids": [TABLE] * 101}),
    (_PRODUCTS, {"search": "a b c d e f g h i j k"}),
    (_NODES, {"ids": ["x"]}),
    (_NODES, {"ids": [TABLE] * 101}),
    (_NODES, {"ids": None}),
    (_PAGE, {"first": True}),
    (_PAGE, {"first": "1"}),
    (_PAGE, {"first": 101}),
    (_PAGE, {"first": -1}),
    (_PAGE, {"first": 2**31}),
    (_PAGE, {"first": 1, "last": 1}),
    (_PAGE, {"after": "x"}),
    (_PAGE, {"after": ""}),
    (_PAGE, {"sort": "NO"}),
    (_PAGE, {"sort": None}),
    (_PAGE, {"filter": []}),
    (_PAGE, {"filter": {"no": 1}}),
    (_PAGE, {"filter": {"status": ["PENDING", None]}}),
    (_PAGE, {"filter": {"ids": [FIRST, 7]}}),
    (_PAGE, {"filter": {"ids": ["x"]}}),
    (_PAGE, {"filter": {"ids": [FIRST] * 101}}),
    (_PAGE, {"filter": {"externalIds": [" "]}}),
    (_PAGE, {"filter": {"createdAt": {"gte": "2024"}}}),
    (_PAGE, {"filter": {"createdAt": {"gte": 5}}}),
    (_PAGE, {"filter": {"createdAt": {"lt": "0001-01-01T00:00:00+14:00"}}}),
    (_PAGE, {"filter": {"search": "x" * 201}}),
    ("query ($s: OrderStatus) { orders(filter: { status: [$s] }) { totalCount } }", {"s": None}),
    ("query ($a: Boolean!) { me { id @skip(if: $a) } }", {}),
    ("query ($a: Boolean!) { me { id @skip(if: $a) } }", {"a": 1}),
]


@pytest.fixture
async def both(database_url: str) -> AsyncGenerator[tuple[Shop, Shop]]:
    async with open_nasty(database_url) as shops:
        yield shops


async def test_compiled_ones(both: tuple[Shop, Shop]) -> None:
    for query, variables in COMPILED:
        for caller in ("customer", "admin", "other"):
            body = {"query": query, "variables": variables}
            way, answer = await compare(*both, body, caller)
            assert way == "compiled", (query, variables, caller)
            assert "errors" not in answer, answer


async def test_others(both: tuple[Shop, Shop]) -> None:
    for query, variables in REFUSED_OR_DECLINED:
        for caller in ("customer", "admin"):
            body = {"query": query, "variables": variables}
            way, answer = await compare(*both, body, caller)
            assert way in {"refused", "declined", "plain"}, (query, variables)
            assert "errors" in answer, (query, answer)
    # The library takes a whole number in each of its forms.
    way, answer = await compare(*both, {"query": _PAGE, "variables": {"first": 1.0}}, "customer")
    assert way == "declined"
    assert len(answer["data"]["orders"]["nodes"]) == 1


async def test_rights(both: tuple[Shop, Shop]) -> None:
    own, others = {"customerIds": [CUSTOMER]}, {"customerIds": [OTHER]}
    for query, variables in (
        (_PAGE, {"filter": own}),
        (_PAGE, {"filter": others}),
        (_PAGE, {"filter": {"customerIds": []}}),
        ("query ($f: OrderFilter) { me { orders(filter: $f) { totalCount } } }", {"f": others}),
        (f'{{ order(id: "{OF_GONE}") {{ number customer {{ id }} }} }}', {}),
        (f'{{ order(id: "{FIRST}") {{ customer {{ id email }} }} }}', {}),
        ("{ me { email isAdmin } }", {}),
        (_NUMBERED, {"number": 1}),
        (_PRODUCTS, {"first": 2}),
        (_PRODUCTS, {"search": "lamp"}),
        (_NODES, {"ids": [FIRST, TABLE]}),
        (_NODES, {"ids": [FIRST, OF_GONE, FIRST]}),
        (_NODES, {"ids": [CUSTOMER, UNKNOWN, TABLE]}),
        (_NODES, {"ids": [REMOVED]}),
    ):
        for caller in ("customer", "other", "admin", "reader", "writer", None):
            await compare(*both, {"query": query, "variables": variables}, caller)


async def test_every_page_of_every_list(both: tuple[Shop, Shop]) -> None:
    """Many orders share what is sorted by: each stands on one page, in both directions."""
    for caller, ways in (
        ("customer", ("UPDATED_AT_DESC",)),
        ("admin", ("TOTAL_ASC", "CREATED_AT_ASC")),
    ):
        for sort in ways:
            for size, cursor, end, more in (
                ("first", "after", "endCursor", "hasNextPage"),
                ("last", "before", "startCursor", "hasPreviousPage"),
            ):
                seen: list[str] = []
                variables: dict[str, Any] = {size: 7, "sort": sort}
                while True:
                    body = {"query": _PAGE, "variables": variables}
                    way, answer = await compare(*both, body, caller)
                    assert way == "compiled"
                    page = answer["data"]["orders"]
                    seen += [node["id"] for node in page["nodes"]]
                    variables[cursor] = page["pageInfo"][end]
                    if not page["pageInfo"][more]:
                        break
                assert len(seen) == len(set(seen)) == page["totalCount"]
