"""Variables and arguments as resolvers get them, by functions that are made once for an operation.

They take what is written as the schema has it, and no other way to write it that GraphQL takes as
well, such as a number for an id. Whatever they decline, the library coerces, or refuses in its own
words.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLError,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    GraphQLSchema,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    Undefined,
    ValueNode,
    VariableNode,
    type_from_ast,
)
from graphql.pyutils import UndefinedType
from graphql.utilities import value_from_ast_untyped

from app.graphql.scalars import parse_instant

Values: TypeAlias = Mapping[str, Any]
"""Values by the names that the schema has for them; what was not given is missing."""

_MIN_INT, _MAX_INT = -(2**31), 2**31 - 1


class Declined(Exception):
    """Not for the compiler: the library answers this, errors included.

    It is raised before anything is written.
    """


@dataclass(frozen=True, slots=True)
class Members:
    """Makes the arguments of a field, or the fields of an input, of an operation's variables."""

    fixed: Values
    varying: Sequence[tuple[str, Callable[[Values], Any]]]

    @property
    def are_fixed(self) -> bool:
        """Whether they are the same whatever the variables are."""
        return not self.varying

    def one(self, name: str) -> Callable[[Values], Any]:
        """What makes the value of one that is always there."""
        for varying, value_of in self.varying:
            if varying == name:
                return value_of
        value = self.fixed[name]
        return lambda _variables: value

    def __call__(self, variables: Values) -> Values:
        """What they are."""
        if not self.varying:
            return self.fixed
        values = {**self.fixed}
        for name, value_of in self.varying:
            value = value_of(variables)
            if value is not Undefined:
                values[name] = value
        return values


def variables_of(
    schema: GraphQLSchema, operation: OperationDefinitionNode
) -> Callable[[Values], Values]:
    """What makes an operation's variables of those in a request.

    Raises:
        Declined: a default that is not plain.
    """
    plans: list[tuple[str, Callable[[Any], Any], Any]] = []
    for definition in operation.variable_definitions or ():
        kind = type_from_ast(schema, definition.type)
        coerce = _coercion(kind)
        default: Any = Undefined
        if definition.default_value is not None:
            default = coerce(value_from_ast_untyped(definition.default_value))
        elif isinstance(kind, GraphQLNonNull):
            default = Declined
        plans.append((definition.variable.name.value, coerce, default))

    def coerced(given: Values) -> Values:
        values = {}
        for name, coerce, default in plans:
            if name in given:
                values[name] = coerce(given[name])
            elif default is Declined:
                raise Declined
            elif default is not Undefined:
                values[name] = default
        return values

    return coerced


def arguments_of(field: GraphQLField, nodes: Mapping[str, ValueNode]) -> Members:
    """What makes a field's arguments of the operation's variables.

    Args:
        field: The field.
        nodes: The arguments as they are written, by name.

    Raises:
        Declined: one is not plain.
    """
    return _members(field.args, nodes)


def _coercion(kind: Any) -> Callable[[Any], Any]:
    """What makes a resolver's value of a plain one of JSON."""
    if isinstance(kind, GraphQLNonNull):
        return _required(_coercion(kind.of_type))
    if isinstance(kind, GraphQLList):
        return _list_coercion(kind)
    if isinstance(kind, GraphQLEnumType):
        return _enum_coercion(kind)
    if isinstance(kind, GraphQLInputObjectType):
        return _object_coercion(kind)
    if isinstance(kind, GraphQLScalarType) and kind.name in _SCALARS:
        return _SCALARS[kind.name]
    raise Declined


def _required(inner: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def required(value: Any) -> Any:
        if value is None:
            raise Declined
        return inner(value)

    return required


def _list_coercion(kind: GraphQLList[Any]) -> Callable[[Any], Any]:
    element = _coercion(kind.of_type)

    def elements(value: Any) -> Any:
        if value is None:
            return None
        return [element(one) for one in value] if type(value) is list else [element(value)]

    return elements


def _enum_coercion(kind: GraphQLEnumType) -> Callable[[Any], Any]:
    members = {name: kind.parse_value(name) for name in kind.values}

    def member(value: Any) -> Any:
        if value is None:
            return None
        if type(value) is not str or value not in members:
            raise Declined
        return members[value]

    return member


def _object_coercion(kind: GraphQLInputObjectType) -> Callable[[Any], Any]:
    make, names = _maker(kind)
    coercions = {name: _coercion(field.type) for name, field in kind.fields.items()}
    required = {name for name, field in kind.fields.items() if _is_required(field)}

    def made(value: Any) -> Any:
        if value is None:
            return None
        if type(value) is not dict or not required <= value.keys():
            raise Declined
        given = {}
        for name, one in value.items():
            coerce = coercions.get(name)
            if coerce is None:
                raise Declined
            given[names[name]] = coerce(one)
        return make(**given)

    return made


def _maker(kind: GraphQLInputObjectType) -> tuple[Callable[..., Any], dict[str, str]]:
    """The class that resolvers get for an input, and its names for the schema's."""
    definition = kind.extensions["strawberry-definition"]
    python_names = [field.python_name for field in definition.fields]
    return definition.origin, dict(zip(kind.fields, python_names, strict=True))


def _is_required(of: GraphQLArgument | GraphQLInputField) -> bool:
    return isinstance(of.type, GraphQLNonNull) and isinstance(of.default_value, UndefinedType)


def _id(value: Any) -> Any:
    if value is not None and type(value) is not str:
        raise Declined
    return value


def _int(value: Any) -> Any:
    if value is not None and (type(value) is not int or not _MIN_INT <= value <= _MAX_INT):
        raise Declined
    return value


def _bool(value: Any) -> Any:
    if value is not None and type(value) is not bool:
        raise Declined
    return value


def _instant(value: Any) -> datetime | None:
    if value is None:
        return None
    try:
        return parse_instant(value)
    except GraphQLError:
        raise Declined from None


_SCALARS: Mapping[str, Callable[[Any], Any]] = {
    "ID": _id,
    "String": _id,
    "Int": _int,
    "Boolean": _bool,
    "DateTime": _instant,
}


def _members(
    fields: Mapping[str, GraphQLArgument] | Mapping[str, GraphQLInputField],
    nodes: Mapping[str, ValueNode],
) -> Members:
    """What makes the arguments of a field, or the fields of an input, of variables."""
    fixed = {
        name: field.default_value
        for name, field in fields.items()
        if not isinstance(field.default_value, UndefinedType)
    }
    varying: list[tuple[str, Callable[[Values], Any]]] = []
    for name, field in fields.items():
        node = nodes.get(name)
        if node is None:
            if _is_required(field):
                raise Declined
            continue
        if _has_variables(node):
            varying.append(
                (name, _of_variables(field.type, node, is_optional=not _is_required(field)))
            )
        else:
            fixed[name] = _coercion(field.type)(value_from_ast_untyped(node))

    return Members(fixed, varying)


def _has_variables(node: ValueNode) -> bool:
    if isinstance(node, VariableNode):
        return True
    if isinstance(node, ListValueNode):
        return any(map(_has_variables, node.values))
    return isinstance(node, ObjectValueNode) and any(
        _has_variables(field.value) for field in node.fields
    )


def _of_variables(
    kind: GraphQLInputType, node: ValueNode, *, is_optional: bool
) -> Callable[[Values], Any]:
    """What makes a value of variables; Undefined for a variable that was not given."""
    needed = isinstance(kind, GraphQLNonNull)
    inner: Any = kind.of_type if isinstance(kind, GraphQLNonNull) else kind
    if isinstance(node, VariableNode):
        variable = node.name.value

        def of_variable(variables: Values) -> Any:
            value = variables.get(variable, Undefined)
            if needed and (value is None or (value is Undefined and not is_optional)):
                raise Declined
            return value

        return of_variable
    if isinstance(inner, GraphQLInputObjectType) and isinstance(node, ObjectValueNode):
        make, names = _maker(inner)
        members = _members(inner.fields, {one.name.value: one.value for one in node.fields})

        def of_members(variables: Values) -> Any:
            return make(**{names[name]: value for name, value in members(variables).items()})

        return of_members
    if isinstance(inner, GraphQLList) and isinstance(node, ListValueNode):
        each = [_element(inner.of_type, one) for one in node.values]
        return lambda variables: [one(variables) for one in each]
    raise Declined


def _element(kind: GraphQLInputType, node: ValueNode) -> Callable[[Values], Any]:
    if not _has_variables(node):
        value = None
        if not isinstance(node, NullValueNode):
            value = _coercion(kind)(value_from_ast_untyped(node))
        return lambda _variables: value
    of_variables = _of_variables(kind, node, is_optional=False)

    def element(variables: Values) -> Any:
        value = of_variables(variables)
        return None if value is Undefined else value

    return element
