"""From an operation's text to a document that is parsed, within limits and valid; remembered.

Clients send the same few texts again and again, so good documents are kept by text in a bounded
cache. Nothing in it depends on data or on the caller.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    get_operation_ast,
    parse,
    specified_rules,
    validate,
)
from graphql.validation.rules import overlapping_fields_can_be_merged

from app.graphql.compiler.arguments import Declined
from app.graphql.compiler.compiling import CompiledOperation
from app.graphql.cost import CostPlan, Measured, check_size, plan_cost
from app.graphql.limits import LimitExceeded, Limits, check_length, check_shape

_MAX_CACHED_LENGTH = 10_000
# A parsed document takes up to some 300 bytes a character.
_MAX_CACHED_CHARACTERS = 300_000
_MAX_COMMENTS = 500
# Each error may search the schema for similar names and print what it found.
MAX_ERRORS = 5
# Comparing fields that share a name takes quadratic time. 100 of one name are within this.
overlapping_fields_can_be_merged.MAX_COMPLEXITY_BUDGET = 10_000


@dataclass(frozen=True, slots=True)
class RequestError(Exception):
    """The request can't be executed: what is wrong with its text, name or variables.

    `status` and `headers` are for where the media type of the answer does not decide.
    """

    errors: Sequence[GraphQLError]
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prepared:
    """An operation that may be executed, and what it asks for."""

    document: DocumentNode
    operation: OperationDefinitionNode
    plan: CostPlan
    requested: Measured
    compiled: CompiledOperation | None


@dataclass(frozen=True, slots=True)
class _Checked:
    """A valid document, with the plans of those of its operations that were executed."""

    document: DocumentNode
    plans: dict[str | None, "_Planned"] = field(default_factory=dict)


class _Planned(NamedTuple):
    """`always` is what is executed, if that does not depend on variables."""

    operation: OperationDefinitionNode
    cost: CostPlan
    compiled: CompiledOperation | None
    always: Prepared | None


class Operations:
    """Prepares operations of one schema.

    Args:
        schema: The schema.
        limits: What an operation may have at the most.
        introspection: Whether the schema may be asked for.
        engine: Whose SQL operations are compiled to; None for not compiling any.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        limits: Limits,
        *,
        introspection: bool,
        engine: str | None = None,
    ) -> None:
        self._engine = engine
        self._schema = schema
        self._limits = limits
        self._introspection = introspection
        self._rules = [*specified_rules]
        if not introspection:
            self._rules.append(NoSchemaIntrospectionCustomRule)
        self._documents: OrderedDict[str, _Checked] = OrderedDict()
        self._cached_characters = 0

    def prepare(self, text: str, name: str | None, variables: Mapping[str, Any]) -> Prepared:
        """The document and, in it, the operation to execute.

        Raises:
            RequestError: a syntax or validation error, a limit, or no such operation.
        """
        checked = self._documents.get(text)
        if checked is None:
            checked = self._newly_checked(text)
        else:
            self._documents.move_to_end(text)
        planned = checked.plans.get(name)
        if planned is None:
            planned = checked.plans[name] = self._planned(checked.document, name)
        if planned.always is not None:
            return planned.always
        operation, plan, compiled, _ = planned
        requested = plan.requested(variables)
        self._check_size(requested)
        return Prepared(checked.document, operation, plan, requested, compiled)

    def check(self, text: str) -> DocumentNode:
        """A document that can be executed, whatever its variables.

        Raises:
            RequestError: a syntax or validation error, or a limit.
        """
        try:
            check_length(text, self._limits)
            document = parse(
                text, max_lexical_tokens=self._limits.tokens, max_comments=_MAX_COMMENTS
            )
            check_shape(document, self._limits)
            errors = validate(
                self._schema,
                document,
                self._rules,
                max_errors=MAX_ERRORS,
                hide_suggestions=not self._introspection,
            )
        except GraphQLSyntaxError as error:
            if f"more than {self._limits.tokens} tokens" not in error.message:
                raise RequestError([error]) from None
            exceeded = LimitExceeded(
                "tokens", "a number of tokens", self._limits.tokens, subject="A document"
            )
            raise RequestError([exceeded]) from None
        except GraphQLError as error:
            raise RequestError([error]) from None
        except RecursionError:
            # A chain of fragments, each no deeper than the limit but one inside of the other.
            exceeded = LimitExceeded("depth", "a depth", self._limits.depth)
            raise RequestError([exceeded]) from None
        if errors:
            raise RequestError([_coded(invalid) for invalid in errors])
        return document

    def _planned(self, document: DocumentNode, name: str | None) -> _Planned:
        operation = _operation(document, name)
        plan = plan_cost(self._schema, document, operation)
        compiled = self._compiled(document, operation)
        if plan.takes_variables:
            return _Planned(operation, plan, compiled, None)
        requested = plan.requested({})
        self._check_size(requested)
        always = Prepared(document, operation, plan, requested, compiled)
        return _Planned(operation, plan, compiled, always)

    def _check_size(self, requested: Measured) -> None:
        try:
            check_size(requested, self._limits)
        except LimitExceeded as error:
            raise RequestError([error]) from None

    def _compiled(
        self, document: DocumentNode, operation: OperationDefinitionNode
    ) -> CompiledOperation | None:
        if self._engine is None:
            return None
        try:
            return CompiledOperation(self._schema, document, operation, self._engine)
        except Declined:
            return None

    def _newly_checked(self, text: str) -> _Checked:
        checked = _Checked(self.check(text))
        if len(text) <= _MAX_CACHED_LENGTH:
            self._documents[text] = checked
            self._cached_characters += len(text)
            while self._cached_characters > _MAX_CACHED_CHARACTERS:
                oldest, _ = self._documents.popitem(last=False)
                self._cached_characters -= len(oldest)
        return checked


def _coded(invalid: GraphQLError) -> GraphQLError:
    if invalid.message == "Validation aborted.":
        return GraphQLError(
            "The document takes too much work to check: too many of its fields share a name, or"
            " its fragments stand too deep inside of each other.",
            extensions={"code": "LIMIT_EXCEEDED", "limit": "validation"},
        )
    invalid.extensions = {"code": "GRAPHQL_VALIDATION_FAILED"} | (invalid.extensions or {})
    return invalid


def _operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    operation = get_operation_ast(document, name)
    if operation is None:
        message = (
            "The document holds several operations: name one in operationName."
            if name is None
            else f"The document holds no operation named {name!r}."
        )
        raise RequestError(
            [GraphQLError(message, extensions={"code": "OPERATION_RESOLUTION_FAILURE"})]
        )
    return operation
