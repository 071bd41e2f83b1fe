"""Operations that a generator makes up, and what every answer to them must look like.

hypothesis-graphql makes valid operations over the whole schema, but knows nothing of a shop: its
ids name nothing, and it sends every argument at once. So each is sent several times with other
values put in: ids, cursors and words that are known, some arguments left out, some as variables.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
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
    parse_type,
    parse_value,
    print_ast,
    value_from_ast_untyped,
)
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis_graphql import Mode, mutations, nodes, queries

from app.domain import clock
from app.domain.clock import rfc3339
from app.graphql.schema import build_schema
from tests.graphql.answers import well_formed
from tests.shop import (
    LAMP,
    PRODUCTS,
    STOOL,
    TABLE,
    UNKNOWN,
    Shop,
    open_client,
    open_shop,
)

SCHEMA = build_schema().core
_ROOTS = (SCHEMA.query_type, SCHEMA.mutation_type)
SORTS = tuple(SCHEMA.type_map["OrderSort"].values)  # type: ignore[attr-defined]
CALLERS = ("admin",) * 8 + ("customer",) * 5 + ("other", "reader", "writer", None)
# What the generator's operations may be refused with, beside what is no refusal of the operation.
CODES = {"BAD_USER_INPUT", "LIMIT_EXCEEDED", "FORBIDDEN", "UNAUTHENTICATED"}

_SCALARS = {"DateTime": st.just(nodes.String("2024-11-30T09:15:00.000Z"))}
# How many of the fields left out are added: to what was asked for, and to what is added.
_SHARES = (0.3, 0.5, 0.3)
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
    "idempotencyKey": [f"key-{n}" for n in range(3)],
    "DateTime": ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z", "2031-01-01T00:00:00+14:00"),
}


def shapes(each: int, start: int) -> list[DocumentNode]:
    """Valid operations, up to so many of each field of the roots, and as many of any of them."""
    made: list[DocumentNode] = []
    for make, root in ((queries, SCHEMA.query_type), (mutations, SCHEMA.mutation_type)):
        assert root
        for some in (None, *([name] for name in root.fields)):
            strategy = make(SCHEMA, fields=some, custom_scalars=_SCALARS, print_ast=_as_it_is)
            made += _generated(strategy, each, start)
    random.Random(start).shuffle(made)  # noqa: S311 (the same operations each time)
    return made


def queries_of(field_: str, number: int, start: int) -> list[DocumentNode]:
    """Valid queries of one field of the root."""
    strategy = queries(SCHEMA, fields=[field_], custom_scalars=_SCALARS, print_ast=_as_it_is)
    return _generated(strategy, number, start)


def mutations_of(field_: str, number: int, start: int) -> list[DocumentNode]:
    """Valid mutations of one field of the root."""
    strategy = mutations(SCHEMA, fields=[field_], custom_scalars=_SCALARS, print_ast=_as_it_is)
    return _generated(strategy, number, start)


def invalid_texts(number: int, start: int) -> list[str]:
    """Documents with one mistake each."""
    return _generated(queries(SCHEMA, custom_scalars=_SCALARS, mode=Mode.NEGATIVE), number, start)


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


def _field(name: str, below: SelectionSetNode | None = None) -> FieldNode:
    return FieldNode(name=NameNode(value=name), selection_set=below)


def _response_name(node: SelectionNode) -> str:
    return (node.alias or node.name).value if isinstance(node, FieldNode) else ""


@dataclass
class Known:
    """What there is in a shop, to be asked for."""

    shop: Shop
    fuzzers_keys: set[str] = field(default_factory=set)
    ids: dict[str, list[str]] = field(default_factory=dict)
    cursors: dict[str, list[str]] = field(default_factory=dict)
    instants: dict[str, list[str]] = field(default_factory=dict)

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
        now = clock.now()
        self.instants = {
            "gte": [rfc3339(now - timedelta(days=days)) for days in (1, 9, 90, 900)],
            "lt": [rfc3339(now + timedelta(days=days)) for days in (0, 9)],
        }
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
            selections.append(_field("__typename"))  # to know what an answer is of
        elif isinstance(parent, GraphQLObjectType) and parent not in _ROOTS:
            taken = {_response_name(one) for one in selections}
            selections += self._more(parent, taken)
        return SelectionSetNode(selections=tuple(selections))

    def _more(
        self, kind: GraphQLObjectType, taken: set[str], depth: int = 0
    ) -> Iterator[FieldNode]:
        """Some of the fields that the generator left out: it likes the same few ones."""
        for name, definition in kind.fields.items():
            if name in taken or any(map(is_required_argument, definition.args.values())):
                continue
            if self._chance.random() < (0.8 if name == "userErrors" else _SHARES[depth]):
                below = get_named_type(definition.type)
                if not isinstance(below, GraphQLObjectType):
                    yield _field(name)
                elif depth + 1 < len(_SHARES):
                    more = tuple(self._more(below, set(), depth + 1)) or (_field("__typename"),)
                    yield _field(name, SelectionSetNode(selections=more))

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
        if path == "stats.filter" and self._chance.random() < 0.5:
            # A series needs both, and little else.
            since, until = (self._chance.choice(self._known.instants[end]) for end in ("gte", "lt"))
            return parse_value(f'{{ createdAt: {{ gte: "{since}", lt: "{until}" }} }}')
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
        share = 0.2 if len(kind.fields) > 5 else 0.8
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
        elif name in self._known.instants and self._chance.random() < 0.8:
            texts = self._known.instants[name]
        else:
            texts = _TEXTS.get(name, _TEXTS.get(kind, ()))
        return StringValueNode(value=self._chance.choice(texts)) if texts else None


@dataclass
class Found:
    """What came of it."""

    operations: int = 0
    compared: int = 0
    refused_documents: int = 0
    with_data: int = 0
    mutations: int = 0
    changes: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    user_errors: Counter[str] = field(default_factory=Counter)
    seen: set[str] = field(default_factory=set)

    def __iadd__(self, other: "Found") -> Self:
        for part in fields(self):
            mine, more = getattr(self, part.name), getattr(other, part.name)
            setattr(self, part.name, mine | more if part.name == "seen" else mine + more)
        return self

    @property
    def unseen(self) -> set[str]:
        """The fields of the schema that had no value in any answer."""
        kinds = [kind for kind in SCHEMA.type_map.values() if isinstance(kind, GraphQLObjectType)]
        every = {
            f"{kind.name}.{name}"
            for kind in kinds
            if not kind.name.startswith("__") and kind is not SCHEMA.subscription_type
            for name in kind.fields
        }
        return every - self.seen

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


@asynccontextmanager
async def open_both_ways(url: str, **changes: Any) -> AsyncGenerator[tuple[Shop, Shop]]:
    """A shop, and the same by an application that executes every operation field by field."""
    changes = {"cost_budget": 1_000_000_000, **changes}
    async with (
        open_shop(url, **changes) as shop,
        open_client(url, compiled_operations=False, **changes) as client,
    ):
        yield shop, Shop(client, shop.database, shop.keys)


async def fuzz(shop: Shop, plain: Shop, *, each: int, fillings: int, start: int) -> Found:
    """Send operations to a shop, hold every answer to the schema, and those of reads to the plain.

    Args:
        shop: With budgets on, so that prices are compared too.
        plain: The same shop, by an application that executes every operation field by field.
        each: How many operations to generate for each field of the roots.
        fillings: How often to send each, with other values.
        start: What the generator starts from: the same number, the same operations.

    Raises:
        AssertionError: an answer is not as it must be; the message has the operation.
    """
    chance = random.Random(start)  # noqa: S311 (the same operations each time)
    known, found = Known(shop), Found()
    overlooked: list[str] = []

    def note_overlooked(_loop: asyncio.AbstractEventLoop, about: dict[str, Any]) -> None:
        # SQLAlchemy drops this one where a read is cancelled twice, by two fields that failed above
        # it; the connection is closed all the same.
        if "_terminate_graceful_close" not in str(about.get("task")):
            overlooked.append(str(about))

    asyncio.get_running_loop().set_exception_handler(note_overlooked)
    for number, shape in enumerate(shapes(each, start)):
        if number % 25 == 0:
            await known.refresh()
        for _ in range(fillings):
            filling = Filling(shape, known, chance)
            text, caller = print_ast(filling.document), chance.choice(CALLERS)
            answer = await _send(shop, text, filling.variables, caller)
            try:
                if "data" in answer:
                    found.seen |= well_formed(SCHEMA, filling.document, answer)
                if not filling.is_mutation:
                    await _compare(answer, shop, plain, text, filling.variables, caller)
                    found.compared += 1
                _check(answer)
                assert not overlooked, overlooked
            except AssertionError as error:
                raise AssertionError(
                    f"{error}\n{text}\nvariables: {filling.variables}\ncaller: {caller}"
                    f"\nanswer: {answer}"
                ) from error
            found.note(filling, answer)
    for text in invalid_texts(3 * each, start):
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


async def _compare(answer: dict[str, Any], shop: Shop, plain: Shop, *asked: Any) -> None:
    other = await _send(plain, *asked)
    if _comparable(other) != _comparable(answer):
        # When a key was last used is written down now and then.
        answer = await _send(shop, *asked)
    assert _comparable(other) == _comparable(answer), f"plain: {other}"


def _comparable(answer: dict[str, Any]) -> bytes:
    """What must be the same of two answers, and in the same order."""
    cost = answer.get("extensions", {}).get("cost", {})
    return orjson.dumps([answer.get("data"), answer.get("errors"), cost.get("actual")])


def _check(answer: Mapping[str, Any]) -> None:
    for error in answer.get("errors", ()):
        code = error["extensions"]["code"]
        assert code in CODES, code
        # An argument that we refuse is named. The library gives this code to values of ours, too,
        # that do not fit the schema.
        assert code != "BAD_USER_INPUT" or error["extensions"].get("field"), "no field is named"
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
