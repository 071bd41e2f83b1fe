"""What a document may have at the most, measured before it is validated or executed.

Each fragment is measured once and its figures are used wherever it is spread, so that measuring
takes time in proportion to the document, however often fragments double each other.
"""

from dataclasses import dataclass, field

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of a request; each is a setting `ORDERS_MAX_*`, described in docs/limits.md."""

    length: int = 50_000
    tokens: int = 2_000
    operations: int = 20
    depth: int = 12
    fields: int = 500
    root_fields: int = 20
    aliases: int = 100
    directives: int = 50
    page_size: int = 100
    nodes: int = 20_000
    values: int = 100_000
    cost: int = 10_000
    variables_bytes: int = 100_000
    json_depth: int = 100
    json_values: int = 10_000
    batch: int = 1


class LimitExceeded(GraphQLError):
    """Something is over a limit; the error names the limit and both figures."""

    def __init__(
        self,
        name: str,
        what: str,
        limit: int,
        found: int | None = None,
        *,
        subject: str = "An operation",
        advice: str = "",
    ) -> None:
        asked = "" if found is None else f" This one asks for {found}."
        facts: dict[str, object] = {"code": "LIMIT_EXCEEDED", "limit": name, "maximum": limit}
        if found is not None:
            facts["found"] = found
        super().__init__(
            f"{subject} may have {what} of at most {limit}.{asked}{advice}", extensions=facts
        )


@dataclass(slots=True)
class _Shape:
    depth: int = 0
    fields: int = 0
    root_fields: int = 0
    aliases: int = 0
    directives: int = 0

    def take_in(self, other: "_Shape", *, below: int = 0) -> None:
        self.depth = max(self.depth, other.depth + below)
        self.fields += other.fields
        self.aliases += other.aliases
        self.directives += other.directives
        if not below:
            self.root_fields += other.root_fields


_SENTENCES = {
    "depth": "a depth",
    "fields": "a number of fields",
    "root_fields": "a number of root fields",
    "aliases": "a number of aliases",
    "directives": "a number of directives",
}


def check_length(text: str, limits: Limits) -> None:
    """Refuse a document before anything looks into it.

    Raises:
        LimitExceeded: it is too long.
    """
    if len(text) > limits.length:
        raise LimitExceeded("length", "a length", limits.length, len(text), subject="A document")


def check_shape(document: DocumentNode, limits: Limits) -> None:
    """Refuse a document with too many operations, or one of them too deep or too wide.

    It may be invalid still: fragments may be missing or spread each other in a circle.

    Raises:
        LimitExceeded: it is.
    """
    operations = [
        definition
        for definition in document.definitions
        if isinstance(definition, OperationDefinitionNode)
    ]
    if len(operations) > limits.operations:
        raise LimitExceeded(
            "operations",
            "a number of operations",
            limits.operations,
            len(operations),
            subject="A document",
        )
    measure = _ShapeMeasure(document)
    for operation in operations:
        shape = measure.selections(operation.selection_set)
        shape.directives += len(operation.directives or ())
        for name, what in _SENTENCES.items():
            found, limit = getattr(shape, name), getattr(limits, name)
            if found > limit:
                raise LimitExceeded(name, what, limit, found)


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
            shape.directives += len(selection.directives or ())
            if isinstance(selection, FieldNode):
                self._add_field(selection, shape)
            elif isinstance(selection, FragmentSpreadNode):
                shape.take_in(self._fragment(selection.name.value))
            elif isinstance(selection, InlineFragmentNode):
                shape.take_in(self.selections(selection.selection_set))
        return shape

    def _add_field(self, node: FieldNode, shape: _Shape) -> None:
        shape.fields += 1
        below = self.selections(node.selection_set)
        if node.name.value.startswith("__"):
            # Introspection has a depth rule of its own among the standard ones.
            shape.fields += below.fields
            shape.directives += below.directives
            return
        shape.root_fields += 1
        shape.aliases += node.alias is not None
        shape.take_in(below, below=1)

    def _fragment(self, name: str) -> _Shape:
        if name not in self._measured:
            self._measured[name] = _Shape()  # what a circle finds; validation refuses it later
            fragment = self._fragments.get(name)
            self._measured[name] = self.selections(fragment.selection_set if fragment else None)
        return self._measured[name]


def fragments_of(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    """The document's fragments by name."""
    return {
        definition.name.value: definition
        for definition in document.definitions
        if isinstance(definition, FragmentDefinitionNode)
    }
