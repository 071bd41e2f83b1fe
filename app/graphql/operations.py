"""From an operation's text to a document that is parsed, within limits and valid; remembered.

Clients send the same few texts again and again, so the outcome, good or bad, is kept by text in a
bounded cache. Nothing in it depends on data or on the caller.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    get_operation_ast,
    parse,
    validate,
)

from app.graphql.limits import LimitExceeded, Limits, check_nodes, check_shape

_MAX_CACHED = 500
_MAX_CACHED_LENGTH = 10_000
_MAX_COMMENTS = 500


@dataclass(frozen=True, slots=True)
class RequestError(Exception):
    """The request can't be executed: what is wrong with its text, name or variables."""

    errors: Sequence[GraphQLError]


class Operations:
    """Prepares operations of one schema."""

    def __init__(self, schema: GraphQLSchema, limits: Limits) -> None:
        self._schema = schema
        self._limits = limits
        self._documents: OrderedDict[str, DocumentNode | RequestError] = OrderedDict()

    def prepare(
        self, text: str, name: str | None, variables: Mapping[str, Any]
    ) -> tuple[DocumentNode, OperationDefinitionNode]:
        """The document and, in it, the operation to execute.

        Raises:
            RequestError: a syntax or validation error, a limit, or no such operation.
        """
        document = self._document(text)
        operation = get_operation_ast(document, name)
        if operation is None:
            message = (
                "The document holds several operations: name one in operationName."
                if name is None
                else f"The document holds no operation named {name!r}."
            )
            code = {"code": "OPERATION_RESOLUTION_FAILURE"}
            raise RequestError([GraphQLError(message, extensions=code)])
        try:
            check_nodes(document, operation, variables, self._limits)
        except LimitExceeded as error:
            raise RequestError([error]) from None
        return document, operation

    def _document(self, text: str) -> DocumentNode:
        outcome = self._documents.get(text)
        if outcome is None:
            outcome = self._check(text)
            if len(text) <= _MAX_CACHED_LENGTH:
                self._documents[text] = outcome
                if len(self._documents) > _MAX_CACHED:
                    self._documents.popitem(last=False)
        else:
            self._documents.move_to_end(text)
        if isinstance(outcome, RequestError):
            raise RequestError(outcome.errors)
        return outcome

    def _check(self, text: str) -> DocumentNode | RequestError:
        try:
            document = parse(
                text, max_lexical_tokens=self._limits.tokens, max_comments=_MAX_COMMENTS
            )
            check_shape(document, self._limits)
        except GraphQLError as error:
            return RequestError([error])
        errors = validate(self._schema, document)
        if not errors:
            return document
        for invalid in errors:
            invalid.extensions = {"code": "GRAPHQL_VALIDATION_FAILED"} | (invalid.extensions or {})
        return RequestError(errors)
