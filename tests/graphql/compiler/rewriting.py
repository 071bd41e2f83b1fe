"""Generated operations written in every other way that GraphQL has for the same.

hypothesis-graphql makes plain ones and `Filling` puts in values that are known. Here fields move
into fragments, come twice and under aliases, get directives, and values become variables; page
arguments, cursors and filters are drawn so that most answers hold orders.
"""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from graphql import (
    ArgumentNode,
    BooleanValueNode,
    DirectiveNode,
    DocumentNode,
    EnumValueNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    NamedTypeNode,
    NameNode,
    NullValueNode,
    ObjectFieldNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    StringValueNode,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    parse,
    parse_value,
    print_ast,
    value_from_ast_untyped,
)

from app.domain.clock import rfc3339
from app.domain.order import Order
from app.graphql.limits import fragments_of
from tests.graphql.compiler.nasty import ORDERS, TEXTS, around
from tests.graphql.fuzzing import SCHEMA, SORTS, Filling, Known, mutations_of, queries_of
from tests.shop import CUSTOMER, OTHER, UNKNOWN, Shop

ROOTS = ("orders",) * 4 + ("me",) * 3 + ("order",) * 2 + ("products",)
CHANGES = (
    *("addOrder", "changeOrderStatus", "changeOrderStatus", "changeOrderAddress"),
    *("deleteOrders", "restoreOrders"),
)
# What is looked up besides orders, and differs between two moments: a key's last use.
_NOT_COMPILED = {("Order", "events"), ("User", "order"), ("User", "orders")}
_NEVER = {("User", "apiKeys")}
_SIZES = (0, 1, 1, 2, 2, 3, 3, 5, 100)
_BAD_SIZES = (101, -1, 2**31 - 1)


@cache
def shapes(each: int, start: int) -> Mapping[str, Sequence[DocumentNode]]:
    """Valid operations by the one field of the root that they have."""
    return {name: queries_of(name, each, start) for name in dict.fromkeys(ROOTS)}


@cache
def shapes_of_changes(each: int, start: int) -> Mapping[str, Sequence[DocumentNode]]:
    """The same for mutations of orders."""
    return {name: mutations_of(name, each, start) for name in dict.fromkeys(CHANGES)}


async def known_of(shop: Shop) -> Known:
    """What there is in the shop, by what administrators see of it."""
    known = Known(shop)
    known.ids = {
        "orders": [order.id for order in ORDERS],
        "products": sorted({item.product_id for order in ORDERS for item in order.items}),
        "users": [CUSTOMER, OTHER, UNKNOWN],
    }
    known.cursors = {"events": [""]}
    for sort in SORTS:
        query = f"{{ orders(first: 100, sort: {sort}) {{ edges {{ cursor }} }} }}"
        edges = (await shop.data(query, key="admin"))["orders"]["edges"]
        known.cursors[sort] = [edge["cursor"] for edge in edges]
    moments = [rfc3339(order.created_at) for order in ORDERS]
    known.instants = {"gte": moments, "lt": moments}
    return known


def _selections(text: str) -> SelectionSetNode:
    [operation] = parse(text).definitions
    assert isinstance(operation, OperationDefinitionNode)
    return operation.selection_set


_ITEMS = "items { id name product { name price { amount } } total { amount currencyCode } }"
_LIKED = (
    ("OrderConnection", {"nodes", "edges"}, _selections(f"{{ nodes {{ id address {_ITEMS} }} }}")),
    ("User", {"orders"}, _selections(f"{{ orders(first: 3) {{ nodes {{ id {_ITEMS} }} }} }}")),
    ("Order", {"items"}, _selections(f"{{ {_ITEMS} }}")),
    *(
        (f"{change}Payload", {name}, _selections(f"{{ {name} {{ id version {_ITEMS} }} }}"))
        for change, name in (
            *(("AddOrder", "order"), ("ChangeOrderAddress", "order")),
            *(("ChangeOrderStatus", "orders"), ("RestoreOrders", "orders")),
        )
    ),
)


def kinds_in(document: DocumentNode, data: Any) -> set[str]:
    """The types of the objects in an answer to the operation that is the last one written."""
    operation = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)][
        -1
    ]
    looking = _Looking(fragments_of(document), set())
    looking.at(data, SCHEMA.get_root_type(operation.operation), [operation.selection_set])
    return looking.found


@dataclass(frozen=True, slots=True)
class _Looking:
    """A walk over data and the selections that it answers, whatever their directives say."""

    fragments: Mapping[str, FragmentDefinitionNode]
    found: set[str]

    def at(self, value: Any, kind: Any, sets: Sequence[SelectionSetNode]) -> None:
        if isinstance(value, list):
            for one in value:
                self.at(one, kind, sets)
        elif isinstance(value, dict):
            self.found.add(kind.name)
            asked: dict[str, list[FieldNode]] = {}
            self._collect(sets, asked)
            for key, one in value.items():
                below = [node.selection_set for node in asked[key] if node.selection_set]
                if below:
                    self.at(one, get_named_type(kind.fields[asked[key][0].name.value].type), below)

    def _collect(self, sets: Sequence[SelectionSetNode], asked: dict[str, list[FieldNode]]) -> None:
        for one in (selection for each in sets for selection in each.selections):
            if isinstance(one, FieldNode):
                asked.setdefault((one.alias or one.name).value, []).append(one)
            elif isinstance(one, InlineFragmentNode):
                self._collect([one.selection_set], asked)
            elif isinstance(one, FragmentSpreadNode):
                self._collect([self.fragments[one.name.value].selection_set], asked)


def _quoted(text: str) -> str:
    return print_ast(StringValueNode(value=text))


def _literal(value: Any, kind: GraphQLInputType) -> ValueNode:
    """A value of JSON as it is written in an operation."""
    inner = get_nullable_type(kind)
    if value is None:
        return NullValueNode()
    if isinstance(inner, GraphQLList) and isinstance(value, list):
        return ListValueNode(values=tuple(_literal(one, inner.of_type) for one in value))
    if isinstance(inner, GraphQLInputObjectType):
        members = [
            ObjectFieldNode(name=NameNode(value=name), value=_literal(one, inner.fields[name].type))
            for name, one in value.items()
        ]
        return ObjectValueNode(fields=tuple(members))
    if isinstance(get_named_type(inner), GraphQLEnumType):
        return EnumValueNode(value=value)
    if isinstance(value, int):
        return IntValueNode(value=str(value))
    return StringValueNode(value=value)


_OF_ANY_NODE = InlineFragmentNode(
    type_condition=NamedTypeNode(name=NameNode(value="Node")),
    selection_set=SelectionSetNode(
        selections=tuple(FieldNode(name=NameNode(value=name)) for name in ("id", "__typename"))
    ),
)


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable: what to send for it, and whether it may be null or left out."""

    type: str
    value: Any
    default: str = ""
    may_be_null: bool = False
    may_be_absent: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """An operation as a client sends it."""

    text: str
    name: str | None
    variables: Mapping[str, Variable]

    def values(self, chance: random.Random) -> dict[str, Any]:
        """Values for the variables, others each time."""
        found = {}
        for name, variable in self.variables.items():
            if variable.type.startswith("Boolean"):
                value: Any = chance.random() < 0.6
            else:
                value = variable.value
            if variable.may_be_null and chance.random() < 0.1:
                value = None
            if not (variable.may_be_absent and chance.random() < 0.2):
                found[name] = value
        return found


class Rewriting:
    """One operation, of one or several generated ones.

    Args:
        shapes: Generated operations by their root field.
        known: What there is.
        chance: What decides.
        roots: Of which root fields to make it, those of queries or those of mutations.
    """

    def __init__(
        self,
        shapes: Mapping[str, Sequence[DocumentNode]],
        known: Known,
        chance: random.Random,
        roots: Sequence[str] = ROOTS,
    ) -> None:
        self._known = known
        self._chance = chance
        self._fragments: list[FragmentDefinitionNode] = []
        self._variables: dict[str, Variable] = {}
        self._aliases = 0
        self._part = ""
        self._given: dict[str, Any] = {}
        selections: list[SelectionNode] = []
        self._kind = "query" if roots is ROOTS else "mutation"
        root = SCHEMA.query_type if roots is ROOTS else SCHEMA.mutation_type
        assert root
        # Several changes of an operation are not compiled.
        numbers = (1, 1, 1, 2, 3) if roots is ROOTS else (1,) * 19 + (2,)
        for number in range(chance.choice(numbers)):
            filling = Filling(chance.choice(shapes[chance.choice(roots)]), known, chance)
            [operation] = filling.document.definitions
            assert isinstance(operation, OperationDefinitionNode)
            # Values are put in before they become variables, in every place and not only whole.
            self._given = filling.variables
            found = self._fields(operation.selection_set, root)
            # Several roots may have the same key, with other arguments.
            selections += [self._aliased(one) for one in found] if number else found
        if self._sometimes(0.15 if roots is ROOTS else 0.02):
            selections.insert(chance.randrange(len(selections) + 1), self._type_name())
        wrapped = self._wrapped(selections, root)
        self.written = self._printed(SelectionSetNode(selections=tuple(wrapped)))

    def _printed(self, selections: SelectionSetNode) -> Written:
        body = print_ast(selections) + "\n" + "\n".join(map(print_ast, self._fragments))
        used = set(re.findall(r"\$(\w+)", re.sub(r'"(?:[^"\\]|\\.)*"', "", body)))
        variables = {name: one for name, one in self._variables.items() if name in used}
        definitions = [
            f"${name}: {one.type}{one.default and ' = '}{one.default}"
            for name, one in variables.items()
        ]
        head = f"{self._kind} Q "
        if definitions:
            head = f"{self._kind} Q({', '.join(definitions)}) "
        if self._sometimes(0.15):
            return Written(f"query Other {{ scopes }} {head}{body}", "Q", variables)
        return Written(f"{head}{body}", self._chance.choice((None, "Q")), variables)

    def _sometimes(self, share: float) -> bool:
        return self._chance.random() < share

    def _new_alias(self) -> NameNode:
        self._aliases += 1
        # Two that SQL might take for one: case is all that tells them apart.
        return NameNode(value=f"{self._chance.choice('aA')}{self._aliases}")

    def _aliased(self, node: SelectionNode) -> SelectionNode:
        return replace(node, alias=self._new_alias()) if isinstance(node, FieldNode) else node

    def _type_name(self) -> FieldNode:
        alias = self._new_alias() if self._sometimes(0.5) else None
        return FieldNode(name=NameNode(value="__typename"), alias=alias)

    def _set(
        self, given: SelectionSetNode, kind: GraphQLObjectType, *, below_root: bool
    ) -> SelectionSetNode:
        selections: list[SelectionNode] = [*self._fields(given, kind, below_root=below_root)]
        names = {one.name.value for one in selections if isinstance(one, FieldNode)}
        for of, taken, more in _LIKED:
            # Where a generator likes a count as much as what is counted.
            is_there = of == kind.name and (of != "User" or below_root)
            if is_there and not names & taken and self._sometimes(0.75):
                selections += self._fields(more, kind, below_root=below_root)
        selections = selections or [self._type_name()]
        if self._sometimes(0.15):
            place = self._chance.randrange(len(selections) + 1)
            selections.insert(place, self._type_name())
        return SelectionSetNode(selections=tuple(self._wrapped(selections, kind)))

    def _fields(
        self, given: SelectionSetNode, kind: GraphQLObjectType, *, below_root: bool = False
    ) -> list[SelectionNode]:
        found: list[SelectionNode] = []
        for node in given.selections:
            assert isinstance(node, FieldNode)
            place = (kind.name, node.name.value)
            if place in _NEVER:
                continue
            is_of_me = below_root and place in {("User", "orders"), ("User", "order")}
            if place in _NOT_COMPILED and not is_of_me and not self._sometimes(0.01):
                continue
            one = self._field(node, kind)
            found.append(one)
            if self._sometimes(0.08):
                found.append(one)  # asked for twice
            if self._sometimes(0.08) and self._aliases < 60:
                other = self._field(node, kind)
                found.append(replace(other, alias=self._new_alias()))
            if self._sometimes(0.08) and one.selection_set:
                # The same once more with a part of it, to be taken together with the rest.
                part = one.selection_set.selections
                part = tuple(self._chance.sample(part, self._chance.randint(1, len(part))))
                found.append(replace(one, selection_set=SelectionSetNode(selections=part)))
        self._chance.shuffle(found)
        return found

    def _field(self, node: FieldNode, kind: GraphQLObjectType) -> FieldNode:
        if node.name.value == "__typename":
            return node
        definition = kind.fields[node.name.value]
        below = node.selection_set
        if below:
            inner = get_named_type(definition.type)
            assert isinstance(inner, GraphQLObjectType)
            is_root = kind is SCHEMA.query_type
            below = self._set(below, inner, below_root=is_root and node.name.value == "me")
        given = {
            one.name.value: self._plain(one.value, definition.args[one.name.value].type)
            for one in node.arguments or ()
        }
        if node.name.value == "orders":
            self._choose_page(given)
        elif kind is SCHEMA.mutation_type and self._sometimes(0.9):
            given["input"] = self._input(node.name.value)
        elif node.name.value == "products" and self._sometimes(0.85):
            given.pop("search", None)
        elif kind is SCHEMA.query_type and "id" in given and self._sometimes(0.9):
            given["id"] = StringValueNode(value=self._chance.choice(ORDERS[:34]).id)
        arguments = tuple(
            ArgumentNode(
                name=NameNode(value=name),
                value=self._value(value, definition.args[name].type),
            )
            for name, value in given.items()
        )
        return FieldNode(
            name=node.name,
            alias=self._new_alias() if self._sometimes(0.1) else node.alias,
            arguments=arguments,
            directives=self._directives(0.1),
            selection_set=below,
        )

    def _plain(self, value: ValueNode, kind: GraphQLInputType) -> ValueNode:
        """The value of a variable that a filling made, where it stands."""
        if isinstance(value, VariableNode):
            return _literal(self._given[value.name.value], kind)
        return value

    def _choose_page(self, given: dict[str, ValueNode]) -> None:
        sort = given.get("sort")
        cursors = self._known.cursors[
            sort.value if isinstance(sort, EnumValueNode) else "CREATED_AT_DESC"
        ]
        for name in ("after", "before"):
            if name in given:
                del given[name]
                if self._sometimes(0.6):
                    given[name] = StringValueNode(value=self._chance.choice(cursors))
        for name in ("first", "last"):
            if name in given:
                sizes = _BAD_SIZES if self._sometimes(0.02) else _SIZES
                given[name] = IntValueNode(value=str(self._chance.choice(sizes)))
        if "first" in given and "last" in given and not self._sometimes(0.02):
            del given[self._chance.choice(("first", "last"))]
        if "filter" in given and self._sometimes(0.9):
            given["filter"] = self._filter()

    def _input(self, name: str) -> ValueNode:
        """An input that changes something, more often than not."""
        parts: list[str] = []
        match name:
            case "addOrder":
                kinds = ("BUDGET", "REGULAR", "NEXT_DAY")
                products = self._chance.choices(self._known.ids["products"], k=2)
                items = [
                    f"{{ productId: {_quoted(one)}, shipping: {self._chance.choice(kinds)} }}"
                    for one in products[: self._chance.randint(1, 2)]
                ]
                parts = [f"items: [{', '.join(items)}]", "address: " + self._text()]
                for one, number in (("idempotencyKey", 4), ("externalId", 40)):
                    if self._sometimes(0.3):
                        parts.append(f'{one}: "e{self._chance.randrange(number)}"')
            case "changeOrderStatus":
                statuses = ("PENDING", "PENDING", "DELIVERY", "COMPLETED")
                changes = [
                    f"{{ orderId: {id_}, status: {status}{self._version()} }}"
                    for id_ in self._some("orders")
                    for status in self._chance.sample(statuses, 1)
                ]
                parts = [f"changes: [{', '.join(changes)}]"]
            case "changeOrderAddress":
                [id_] = self._some("pending" if self._sometimes(0.8) else "orders", most=1)
                parts = [f"orderId: {id_}", f"address: {self._text()}{self._version()}"]
            case "deleteOrders":
                parts = [f"ids: [{', '.join(self._some('orders', most=2))}]"]
            case "restoreOrders":
                parts = [f"ids: [{', '.join(self._some('gone'))}]"]
        if name in {"changeOrderStatus", "deleteOrders", "restoreOrders"} and self._sometimes(0.5):
            parts.append("onError: " + self._chance.choice(("SKIP_FAILED", "REJECT_ALL")))
        self._chance.shuffle(parts)
        return parse_value("{ " + ", ".join(parts) + " }")

    def _some(self, pool: str, *, most: int = 3) -> list[str]:
        ids = self._known.ids[pool]
        some = self._chance.sample(ids, self._chance.randint(1, min(most, len(ids))))
        if self._sometimes(0.1):
            some[0] = self._chance.choice((UNKNOWN, some[-1], "x"))
        return [_quoted(id_) for id_ in some]

    def _text(self) -> str:
        return _quoted(self._chance.choice(TEXTS))

    def _version(self) -> str:
        if not self._sometimes(0.2):
            return ""
        return ", expectedVersion: " + self._chance.choice(("null", "0", "1", "2"))

    def _filter(self) -> ValueNode:
        """Conditions that one of the orders meets, at least."""
        order = self._chance.choice(ORDERS[:34])
        choices = self._conditions(order)
        number = self._chance.choice((1, 1, 2, 3))
        chosen = {name: choices[name] for name in self._chance.sample(list(choices), number)}
        if self._sometimes(0.2):
            chosen[self._chance.choice(list(choices))] = self._chance.choice(("null", "[]"))
        for name in ("createdAt", "updatedAt", "search"):
            if chosen.get(name) == "[]":
                chosen[name] = "null"
        return parse_value("{" + ", ".join(f"{name}: {one}" for name, one in chosen.items()) + "}")

    def _conditions(self, order: Order) -> dict[str, str]:
        def listed(value: str, others: Sequence[str]) -> str:
            more = self._chance.sample(others, self._chance.randint(0, min(4, len(others))))
            return f"[{', '.join([value, *more])}]"

        orders = [_quoted(one.id) for one in ORDERS]
        found = {
            "ids": listed(_quoted(order.id), orders),
            "status": listed(order.status.name, ["PENDING", "DELIVERY"]),
        }
        for name, moment in (("createdAt", order.created_at), ("updatedAt", order.updated_at)):
            first, last = map(rfc3339, around(moment))
            choice = self._chance.choice(("gte", "lt", "both"))
            since, until = f'gte: "{first}"', f'lt: "{last}"'
            found[name] = (
                "{" + {"gte": since, "lt": until, "both": f"{since}, {until}"}[choice] + "}"
            )
        if order.items:
            item = self._chance.choice(order.items)
            found["shipping"] = listed(item.shipping.name, ["BUDGET", "REGULAR"])
            products = [_quoted(one) for one in self._known.ids["products"]]
            found["productIds"] = listed(_quoted(item.product_id), products)
        if order.external_id:
            others = [_quoted(one.external_id) for one in ORDERS if one.external_id]
            found["externalIds"] = listed(_quoted(order.external_id), others)
        if self._sometimes(0.3):
            found["customerIds"] = listed(_quoted(order.user_id), [])
        if self._sometimes(0.3):
            found["search"] = '"main"'
        return found

    def _value(self, node: ValueNode, kind: GraphQLInputType) -> ValueNode:
        """The value, as a variable or with variables in it."""
        inner = get_nullable_type(kind)
        if self._sometimes(0.25):
            return self._variable(node, kind)
        if isinstance(node, ListValueNode) and isinstance(inner, GraphQLList):
            if len(node.values) == 1 and self._sometimes(0.2):
                return node.values[0]  # one stands for a list of it
            values = tuple(self._value(one, inner.of_type) for one in node.values)
            return ListValueNode(values=values)
        if isinstance(node, ObjectValueNode) and isinstance(inner, GraphQLInputObjectType):
            members = [
                ObjectFieldNode(
                    name=one.name, value=self._value(one.value, inner.fields[one.name.value].type)
                )
                for one in node.fields
            ]
            return ObjectValueNode(fields=tuple(members))
        return node

    def _variable(self, node: ValueNode, kind: GraphQLInputType) -> VariableNode:
        name = f"v{len(self._variables)}"
        value = value_from_ast_untyped(node)
        if isinstance(value, list) and len(value) == 1 and self._sometimes(0.2):
            [value] = value
        default = ""
        is_nullable = not isinstance(kind, GraphQLNonNull)
        if self._sometimes(0.3) and (value is not None or is_nullable):
            default = print_ast(node)
        self._variables[name] = Variable(
            str(kind), value, default, is_nullable, is_nullable or bool(default)
        )
        return VariableNode(name=NameNode(value=name))

    def _directives(self, share: float) -> tuple[DirectiveNode, ...]:
        if not self._sometimes(share):
            return ()
        name = self._chance.choice(("skip", "include"))
        condition: ValueNode = BooleanValueNode(value=self._sometimes(0.7) is (name == "include"))
        flags = [name for name, one in self._variables.items() if one.type.startswith("Boolean")]
        if flags and (len(flags) > 3 or self._sometimes(0.5)):
            condition = VariableNode(name=NameNode(value=self._chance.choice(flags)))
        elif self._sometimes(0.6):
            flag = f"f{len(self._variables)}"
            default = self._chance.choice(("", "", "true", "false"))
            self._variables[flag] = Variable("Boolean!", True, default, False, bool(default))
            condition = VariableNode(name=NameNode(value=flag))
        argument = ArgumentNode(name=NameNode(value="if"), value=condition)
        return (DirectiveNode(name=NameNode(value=name), arguments=(argument,)),)

    def _wrapped(
        self, selections: Sequence[SelectionNode], kind: GraphQLObjectType
    ) -> Sequence[SelectionNode]:
        """Some of the selections within fragments."""
        if self._sometimes(0.75):
            return selections
        start = self._chance.randrange(len(selections))
        end = self._chance.randint(start + 1, len(selections))
        inside = SelectionSetNode(selections=tuple(self._wrapped(selections[start:end], kind)))
        before, after = list(selections[:start]), list(selections[end:])
        condition = NamedTypeNode(name=NameNode(value=kind.name))
        if self._sometimes(0.5):
            fragment: SelectionNode = InlineFragmentNode(
                type_condition=condition if self._sometimes(0.6) else None,
                directives=self._directives(0.3),
                selection_set=inside,
            )
        else:
            name = NameNode(value=f"F{len(self._fragments)}")
            self._fragments.append(
                FragmentDefinitionNode(name=name, type_condition=condition, selection_set=inside)
            )
            fragment = FragmentSpreadNode(name=name, directives=self._directives(0.3))
            if self._sometimes(0.3):
                after.append(FragmentSpreadNode(name=name, directives=self._directives(0.3)))
        if kind.interfaces and self._sometimes(0.5):
            after.append(_OF_ANY_NODE)
        return [*before, fragment, *after]
