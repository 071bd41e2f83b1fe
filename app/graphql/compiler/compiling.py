"""From a checked operation to what answers it: compiled root fields, by the values of its flags."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    is_non_null_type,
)

from app.graphql.compiler.arguments import Declined, Values, variables_of
from app.graphql.compiler.changes import CHANGES
from app.graphql.compiler.queries import QUERIES
from app.graphql.compiler.roots import Field, Root
from app.graphql.compiler.rows import Rows
from app.graphql.compiler.selection import Selector, flags_of
from app.graphql.compiler.spelling import SPELLINGS
from app.graphql.limits import fragments_of

_MAX_VARIANTS = 16
_ROOTS: Mapping[OperationType, Mapping[str, Callable[[Field], Root]]] = {
    OperationType.QUERY: QUERIES,
    OperationType.MUTATION: CHANGES,
}


class CompiledRoot(NamedTuple):
    """A root field: the key of its answer, the nodes that ask for it, and what answers it."""

    key: str
    nodes: Sequence[FieldNode]
    is_nullable: bool
    root: Root


class CompiledOperation:
    """An operation; the variables of its directives decide which root fields it has.

    Args:
        schema: The schema.
        document: A valid document.
        operation: One of its operations.
        engine: The engine of the database.

    Raises:
        Declined: it is not for the compiler.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        document: DocumentNode,
        operation: OperationDefinitionNode,
        engine: str,
    ) -> None:
        kind = schema.get_root_type(operation.operation)
        if kind is None or operation.operation not in _ROOTS or operation.directives:
            raise Declined
        self.changes = operation.operation is OperationType.MUTATION
        """Whether it changes anything."""
        self._kind = kind
        self._schema = schema
        self._operation = operation
        self._engine = engine
        self._fragments = fragments_of(document)
        self._flags = flags_of(operation, self._fragments)
        self._variables = variables_of(schema, operation)
        self._variants: dict[tuple[object, ...], Sequence[CompiledRoot]] = {}
        if not self._flags:
            self._variants[()] = self._roots({})

    def bind(self, given: Values) -> tuple[Sequence[CompiledRoot], Values]:
        """The root fields for a request's variables, and these as resolvers get them.

        Raises:
            Declined: it is not for the compiler.
        """
        variables = self._variables(given)
        flags = tuple([variables.get(name) for name in self._flags])
        roots = self._variants.get(flags)
        if roots is None:
            if len(self._variants) == _MAX_VARIANTS:
                raise Declined
            roots = self._variants[flags] = self._roots(dict(zip(self._flags, flags, strict=True)))
        return roots, variables

    def _roots(self, flags: Mapping[str, object]) -> Sequence[CompiledRoot]:
        decided = {}
        for name, value in flags.items():
            if not isinstance(value, bool):
                raise Declined
            decided[name] = value
        selector = Selector(self._schema, self._fragments, decided)
        rows = Rows(selector, SPELLINGS[self._engine])
        kind, make_by_name = self._kind, _ROOTS[self._operation.operation]
        roots = []
        found = selector.fields(kind, [self._operation.selection_set])
        if self.changes and len(found) != 1:
            raise Declined  # the first one may be done when another one turns out to be none for us
        for key, nodes in found.items():
            make = make_by_name.get(nodes[0].name.value)
            if make is None:
                raise Declined
            definition = kind.fields.get(nodes[0].name.value)
            is_nullable = definition is not None and not is_non_null_type(definition.type)
            roots.append(CompiledRoot(key, nodes, is_nullable, make(Field(rows, kind, nodes))))
        return roots
