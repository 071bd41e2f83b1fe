"""Publishing in the schema what comes from elsewhere: the domain's enums, and resolvers."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar, cast

import strawberry
from strawberry.types.enum import StrawberryEnumDefinition
from strawberry.types.field import StrawberryField

E = TypeVar("E", bound=type[Enum])
Given = TypeVar("Given")
Made = TypeVar("Made")


def publish_enum(words: E, *, name: str, description: str, values: dict[str, str]) -> E:
    """Make an enum of the domain a GraphQL enum, so that its members pass through unchanged.

    Args:
        words: The enum; its member names are the GraphQL values.
        name: The GraphQL name.
        description: The GraphQL description.
        values: A description for each member name.

    Returns:
        The same enum.

    Raises:
        KeyError: a member has no description.
    """
    strawberry.enum(words, name=name, description=description)
    definition: StrawberryEnumDefinition = words.__strawberry_definition__  # type: ignore[attr-defined] # set above
    for value in definition.values:
        value.description = values[value.name]
    return words


def resolved(description: str) -> Callable[[Callable[..., object]], StrawberryField]:
    """Make the method below a field with that description.

    Strawberry's own decorator has no type that a strict check can follow.
    """
    decorator: Callable[[Callable[..., object]], StrawberryField] = strawberry.field(
        description=description
    )
    return decorator


def made_of(given: Sequence[Given], make: Callable[[Given], Made]) -> list[Made]:
    """What a resolver of a long list returns: its length is known, and its elements are made later.

    That is when the answer may have them, and has its turn. To the schema it is a list.
    """
    return cast("list[Made]", _Later(given, make))


@dataclass(frozen=True, slots=True)
class _Later(Generic[Given, Made]):
    given: Sequence[Given]
    make: Callable[[Given], Made]

    def __len__(self) -> int:
        return len(self.given)

    def __iter__(self) -> Iterator[Made]:
        return map(self.make, self.given)
