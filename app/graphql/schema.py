"""The schema: its roots, scalars and the hand-over of documents that are checked already."""

from collections.abc import Iterator
from functools import cache, cached_property

import strawberry
from graphql import (
    GraphQLArgument,
    GraphQLError,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLObjectType,
    GraphQLSchema,
    Undefined,
)
from strawberry.extensions import SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from app.graphql.context import Context
from app.graphql.execution import BoundedExecution
from app.graphql.items import Product
from app.graphql.keys import ApiKey
from app.graphql.mutations import Mutation
from app.graphql.queries import Query
from app.graphql.scalars import SCALARS
from app.graphql.subscriptions import Subscription
from app.graphql.types import Order, User


class _UsePreparedDocument(SchemaExtension):
    """Execute the document that the endpoint prepared, instead of parsing the text again."""

    def on_parse(self) -> Iterator[None]:
        context = self.execution_context.context
        if isinstance(context, Context):
            self.execution_context.graphql_document = context.document
        yield

    def on_validate(self) -> Iterator[None]:
        # Not None: then validation is taken as done, and it was when the document was prepared.
        self.execution_context.pre_execution_errors = []
        yield


class Schema(strawberry.Schema):
    """Strawberry's schema; errors are logged where they are made presentable, once."""

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Leave them alone: `app.graphql.errors.presentable` logs what is unexpected."""

    def publish_no_null_defaults(self) -> None:
        """Take back the default `null` that an optional Python argument turns into.

        An argument left out then arrives as Python's own default, which is None: the same, and
        the schema says `first: Int` instead of `first: Int = null`.
        """
        for kind in self._schema.type_map.values():
            arguments: list[GraphQLArgument | GraphQLInputField] = []
            if isinstance(kind, GraphQLInputObjectType):
                arguments += kind.fields.values()
            elif isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__"):
                for field in kind.fields.values():
                    arguments += field.args.values()
            for argument in arguments:
                if argument.default_value is None:
                    argument.default_value = Undefined

    @cached_property
    def sdl(self) -> str:
        """The schema in its own language, as it is committed in `schema.graphql`."""
        return self.as_str() + "\n"

    @property
    def core(self) -> GraphQLSchema:
        """The schema as graphql-core has it."""
        return self._schema


@cache
def build_schema() -> Schema:
    """The schema of the service: the same one for all of a process, as nobody changes it."""
    schema = Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=[ApiKey, Order, Product, User],
        extensions=[_UsePreparedDocument],
        execution_context_class=BoundedExecution,
        config=StrawberryConfig(scalar_map=SCALARS),
    )
    schema.publish_no_null_defaults()
    return schema
