"""Execution that counts what it hands out, and lets others have their turn in a large answer."""

import asyncio
from collections.abc import AsyncIterable, Iterable, Sized
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLLeafType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    get_named_type,
    get_nullable_type,
    is_abstract_type,
    is_composite_type,
    is_list_type,
)
from graphql.execution.collect_fields import FieldDetailsList
from graphql.pyutils import AwaitableOrValue, Path
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from app.graphql.answer_size import OWN_TURN, TEXT_LENGTH, AnswerSize
from app.graphql.cost import values_of


class BoundedExecution(StrawberryGraphQLCoreExecutionContext):
    """Strawberry's execution; each list is counted before its elements are completed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._size: AnswerSize = self.context_value.size
        # How many values an element has, by the nodes that ask for its list. The library keeps
        # those for as long as this lives, so that no other list gets their id.
        self._element_values: dict[int, int] = {}

    def complete_list_value(
        self,
        return_type: GraphQLList[GraphQLOutputType],
        field_details_list: FieldDetailsList,
        info: GraphQLResolveInfo[Any],
        path: Path,
        result: AsyncIterable[Any] | Iterable[Any],
        position_context: Any,
    ) -> AwaitableOrValue[list[Any]]:
        """Complete a list, if the answer may have as much; in a moment, if others wait."""
        kind = get_named_type(return_type)
        if not isinstance(result, Sized) or not is_composite_type(kind):
            return super().complete_list_value(
                return_type, field_details_list, info, path, result, position_context
            )
        each = self._element_values.get(id(field_details_list))
        if each is None:
            each = self._values_below(kind, field_details_list)
            self._element_values[id(field_details_list)] = each
        values = each * len(result)
        self._size.add(values, limited=not kind.name.startswith("__"))
        turn = self._size.turn(values) if each < OWN_TURN else None
        if turn is None:
            return super().complete_list_value(
                return_type, field_details_list, info, path, result, position_context
            )
        return self._list_in_turn(
            turn, return_type, field_details_list, info, path, result, position_context
        )

    async def _list_in_turn(self, turn: asyncio.Future[None], *of: Any) -> list[Any]:
        await turn
        self._size.check()
        completed = super().complete_list_value(*of)
        return completed if isinstance(completed, list) else await completed

    def complete_list_item_value(
        self,
        item: Any,
        complete_results: list[Any],
        item_type: GraphQLOutputType,
        field_details_list: FieldDetailsList,
        info: GraphQLResolveInfo[Any],
        item_path: Path,
        position_context: Any,
    ) -> bool:
        """Complete an element; a large one has a turn of its own."""
        each = self._element_values.get(id(field_details_list), 0)
        turn = self._size.turn(each) if each >= OWN_TURN else None
        of = (item_type, field_details_list, info, item_path, position_context)
        if turn is None:
            return super().complete_list_item_value(item, complete_results, *of)
        complete_results.append(self._item_in_turn(turn, item, *of))
        return True

    async def _item_in_turn(self, turn: asyncio.Future[None], item: Any, *of: Any) -> Any:
        await turn
        self._size.check()
        results: list[Any] = []
        is_awaitable = super().complete_list_item_value(item, results, *of)
        return await results[0] if is_awaitable else results[0]

    def complete_leaf_value(  # type: ignore[override] # called on the instance, to count there
        self, return_type: GraphQLLeafType, result: Any
    ) -> Any:
        """Complete a plain value; a long text counts as several."""
        if isinstance(result, str) and len(result) >= TEXT_LENGTH:
            self._size.add(len(result) // TEXT_LENGTH)
        try:
            return super().complete_leaf_value(return_type, result)
        except GraphQLError as error:
            # The library's word for it is the one for bad input, but the value is one of ours.
            raise TypeError(f"{result!r} is no {return_type}") from error

    def _values_below(self, kind: GraphQLNamedType, asked_for: FieldDetailsList) -> int:
        """How many values an object has, but for those in its lists."""
        if is_abstract_type(kind):
            possible = self.schema.get_possible_types(kind)
            return max(self._values_below(one, asked_for) for one in possible)
        if not isinstance(kind, GraphQLObjectType):
            return 0
        values = 0
        for nodes in self.collect_subfields(kind, asked_for).grouped_field_set.values():
            field = self.schema.get_field(kind, nodes[0].node.name.value)
            if field is None:
                continue
            values += values_of(field)
            if not is_list_type(get_nullable_type(field.type)):
                values += self._values_below(get_named_type(field.type), nodes)
        return values
