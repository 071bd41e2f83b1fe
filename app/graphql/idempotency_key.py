"""The idempotency key of an `addOrder`: its input's, or the header's, which is one for them all."""

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

from app.domain.errors import InvalidInput, ProblemCode
from app.graphql.context import Info
from app.graphql.limits import fragments_of
from app.services.idempotency import key_from_header

_FIELD = "idempotency_key"


def idempotency_key(info: Info, given: str | None) -> str | None:
    """The key that counts for the field that is being resolved; None without one.

    Args:
        info: The request.
        given: The key in the field's input.

    Raises:
        InvalidInput: the header can't be read, says another key than the input, or came with an
            operation of several orders, which would all have the same key.
    """
    lines = info.context.idempotency_header
    if not lines:
        return given
    try:
        sent = key_from_header(lines)
    except InvalidInput as error:
        reason = error.problems[0].message
        raise InvalidInput.single(
            f"comes from the header Idempotency-Key, which {reason}", _FIELD
        ) from None
    if _number_of_orders(info) > 1:
        raise InvalidInput.single(
            "must stand in each input and not in the header Idempotency-Key, which is for an"
            " operation with one addOrder",
            _FIELD,
        )
    if given not in {None, sent}:
        raise InvalidInput.single("is not the same as in the header Idempotency-Key", _FIELD)
    return sent


def names_a_deleted_order() -> InvalidInput:
    """The refusal of a key whose order was deleted since."""
    return InvalidInput.single(
        "names an order that was deleted since", _FIELD, code=ProblemCode.NOT_FOUND
    )


def _number_of_orders(info: Info) -> int:
    """How many fields `addOrder` the operation has, with those that a directive may leave out."""
    fragments = fragments_of(info.context.document)
    answers: set[str] = set()
    visited: set[str] = set()

    def visit(node: OperationDefinitionNode | SelectionSetNode) -> None:
        selections = node if isinstance(node, SelectionSetNode) else node.selection_set
        for selection in selections.selections:
            if isinstance(selection, FieldNode):
                if selection.name.value == info.field_name:
                    answers.add((selection.alias or selection.name).value)
            elif isinstance(selection, InlineFragmentNode):
                visit(selection.selection_set)
            elif isinstance(selection, FragmentSpreadNode):
                name = selection.name.value
                if name not in visited:
                    visited.add(name)
                    visit(fragments[name].selection_set)

    visit(info.operation)
    return len(answers)
