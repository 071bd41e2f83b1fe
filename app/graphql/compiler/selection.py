"""What an operation selects, with its fragments taken in and its directives decided."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from graphql import (
    BooleanValueNode,
    DirectiveNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    is_abstract_type,
)

from app.graphql.compiler.arguments import Declined

Fields: TypeAlias = Mapping[str, Sequence[FieldNode]]
"""The fields of an object as they are answered: all nodes that ask for one, by its key."""


def flags_of(
    operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]
) -> tuple[str, ...]:
    """The variables that decide which fields there are.

    Raises:
        Declined: there are other directives than `@skip` and `@include`.
    """
    flags: dict[str, None] = {}
    waiting = [operation.selection_set, *(one.selection_set for one in fragments.values())]
    while waiting:
        for selection in waiting.pop().selections:
            for directive in selection.directives or ():
                if directive.name.value not in {"skip", "include"}:
                    raise Declined
                condition = _condition(directive)
                if isinstance(condition, VariableNode):
                    flags[condition.name.value] = None
            if isinstance(selection, FieldNode | InlineFragmentNode) and selection.selection_set:
                waiting.append(selection.selection_set)
    return tuple(flags)


@dataclass(frozen=True, slots=True)
class Selector:
    """Collects fields, with a value for each variable that decides about one."""

    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    flags: Mapping[str, bool]

    def fields(self, kind: GraphQLObjectType, sets: Sequence[SelectionSetNode]) -> Fields:
        """The fields of an object, in the order in which they are answered.

        Source: GraphQL specification, 6.3.2, CollectFields.
        """
        found: dict[str, list[FieldNode]] = {}
        spread: set[str] = set()
        for one in sets:
            self._collect(kind, one, found, spread)
        return found

    def _collect(
        self,
        kind: GraphQLObjectType,
        within: SelectionSetNode,
        found: dict[str, list[FieldNode]],
        spread: set[str],
    ) -> None:
        for selection in within.selections:
            if not all(map(self._lets_in, selection.directives or ())):
                continue
            if isinstance(selection, FieldNode):
                found.setdefault((selection.alias or selection.name).value, []).append(selection)
                continue
            fragment: InlineFragmentNode | FragmentDefinitionNode | None = None
            if isinstance(selection, InlineFragmentNode):
                fragment = selection
            elif isinstance(selection, FragmentSpreadNode) and selection.name.value not in spread:
                spread.add(selection.name.value)
                fragment = self.fragments[selection.name.value]
            if fragment is not None and self._applies(fragment, kind):
                self._collect(kind, fragment.selection_set, found, spread)

    def _lets_in(self, directive: DirectiveNode) -> bool:
        condition = _condition(directive)
        if isinstance(condition, VariableNode):
            value = self.flags[condition.name.value]
        elif isinstance(condition, BooleanValueNode):
            value = condition.value
        else:
            raise Declined
        return value is (directive.name.value == "include")

    def _applies(
        self, fragment: InlineFragmentNode | FragmentDefinitionNode, kind: GraphQLObjectType
    ) -> bool:
        if fragment.type_condition is None:
            return True
        on = self.schema.get_type(fragment.type_condition.name.value)
        return on is kind or (is_abstract_type(on) and self.schema.is_sub_type(on, kind))


def _condition(directive: DirectiveNode) -> ValueNode:
    (argument,) = directive.arguments or ()
    return argument.value


def below(nodes: Sequence[FieldNode]) -> list[SelectionSetNode]:
    """What is selected of a field's object, by all nodes that ask for it."""
    return [node.selection_set for node in nodes if node.selection_set]
