"""Operations that a generator makes up, and what every answer to them must look like.

hypothesis-graphql makes valid operations over the whole schema, but knows nothing of a shop: its
ids name nothing, and it sends every argument at once. So each is sent several times with other
values put in: ids, cursors and words that are known, some arguments left out, some as variables.
"""

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

import orjson
from graphql import (
    ArgumentNode,
    DocumentNode,
    EnumValueNode,
    FieldNode,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    NameNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    StringValueNode,
    ValueNode,
    VariableDefinitionNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_required_argument,
    is_required_input_field,
    parse,
    parse_type,
    print_ast,
    value_from_ast_untyped,
)
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis_graphql import Mode, mutations, nodes, queries

from app.graphql.schema import build_schema
from tests.graphql.answers import well_formed
from tests.shop import LAMP, PRODUCTS, STOOL, TABLE, UNKNOWN, Shop

SCHEMA = build_schema().core
SORTS = tuple(SCHEMA.type_map["OrderSort"].values)  # type: ignore[attr-defined]
CALLERS = ("admin",) * 8 + ("customer",) * 5 + ("other", "reader", "writer", None)
# What the generator's operations may be refused with, beside what is no refusal of the operation.
CODES = {"BAD_USER_INPUT", "LIMIT_EXCEEDED", "FORBIDDEN", "UNAUTHENTICATED"}

_INSTANTS = st.just(nodes.String("2024-11-30T09:15:00.000Z"))
_NUMBERS = {
    "first": range(13),
    "last": range(13),
    "number": range(1, 9),
    "quantity": range(1, 9),
    "expectedVersion": range(4),
}
_POOLS = {
    "orderId": "orders",
    "OrderFilter.ids": "orders",
    "DeleteOrdersInput.ids": "orders",
    "RestoreOrdersInput.ids": "gone",
    "order.id": "orders",
    "productId": "products",
    "productIds": "products",
    "products.ids": "products",
    "customerIds": "users",
    "userId": "users",
    "RevokeApiKeyInput.id": "keys",
    "id": "any",
    "ids": "any",
}
_TEXTS: Mapping[str, Sequence[str]] = {
    "search": ("tab", "lamp brown", "MAIN", "custom", "é", "zzz", " "),
    "timeZone": ("UTC", "Europe/Berlin", "Pacific/Kiritimati", "Etc/GMT+12", "Mars/Base"),
    "address": ("1 Main St", "2 Élm Ave 🏠", " "),
    "name": ("a script", "a phone"),
    "externalId": [f"web-{n}" for n in range(9)],
    "externalIds": [f"web-{n}" for n in range(9)],
    "idempotencyKey": [f"key-{n}" for n in range(9)],
    "DateTime": (
        *("2024-11-30T09:15:00.000Z", "2026-11-01T00:00:00+01:00", "2031-01-01T00:00:00Z") * 4,
        *("0001-01-01T00:00:00Z", "0001-01-03T09:15:00Z"),
        *("9999-12-29T09:15:00Z", "9999-12-31T23:59:59.999Z"),
    ),
}


def shapes(number: int, start: int) -> Iterator[DocumentNode]:
    """Valid operations: two thirds are queries, the others mutations."""
    scalars = {"DateTime": _INSTANTS}
    some = st.one_of(
        queries(SCHEMA, custom_scalars=scalars, print_ast=_as_it_is),
        queries(SCHEMA, custom_scalars=scalars, print_ast=_as_it_is),
        mutations(SCHEMA, custom_scalars=scalars, print_ast=_as_it_is),
    )
    yield from _generated(some, number, start)


def invalid_texts(number: int, start: int) -> Iterator[str]:
    """Documents with one mistake each."""
    scalars = {"DateTime": _INSTANTS}
    yield from _generated(
        queries(SCHEMA, custom_scalars=scalars, mode=Mode.NEGATIVE), number, start
    )


def _as_it_is(document: DocumentNode) -> DocumentNode:
    return document


def _generated(strategy: st.SearchStrategy[Any], number: int, start: int) -> list[Any]:
    made: list[Any] = []

    @seed(start)
    @settings(
        max_examples=number,
        phases=[Phase.generate],
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def note(one: Any) -> None:
        made.append(one)

    note()
    return made


def _field_of(text: str) -> SelectionNode:
    [operation] = parse(text).definitions
    assert isinstance(operation, OperationDefinitionNode)
    return operation.selection_set.selections[0]


_TYPENAME = _field_of("{ __typename }")
_USER_ERRORS = _field_of("{ userErrors { code field message } }")


def _is_named(name: str, node: SelectionNode) -> bool:
    return isinstance(node, FieldNode) and node.name.value == name


@dataclass
class Known:
    """What there is in a shop, to be asked for."""

    shop: Shop
    fuzzers_keys: set[str] = field(default_factory=set)
    ids: dict[str, list[str]] = field(default_factory=dict)
    cursors: dict[str, list[str]] = field(default_factory=dict)

    async def refresh(self) -> None:
        """Look again; place orders when few are left."""
        keys = [row[0] for row in await self.shop.rows("SELECT id FROM api_keys ORDER BY 1")]
        if not self.fuzzers_keys:
            self.fuzzers_keys = set(keys)
        [[left]] = await self.shop.rows("SELECT count(*) FROM orders")
        for number in range(left, 24):
            products = [TABLE, STOOL, LAMP][: number % 3 + 1]
            await self.shop.add(*products, key=("customer", "other")[number % 2])
        orders = await self.shop.rows("SELECT id FROM orders ORDER BY created_at")
        deleted = await self.shop.rows(
            "SELECT order_id FROM order_events WHERE type = 'deleted' ORDER BY seq DESC LIMIT 9"
        )
        self.ids = {
            "orders": [row[0] for row in orders],
            "gone": [row[0] for row in deleted] or [UNKNOWN],
            "products": [product.id for product in PRODUCTS],
            "users": [row[0] for row in await self.shop.rows("SELECT id FROM users ORDER BY 1")],
            "keys": [key for key in keys if key not in self.fuzzers_keys] or [UNKNOWN],
        }
        self.ids["any"] = [one for ids in self.ids.values() for one in ids[-20:]]
        for sort in SORTS:
            query = f"{{ orders(first: 20, sort: {sort}) {{ edges {{ cursor }} }} }}"
            edges = (await self.shop.data(query, key="admin"))["orders"]["edges"]
            self.cursors[sort] = [edge["cursor"] for edge in edges]
        edges = await self.shop.data("{ events(first: 50) { edges { cursor } } }", key="admin")
        self.cursors["events"] = [edge["cursor"] for edge in edges["events"]["edges"]]


class Filling:
    """An operation with other values put in, some of them as variables."""

    def __init__(self, shape: DocumentNode, known: Known, chance: random.Random) -> None:
        self._known = known
        self._chance = chance
        self._definitions: list[VariableDefinitionNode] = []
        self.variables: dict[str, Any] = {}
        [operation] = shape.definitions
        assert isinstance(operation, OperationDefinitionNode)
        root = SCHEMA.get_root_type(operation.operation)
        assert root
        filled = replace(
            operation,
            selection_set=self._selections(operation.selection_set, root),
            variable_definitions=tuple(self._definitions),
        )
        self.is_mutation = root is SCHEMA.mutation_type
        self.document = DocumentNode(definitions=(filled,))

    def _selections(self, given: SelectionSetNode, parent: GraphQLNamedType) -> SelectionSetNode:
        selections = [self._selection(one, parent) for one in given.selections]
        if isinstance(parent, GraphQLInterfaceType):
            # To know what an answer is of.
            selections.append(_TYPENAME)
        if parent.name.endswith("Payload") and not any(
            _is_named("userErrors", s) for s in selections
        ):
            selections.append(_USER_ERRORS)
        return SelectionSetNode(selections=tuple(selections))

    def _selection(self, given: Any, parent: GraphQLNamedType) -> Any:
        if isinstance(given, InlineFragmentNode):
            assert given.type_condition
            kind = SCHEMA.type_map[given.type_condition.name.value]
            return replace(given, selection_set=self._selections(given.selection_set, kind))
        assert isinstance(given, FieldNode)
        assert isinstance(parent, GraphQLObjectType | GraphQLInterfaceType)
        if given.name.value == "__typename":
            return given
        definition = parent.fields[given.name.value]
        given_arguments = given.arguments or ()
        sorts = [a.value for a in given_arguments if isinstance(a.value, EnumValueNode)]
        sort = sorts[0].value if sorts else "events"
        arguments = tuple(
            self._argument(argument, definition.args[argument.name.value].type, given, sort)
            for argument in self._wanted(given_arguments)
            if is_required_argument(definition.args[argument.name.value])
            or self._chance.random() < 0.6
        )
        below = given.selection_set
        if below:
            below = self._selections(below, get_named_type(definition.type))
        return replace(given, arguments=arguments, selection_set=below)

    def _wanted(self, arguments: Sequence[ArgumentNode]) -> list[ArgumentNode]:
        """Without one of `first` and `last`, which don't go together."""
        unwanted = self._chance.choice(("first", "last"))
        names = {argument.name.value for argument in arguments}
        if not {"first", "last"} <= names or self._chance.random() < 0.05:
            unwanted = ""
        return [argument for argument in arguments if argument.name.value != unwanted]

    def _argument(
        self, given: ArgumentNode, kind: GraphQLInputType, of: FieldNode, sort: str
    ) -> ArgumentNode:
        name = given.name.value
        value = self._value(given.value, kind, f"{of.name.value}.{name}", sort)
        if self._chance.random() < 0.3:
            variable = f"v{len(self.variables)}"
            self.variables[variable] = value_from_ast_untyped(value)
            node = VariableNode(name=NameNode(value=variable))
            self._definitions.append(
                VariableDefinitionNode(variable=node, type=parse_type(str(kind)))
            )
            value = node
        return ArgumentNode(name=given.name, value=value)

    def _value(self, given: ValueNode, kind: GraphQLInputType, path: str, sort: str) -> ValueNode:
        named = get_named_type(kind)
        if isinstance(given, ListValueNode):
            item = get_nullable_type(kind).of_type  # type: ignore[union-attr]
            filled = [self._value(one, item, path, sort) for one in given.values[:5]]
            if self._chance.random() < 0.9:  # most lists want each only once
                filled = list({print_ast(one): one for one in filled}.values())
            return ListValueNode(values=tuple(filled))
        if isinstance(given, ObjectValueNode):
            assert isinstance(named, GraphQLInputObjectType)
            return self._object(given, named)
        if isinstance(given, StringValueNode | IntValueNode) and self._chance.random() < 0.9:
            return self._known_value(path, named.name, sort) or given
        return given

    def _object(self, given: ObjectValueNode, kind: GraphQLInputObjectType) -> ObjectValueNode:
        # Few conditions at a time: all of them together match nothing.
        share = 0.3 if len(kind.fields) > 5 else 0.8
        fields_ = []
        for one in given.fields:
            definition = kind.fields[one.name.value]
            if is_required_input_field(definition) or self._chance.random() < share:
                path = f"{kind.name}.{one.name.value}"
                value = self._value(one.value, definition.type, path, "")
                fields_.append(replace(one, value=value))
        return ObjectValueNode(fields=tuple(fields_))

    def _known_value(self, path: str, kind: str, sort: str) -> ValueNode | None:
        name = path.partition(".")[2]
        if name in {"after", "before"}:
            texts: Sequence[str] = self._known.cursors[sort]
        elif name in _NUMBERS:
            return IntValueNode(value=str(self._chance.choice(_NUMBERS[name])))
        elif pool := _POOLS.get(path, _POOLS.get(name)):
            texts = self._known.ids[pool]
        else:
            texts = _TEXTS.get(name, _TEXTS.get(kind, ()))
        return StringValueNode(value=self._chance.choice(texts)) if texts else None


@dataclass
class Found:
    """What came of it."""

    operations: int = 0
    refused_documents: int = 0
    with_data: int = 0
    mutations: int = 0
    changes: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    user_errors: Counter[str] = field(default_factory=Counter)

    def __iadd__(self, other: "Found") -> Self:
        for part in fields(self):
            setattr(self, part.name, getattr(self, part.name) + getattr(other, part.name))
        return self

    def note(self, filling: Filling, answer: dict[str, Any]) -> None:
        data = answer.get("data")
        self.operations += 1
        self.with_data += _says_something(data)
        self.codes.update(error["extensions"]["code"] for error in answer.get("errors", ()))
        if filling.is_mutation:
            self.mutations += data is not None
            for payload in (data or {}).values():
                errors = (payload or {}).get("userErrors")
                self.user_errors.update(e["code"] for e in errors or () if "code" in e)
                self.changes += any(
                    _says_something(value)
                    for name, value in (payload or {}).items()
                    if name != "userErrors"
                )


def _says_something(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_says_something(one) for one in value.values())
    if isinstance(value, list):
        return any(_says_something(one) for one in value)
    return value is not None


async def fuzz(shop: Shop, *, shapes_number: int, fillings: int, start: int) -> Found:
    """Send operations to a shop and hold every answer to the schema.

    Args:
        shop: With budgets on, so that prices are compared too.
        shapes_number: How many operations to generate.
        fillings: How often to send each, with other values.
        start: What the generator starts from: the same number, the same operations.

    Raises:
        AssertionError: an answer is not as it must be; the message has the operation.
    """
    chance = random.Random(start)  # noqa: S311 (the same operations each time)
    known, found = Known(shop), Found()
    for number, shape in enumerate(shapes(shapes_number, start)):
        if number % 25 == 0:
            await known.refresh()
        for _ in range(fillings):
            filling = Filling(shape, known, chance)
            text, caller = print_ast(filling.document), chance.choice(CALLERS)
            answer = await _send(shop, text, filling.variables, caller)
            try:
                if "data" in answer:
                    well_formed(SCHEMA, filling.document, answer)
                _check(answer)
            except AssertionError as error:
                raise AssertionError(
                    f"{error}\n{text}\nvariables: {filling.variables}\ncaller: {caller}"
                    f"\nanswer: {answer}"
                ) from error
            found.note(filling, answer)
    for text in invalid_texts(shapes_number // 5, start):
        answer = await _send(shop, text, {}, "admin")
        codes = {error["extensions"]["code"] for error in answer["errors"]}
        assert "data" not in answer, text
        assert codes <= {"GRAPHQL_VALIDATION_FAILED", "LIMIT_EXCEEDED"}, (text, codes)
        found.refused_documents += 1
    return found


async def _send(shop: Shop, text: str, variables: Mapping[str, Any], caller: str | None) -> Any:
    response = await shop.rest(
        "POST",
        "/graphql",
        {"query": text, "variables": variables},
        key=caller,
        headers={"Accept": "application/graphql-response+json"},
    )
    answer = orjson.loads(response.content)
    assert response.status_code == (200 if "data" in answer else 400), (text, answer)
    return answer


def _check(answer: Mapping[str, Any]) -> None:
    codes = {error["extensions"]["code"] for error in answer.get("errors", ())}
    assert codes <= CODES, codes
    if cost := answer.get("extensions", {}).get("cost"):
        assert 0 <= cost["requested"] <= 10_000
        # A list without a size is taken to have 5 elements.
        if _longest_items(answer["data"]) <= 5:
            assert 0 <= cost["actual"] <= cost["requested"], cost


def _longest_items(value: Any, name: str = "") -> int:
    if isinstance(value, dict):
        return max((_longest_items(one, name) for name, one in value.items()), default=0)
    if isinstance(value, list):
        longest = max(map(_longest_items, value), default=0)
        return max(longest, len(value) if name == "items" else 0)
    return 0
