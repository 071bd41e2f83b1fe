"""What callers notice when one schema takes the place of another.

graphql-core tells apart changes that break callers and changes that may surprise them, such as a
new value of an enum. A removal that was announced breaks nobody: what the earlier schema has
deprecated may be missing in the later one. It may not change while it is there, though.
"""

from dataclasses import dataclass
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLSchema,
    build_schema,
    find_breaking_changes,
    find_dangerous_changes,
    validate_schema,
)


@dataclass(frozen=True, slots=True)
class SchemaChanges:
    """The changes from one schema to another, as sentences."""

    breaking: tuple[str, ...]
    dangerous: tuple[str, ...]


def read_schema(text: str) -> GraphQLSchema:
    """A schema from its text.

    Raises:
        GraphQLError: it is none.
    """
    try:
        schema = build_schema(text)
    except TypeError as error:  # what does not fit together, several sentences in one
        raise GraphQLError(str(error)) from None
    if errors := validate_schema(schema):
        raise errors[0]
    return schema


def schema_changes(earlier: str, later: str) -> SchemaChanges:
    """The changes from the earlier schema to the later, both in the schema language.

    Raises:
        GraphQLError: one of them is no schema.
    """
    current = read_schema(later)
    dangerous = find_dangerous_changes(read_schema(earlier), current)
    breaking = find_breaking_changes(_without_announced(read_schema(earlier), current), current)
    return SchemaChanges(
        tuple(change.description for change in breaking),
        tuple(change.description for change in dangerous),
    )


def _without_announced(earlier: GraphQLSchema, later: GraphQLSchema) -> GraphQLSchema:
    """The earlier schema without what it has deprecated and the later one has no more."""
    for name, kind in earlier.type_map.items():
        now = later.type_map.get(name)
        for part in ("fields", "values"):
            members, left = getattr(kind, part, {}), getattr(now, part, {})
            _drop_announced(members, left)
            for member_name, member in members.items():
                _drop_announced(
                    getattr(member, "args", {}),
                    getattr(left.get(member_name), "args", {}),
                )
    # A type that only they led to is gone with them.
    return GraphQLSchema(
        query=earlier.query_type,
        mutation=earlier.mutation_type,
        subscription=earlier.subscription_type,
        directives=earlier.directives,
        types=[kind for name, kind in earlier.type_map.items() if name in later.type_map],
    )


def _drop_announced(members: dict[str, Any], left: dict[str, Any]) -> None:
    for name, member in list(members.items()):
        if member.deprecation_reason is not None and name not in left:
            del members[name]
