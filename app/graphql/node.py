"""What all objects have in common that can be fetched again."""

import strawberry


@strawberry.interface(description="Anything that can be fetched again by its id.")
class Node:
    """An object with an id."""

    id: strawberry.ID = strawberry.field(
        description="24 lowercase hex digits, unique over all types, the same id REST uses."
    )
