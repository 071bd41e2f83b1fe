"""Whether the data of an answer is what its operation asked for, by the schema alone."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

_SCALARS: Mapping[str, Callable[[Any], object]] = {
    "Int": lambda value: type(value) is int and -(2**31) <= value < 2**31,
    "Boolean": lambda value: type(value) is bool,
    "String": lambda value: type(value) is str,
    "ID": lambda value: type(value) is str and re.fullmatch("[0-9a-f]{24}", value),
    "Decimal": lambda value: re.fullmatch(r"\d+\.\d\d", value),
    "DateTime": lambda value: re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", value),
}


def well_formed(
    schema: GraphQLSchema, document: DocumentNode, answer: Mapping[str, Any]
) -> set[str]:
    """Check an answer with `data`: its fields and their order, their types, nulls and errors.

    The document has one operation, inline fragments only, `__typename` in the selections of
    interfaces, and no directives.

    Returns:
        The fields that have a value in it, such as `Order.number`.

    Raises:
        AssertionError: it is not what it must be.
    """
    [operation] = document.definitions
    assert isinstance(operation, OperationDefinitionNode)
    root = schema.get_root_type(operation.operation)
    assert root
    seen: set[str] = set()
    data, errors = answer["data"], answer.get("errors", [])
    assert set(answer) <= {"data", "errors", "extensions"}
    assert "errors" not in answer or errors
    if data is None:
        assert errors, "no data, and no error that says why"
    else:
        _Check(schema, seen).of_object(root, [operation.selection_set], data, "data")
    for error in errors:
        assert set(error) == {"message", "locations", "path", "extensions"}, error
        assert error["message"].endswith("."), error
        assert _leads_to_null(data, error["path"]), error
    return seen


def _leads_to_null(data: Any, path: Iterable[str | int]) -> bool:
    """Whether what failed, or something that holds it, is null."""
    for step in path:
        if data is None:
            return True
        data = data[step]
    return data is None


def _field(kind: GraphQLObjectType, node: FieldNode) -> GraphQLField:
    if node.name.value == "__typename":
        return GraphQLField(GraphQLNonNull(GraphQLEnumType("Typename", {kind.name: None})))
    fields: Mapping[str, GraphQLField] = kind.fields
    return fields[node.name.value]


@dataclass(frozen=True)
class _Check:
    """A walk over data and the selections that it answers."""

    schema: GraphQLSchema
    seen: set[str]

    def of_object(
        self,
        kind: GraphQLObjectType,
        selections: Iterable[SelectionSetNode],
        value: Any,
        path: str,
    ) -> None:
        assert isinstance(value, dict), f"{path} is no object"
        asked: dict[str, list[FieldNode]] = {}
        for selection in selections:
            self._collect(kind, selection, asked)
        assert list(value) == list(asked), f"{path} has {list(value)}, not {list(asked)}"
        for name, nodes in asked.items():
            if value[name] not in (None, []):
                self.seen.add(f"{kind.name}.{nodes[0].name.value}")
            below = [node.selection_set for node in nodes if node.selection_set]
            self._value(_field(kind, nodes[0]).type, below, value[name], f"{path}.{name}")

    def _collect(
        self,
        kind: GraphQLObjectType,
        selection: SelectionSetNode,
        into: dict[str, list[FieldNode]],
    ) -> None:
        for one in selection.selections:
            if isinstance(one, FieldNode):
                into.setdefault((one.alias or one.name).value, []).append(one)
                continue
            assert isinstance(one, InlineFragmentNode)
            assert one.type_condition
            condition = self.schema.type_map[one.type_condition.name.value]
            if condition is kind or (
                isinstance(condition, GraphQLInterfaceType)
                and self.schema.is_sub_type(condition, kind)
            ):
                self._collect(kind, one.selection_set, into)

    def _value(
        self, kind: GraphQLOutputType, below: list[SelectionSetNode], value: Any, path: str
    ) -> None:
        if isinstance(kind, GraphQLNonNull):
            assert value is not None, f"{path} is null, but of type {kind}"
            kind = kind.of_type
        if value is None:
            return
        if isinstance(kind, GraphQLList):
            assert isinstance(value, list), f"{path} is no list"
            for position, one in enumerate(value):
                self._value(kind.of_type, below, one, f"{path}[{position}]")
        elif isinstance(kind, GraphQLScalarType):
            assert _SCALARS[kind.name](value), f"{path} is {value!r}, which is no {kind}"
        elif isinstance(kind, GraphQLEnumType):
            assert value in kind.values, f"{path} is {value!r}, which is no {kind}"
        elif isinstance(kind, GraphQLObjectType):
            self.of_object(kind, below, value, path)
        else:
            concrete = self.schema.type_map[value["__typename"]]
            assert isinstance(concrete, GraphQLObjectType)
            assert self.schema.is_sub_type(kind, concrete), f"{path} is a {concrete}, no {kind}"
            self.of_object(concrete, below, value, path)
