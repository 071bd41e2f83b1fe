"""What an operation may cost at the most, measured on its document before anything is executed.

Each fragment is measured once and its figures are used wherever it is spread, so that measuring
takes time in proportion to the document, however often fragments double each other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
)

from app.graphql.pagination import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE
from app.services.keys import MAX_LISTED_KEYS
from app.services.order_stats import MAX_SPANS

# The fields that return pages, and those that return lists bounded by a constant; everything else
# returns one thing, or an order's own items. `nodes` is a page only where it takes ids.
_PAGED_FIELDS = {"orders", "products", "events", "topProducts"}
_LIST_SIZES = {"series": MAX_SPANS, "apiKeys": MAX_LISTED_KEYS}


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one operation; each is a setting `ORDERS_MAX_QUERY_*`."""

    depth: int = 12
    tokens: int = 2_000
    aliases: int = 100
    nodes: int = 20_000


class LimitExceeded(GraphQLError):
    """The operation is over a limit; the message names the limit and both figures."""

    def __init__(self, what: str, limit: int, found: int | None = None) -> None:
        asked = "" if found is None else f" This one asks for {found}."
        super().__init__(
            f"An operation may have {what} of at most {limit}.{asked}",
            extensions={"code": "LIMIT_EXCEEDED"},
        )


@dataclass(slots=True)
class _Shape:
    depth: int = 0
    aliases: int = 0

    def take_in(self, other: "_Shape", *, below: int = 0) -> None:
        self.depth = max(self.depth, other.depth + below)
        self.aliases += other.aliases


def check_shape(document: DocumentNode, limits: Limits) -> None:
    """Refuse a document that nests too deeply or has too many aliases in one of its operations.

    It may be invalid still: fragments may be missing or spread each other in a circle.

    Raises:
        LimitExceeded: it does.
    """
    measure = _ShapeMeasure(document)
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            shape = measure.selections(definition.selection_set)
            if shape.depth > limits.depth:
                raise LimitExceeded("a depth", limits.depth, shape.depth)
            if shape.aliases > limits.aliases:
                raise LimitExceeded("a number of aliases", limits.aliases, shape.aliases)


@dataclass(slots=True)
class _ShapeMeasure:
    document: DocumentNode
    _fragments: dict[str, FragmentDefinitionNode] = field(init=False)
    _measured: dict[str, _Shape] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._fragments = fragments_of(self.document)

    def selections(self, node: SelectionSetNode | None) -> _Shape:
        shape = _Shape()
        for selection in node.selections if node else ():
            if isinstance(selection, FieldNode):
                if selection.name.value.startswith("__"):
                    continue  # introspection has a depth rule of its own among the standard ones
                shape.aliases += selection.alias is not None
                shape.take_in(self.selections(selection.selection_set), below=1)
            elif isinstance(selection, FragmentSpreadNode):
                shape.take_in(self._fragment(selection.name.value))
            elif isinstance(selection, InlineFragmentNode):
                shape.take_in(self.selections(selection.selection_set))
        return shape

    def _fragment(self, name: str) -> _Shape:
        if name not in self._measured:
            self._measured[name] = _Shape()  # what a circle finds; validation refuses it later
            fragment = self._fragments.get(name)
            self._measured[name] = self.selections(fragment.selection_set if fragment else None)
        return self._measured[name]


def check_nodes(
    document: DocumentNode,
    operation: OperationDefinitionNode,
    variables: Mapping[str, Any],
    limits: Limits,
) -> None:
    """Refuse a valid operation whose page sizes multiply to too many list elements.

    Raises:
        LimitExceeded: they do.
    """
    nodes = _NodeCount(fragments_of(document), variables).selections(operation.selection_set)
    if nodes > limits.nodes:
        raise LimitExceeded("a number of list elements", limits.nodes, nodes)


@dataclass(slots=True)
class _NodeCount:
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Mapping[str, Any]
    _counted: dict[str, int] = field(default_factory=dict)

    def selections(self, node: SelectionSetNode | None) -> int:
        count = 0
        for selection in node.selections if node else ():
            if isinstance(selection, FieldNode):
                below = self.selections(selection.selection_set)
                name = selection.name.value
                if name in _LIST_SIZES:
                    below = _LIST_SIZES[name] * (1 + below)
                elif name in _PAGED_FIELDS or (name == "nodes" and selection.arguments):
                    # Once per page: `nodes` and `edges { node }` are two views of the same orders.
                    below = self._page_size(selection) * (1 + below)
                count += below
            elif isinstance(selection, FragmentSpreadNode):
                name = selection.name.value
                if name not in self._counted:
                    self._counted[name] = self.selections(self.fragments[name].selection_set)
                count += self._counted[name]
            elif isinstance(selection, InlineFragmentNode):
                count += self.selections(selection.selection_set)
        return count

    def _page_size(self, node: FieldNode) -> int:
        for argument in node.arguments or ():
            if argument.name.value not in {"first", "last", "ids"}:
                continue
            size: object = None
            if isinstance(argument.value, IntValueNode):
                size = int(argument.value.value)
            elif isinstance(argument.value, VariableNode):
                size = self.variables.get(argument.value.name.value)
            elif argument.name.value == "ids":
                size = MAX_PAGE_SIZE
            if isinstance(size, list):
                size = len(size)
            if isinstance(size, int):
                # A size over the maximum is refused where it is used, with a better message.
                return max(0, min(size, MAX_PAGE_SIZE))
        return DEFAULT_PAGE_SIZE


def fragments_of(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    """The document's fragments by name."""
    return {
        definition.name.value: definition
        for definition in document.definitions
        if isinstance(definition, FragmentDefinitionNode)
    }
