"""The price of an operation: before execution from its page arguments, afterwards from its answer.

An operation is turned once into a plan that holds only what has a price. The plan has the shape in
which fields are executed: what is asked for twice under one name is executed, and counted, once.
The whole price list is in docs/limits.md.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import Any, NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    NullValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    is_composite_type,
    is_list_type,
    is_non_null_type,
)
from graphql.utilities import value_from_ast_untyped

from app.graphql.limits import LimitExceeded, Limits, fragments_of
from app.graphql.pagination import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE
from app.services.keys import MAX_LISTED_KEYS
from app.services.order_stats import MAX_SPANS

OBJECT_PRICE = 1
MUTATION_PRICE = 10
FIELD_PRICES = {"OrderConnection.totalCount": 1, "Query.stats": 10}
"""Fields whose price is not that of their type: counts are statements of their own."""
FREE_TYPES = {"Money", "PageInfo", "OrderItem", "OrderEdge", "OrderEventEdge", "UserError"}
"""Objects that come with the one around them, at no further cost."""
LOOKED_UP_VALUES = 10
"""How many values a field counts as whose value is not at hand: it takes that much longer."""
ASSUMED_LIST_SIZE = 5
"""How many elements a list is taken to have that no argument bounds, such as an order's items."""
LIST_SIZES = {"OrderStats.series": MAX_SPANS, "User.apiKeys": MAX_LISTED_KEYS}
"""Such lists with a bound of their own, which are taken to be full."""

_SIZES = ("ids", "first", "last")


def values_of(field: GraphQLField) -> int:
    """How many values a field counts as, without what is below it."""
    return LOOKED_UP_VALUES if iscoroutinefunction(field.resolve) else 1


class Measured(NamedTuple):
    """What an operation asks for. `page_size` is the largest one among its pages.

    `nodes` are the elements of all pages, `values` all fields of the answer.
    """

    cost: int
    nodes: int = 0
    page_size: int = 0
    values: int = 0


def check_size(measured: Measured, limits: Limits) -> None:
    """Refuse a valid operation that asks for too much.

    Raises:
        LimitExceeded: it does.
    """
    if measured.page_size > limits.page_size:
        raise LimitExceeded("page_size", "a page size", limits.page_size, measured.page_size)
    if measured.nodes > limits.nodes:
        raise LimitExceeded("nodes", "a number of list elements", limits.nodes, measured.nodes)
    if measured.values > limits.values:
        raise LimitExceeded("values", "a number of values", limits.values, measured.values)
    if measured.cost > limits.cost:
        raise LimitExceeded("cost", "a cost", limits.cost, measured.cost)


@dataclass(frozen=True, slots=True)
class CostPlan:
    """The priced fields of one operation."""

    _root: "_Selection"
    _defaults: Mapping[str, Any]

    def requested(self, variables: Mapping[str, Any]) -> Measured:
        """What the operation asks for, before it is executed."""
        return self._root.requested(
            {**self._defaults, **variables} if self._defaults else variables
        )

    @property
    def takes_variables(self) -> bool:
        """Whether variables decide what the operation asks for."""
        return self._root.takes_variables

    @property
    def is_shallow(self) -> bool:
        """Whether nothing inside of a page's elements counts, only how many they are."""
        return self._root.is_shallow

    def actual(self, variables: Mapping[str, Any], data: Mapping[str, Any] | None) -> int:
        """The price of what came back."""
        if data is None:
            return 0
        return self._root.actual(
            {**self._defaults, **variables} if self._defaults else variables, data
        )


@dataclass(frozen=True, slots=True)
class _Selection:
    """Fields of one object: those whose price is always the same, as a sum, and the others.

    `values` is how many of the former there are, with all below them.
    """

    fixed: int
    varying: Sequence["_Field"]
    values: int

    def requested(self, variables: Mapping[str, Any]) -> Measured:
        cost, nodes, page_size, values = self.fixed, 0, 0, self.values
        for field in self.varying:
            below = field.requested(variables)
            cost += below.cost
            nodes += below.nodes
            page_size = max(page_size, below.page_size)
            values += below.values
        return Measured(cost, nodes, page_size, values)

    @property
    def takes_variables(self) -> bool:
        return any(field.takes_variables for field in self.varying)

    @property
    def is_shallow(self) -> bool:
        return all(field.is_shallow for field in self.varying)

    def actual(self, variables: Mapping[str, Any], value: Mapping[str, Any]) -> int:
        return self.fixed + sum(field.actual(variables, value) for field in self.varying)


@dataclass(frozen=True, slots=True)
class _Field:
    """A field whose price depends on arguments or on what comes back.

    `element` is the price of one element of its list, if it has one. `views` are the selections
    of one element: of a page, they are read at these keys of the page.
    """

    key: str
    price: int
    own: _Selection
    values: int = 1
    may_be_null: bool = False
    is_list: bool = False
    size: "_Size | None" = None
    assumed_size: int = ASSUMED_LIST_SIZE
    element: int = 0
    views: Sequence[tuple[Sequence[str], _Selection]] = ()

    @property
    def is_free(self) -> bool:
        """Whether it has no price, and nothing below it has."""
        return not (self.price or self.own.fixed or self.own.varying or self.is_list)

    @property
    def varies(self) -> bool:
        """Whether its price with all below it may be another one for another answer."""
        return self.is_list or bool(self.own.varying) or (self.may_be_null and self.own.fixed > 0)

    def requested(self, variables: Mapping[str, Any]) -> Measured:
        cost, nodes, page_size, values = self.own.requested(variables)
        cost += self.price
        values += self.values
        if self.is_list:
            count = self.size.of(variables) if self.size else self.assumed_size
            each = [view.requested(variables) for _, view in self.views]
            cost += count * (self.element + sum(one.cost for one in each))
            values += count * sum(one.values for one in each)
            below = sum(one.nodes for one in each)
            nodes += count * (below + 1) if self.size else count * below
            page_size = max(
                page_size, count if self.size else 0, *(one.page_size for one in each), 0
            )
        return Measured(cost, nodes, page_size, values)

    @property
    def takes_variables(self) -> bool:
        return (
            (self.size is not None and self.size.takes_variables)
            or self.own.takes_variables
            or any(view.takes_variables for _, view in self.views)
        )

    @property
    def is_shallow(self) -> bool:
        return (
            all(field.is_page for field in self.own.varying)
            and self.own.is_shallow
            and not any(view.varying for _, view in self.views)
        )

    @property
    def is_page(self) -> bool:
        """Whether its elements are read at keys of a page."""
        return self.is_list and all(path for path, _ in self.views)

    def actual(self, variables: Mapping[str, Any], parent: Mapping[str, Any]) -> int:
        if self.key not in parent:
            return 0  # skipped by a directive, or of another type
        value = parent[self.key]
        if value is None:
            return self.price
        if not self.is_list:
            return self.price + self.own.actual(variables, value)
        cost, count = self.price, 0
        if isinstance(value, dict):
            cost += self.own.actual(variables, value)
            if not self.views and self.size:
                count = self.size.of(variables)  # the page was read, only not shown
        for path, view in self.views:
            elements = value if not path else value.get(path[0]) or ()
            count = max(count, len(elements))
            if not view.varying:
                cost += view.fixed * len(elements)
                continue
            for element in elements:
                shown = element.get(path[1]) if len(path) > 1 and element else element
                if shown is not None:
                    cost += view.actual(variables, shown)
        return cost + count * self.element


@dataclass(frozen=True, slots=True)
class _Size:
    """How many elements a list may have: an argument, or the size of a page without one."""

    values: Sequence[ValueNode]
    default: int

    @property
    def takes_variables(self) -> bool:
        return any(isinstance(node, VariableNode) for node in self.values)

    def of(self, variables: Mapping[str, Any]) -> int:
        for node in self.values:
            value: object = None
            if isinstance(node, VariableNode):
                value = variables.get(node.name.value)
            elif isinstance(node, IntValueNode):
                value = int(node.value)
            elif isinstance(node, ListValueNode):
                value = node.values
            elif not isinstance(node, NullValueNode):
                value = 1  # one value stands for a list of it
            if isinstance(value, list | tuple):
                value = len(value)
            if isinstance(value, str):
                value = 1
            if isinstance(value, int):
                # A size over the maximum is refused where it is used, with a better message.
                return max(0, min(value, MAX_PAGE_SIZE))
        return self.default


class _Found(NamedTuple):
    """A field as it is executed: all nodes that ask for it, and whether it may be left out."""

    nodes: list[FieldNode]
    parent: GraphQLNamedType
    may_be_absent: bool


def plan_cost(
    schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode
) -> CostPlan:
    """The plan of one operation of a valid document."""
    root = schema.get_root_type(operation.operation)
    if root is None:
        raise ValueError(f"the schema has no {operation.operation.value}")
    planner = _Planner(schema, fragments_of(document))
    defaults = {
        definition.variable.name.value: value_from_ast_untyped(definition.default_value)
        for definition in operation.variable_definitions or ()
        if definition.default_value is not None
    }
    return CostPlan(planner.selection(root, [operation.selection_set]), defaults)


@dataclass(frozen=True, slots=True)
class _Planner:
    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]

    def selection(
        self, parent: GraphQLNamedType, nodes: Sequence[SelectionSetNode], *leave_out: str
    ) -> _Selection:
        fixed, varying, values = 0, [], 0
        for key, found in self._collect(parent, nodes):
            if found.nodes[0].name.value in leave_out:
                continue
            field = self._field(key, found)
            if field.varies or (found.may_be_absent and not field.is_free):
                varying.append(field)
            else:
                fixed += field.price + field.own.fixed
                values += field.values + field.own.values
        return _Selection(fixed, tuple(varying), values)

    def _field(self, key: str, found: _Found) -> _Field:
        node = found.nodes[0]
        definition = getattr(found.parent, "fields", {}).get(node.name.value)
        if definition is None:
            return _Field(key, 0, _NOTHING)  # introspection
        kind = get_named_type(definition.type)
        price = _price(found.parent.name, node.name.value, kind)
        values = values_of(definition)
        below = [one.selection_set for one in found.nodes if one.selection_set]
        if kind.name.endswith("Connection"):
            return self._page(key, price, found, definition, below)
        inside = self.selection(kind, below)
        if not _is_list(definition):
            may_be_null = not is_non_null_type(definition.type)
            return _Field(key, price, inside, values, may_be_null=may_be_null)
        if not is_composite_type(kind):
            return _Field(key, price, _NOTHING, values)
        size = _size(node, definition)
        assumed = LIST_SIZES.get(f"{found.parent.name}.{node.name.value}", ASSUMED_LIST_SIZE)
        if size is None and not price and not inside.fixed and not inside.varying:
            free = _Selection(0, (), assumed * inside.values)
            return _Field(key, 0, free, values)
        of_its_own = OBJECT_PRICE if size else 0
        return _Field(
            key,
            of_its_own,
            _NOTHING,
            values,
            is_list=True,
            size=size,
            assumed_size=assumed,
            element=price,
            views=(((), inside),),
        )

    def _page(
        self,
        key: str,
        price: int,
        found: _Found,
        definition: GraphQLField,
        below: Sequence[SelectionSetNode],
    ) -> _Field:
        """A Relay connection: `nodes` and `edges { node }` are two views of the same elements."""
        connection = get_named_type(definition.type)
        views: list[tuple[Sequence[str], _Selection]] = []
        element = OBJECT_PRICE
        for inner_key, inner in self._collect(connection, below):
            name = inner.nodes[0].name.value
            sets = [one.selection_set for one in inner.nodes if one.selection_set]
            if name == "nodes":
                views.append(((inner_key,), self.selection(_type_of(connection, name), sets)))
            elif name == "edges":
                edge = _type_of(connection, name)
                views.append(((inner_key,), self.selection(edge, sets, "node")))
                for node_key, node in self._collect(edge, sets):
                    if node.nodes[0].name.value == "node":
                        node_sets = [one.selection_set for one in node.nodes if one.selection_set]
                        selection = self.selection(_type_of(edge, "node"), node_sets)
                        views.append(((inner_key, node_key), selection))
        return _Field(
            key,
            price,
            self.selection(connection, below, "nodes", "edges"),
            values_of(definition),
            is_list=True,
            size=_size(found.nodes[0], definition) or _Size((), DEFAULT_PAGE_SIZE),
            element=element,
            views=tuple(views),
        )

    def _collect(
        self, parent: GraphQLNamedType, sets: Sequence[SelectionSetNode]
    ) -> Iterator[tuple[str, _Found]]:
        """The fields of an object by the key of each in the answer, fragments taken in."""
        found: dict[tuple[str, str], _Found] = {}
        spread: set[str] = set()
        for node in sets:
            self._collect_into(found, spread, parent, node, absent=False)
        for (key, _), field in found.items():
            yield key, field

    def _collect_into(
        self,
        found: dict[tuple[str, str], _Found],
        spread: set[str],
        parent: GraphQLNamedType,
        node: SelectionSetNode,
        *,
        absent: bool,
    ) -> None:
        for selection in node.selections:
            may_be_absent = absent or bool(selection.directives)
            if isinstance(selection, FieldNode):
                key = ((selection.alias or selection.name).value, parent.name)
                before = found.get(key, _Found([], parent, may_be_absent))
                found[key] = _Found(
                    [*before.nodes, selection], parent, before.may_be_absent and may_be_absent
                )
            elif isinstance(selection, InlineFragmentNode | FragmentSpreadNode):
                fragment: InlineFragmentNode | FragmentDefinitionNode | None = (
                    selection
                    if isinstance(selection, InlineFragmentNode)
                    else self._not_yet_in(spread, selection.name.value)
                )
                if fragment is not None:
                    kind = self._condition(fragment) or parent
                    may_be_absent = may_be_absent or kind is not parent
                    inside = fragment.selection_set
                    self._collect_into(found, spread, kind, inside, absent=may_be_absent)

    def _not_yet_in(self, spread: set[str], name: str) -> FragmentDefinitionNode | None:
        if name in spread:
            return None
        spread.add(name)
        return self.fragments[name]

    def _condition(
        self, fragment: InlineFragmentNode | FragmentDefinitionNode
    ) -> GraphQLNamedType | None:
        condition = fragment.type_condition
        return self.schema.type_map[condition.name.value] if condition else None


_NOTHING = _Selection(0, (), 0)


def _price(parent: str, name: str, kind: GraphQLNamedType) -> int:
    if parent == "Mutation":
        return MUTATION_PRICE
    listed = FIELD_PRICES.get(f"{parent}.{name}")
    if listed is not None:
        return listed
    if not is_composite_type(kind) or kind.name in FREE_TYPES or parent.endswith("Payload"):
        return 0
    return OBJECT_PRICE


def _size(node: FieldNode, definition: GraphQLField) -> _Size | None:
    if not any(name in definition.args for name in _SIZES):
        return None
    given = {argument.name.value: argument.value for argument in node.arguments or ()}
    default = getattr(definition.args.get("first"), "default_value", None)
    return _Size(
        [given[name] for name in _SIZES if name in given],
        default if isinstance(default, int) else DEFAULT_PAGE_SIZE,
    )


def _is_list(definition: GraphQLField) -> bool:
    kind = definition.type
    if is_non_null_type(kind):
        kind = kind.of_type
    return is_list_type(kind)


def _type_of(parent: GraphQLNamedType, name: str) -> GraphQLNamedType:
    if not isinstance(parent, GraphQLObjectType):
        raise TypeError(f"{parent} has no field {name}")
    kind: GraphQLNamedType = get_named_type(parent.fields[name].type)
    return kind
