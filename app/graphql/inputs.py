"""What GraphQL callers send, and how it becomes the services' input."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, TypeVar

import strawberry

from app.domain import order as domain
from app.domain.changes import AddressChange, ErrorPolicy, StatusChange
from app.domain.errors import InvalidInput, Problem, ProblemCode
from app.domain.ids import OrderId, ProductId, UserId, parse_object_id
from app.domain.words import search_words
from app.graphql.enums import EventType, OrderStatus, ShippingMethod
from app.graphql.publish import publish_enum
from app.services import order_queries
from app.services.order_queries import OrderSort

MAX_LIST = 100
"""The most elements that a list in an input may have."""

T = TypeVar("T")
Id = TypeVar("Id", OrderId, ProductId, UserId)

publish_enum(
    OrderSort,
    name="OrderSort",
    description="How to sort orders. Ties are broken by id.",
    values={
        "CREATED_AT_ASC": "Oldest first.",
        "CREATED_AT_DESC": "Newest first.",
        "UPDATED_AT_ASC": "Longest unchanged first.",
        "UPDATED_AT_DESC": "Last changed first.",
        "TOTAL_ASC": "Smallest total first.",
        "TOTAL_DESC": "Largest total first.",
    },
)
publish_enum(
    ErrorPolicy,
    name="ErrorPolicy",
    description="What a mutation does with the rest when one element of a list fails.",
    values={
        "REJECT_ALL": "Change nothing.",
        "SKIP_FAILED": "Change what can be changed; report the others.",
    },
)


@strawberry.input(description="A half-open span of time.")
class DateTimeRange:
    """A span of time; a null end is open."""

    gte: datetime | None = strawberry.field(default=None, description="From this instant on.")
    lt: datetime | None = strawberry.field(default=None, description="Before this instant.")


@strawberry.input(
    description=(
        "Conditions on orders. All must hold; a list means any of; an empty list matches nothing;"
        " null is no condition."
    )
)
class OrderFilter:
    """Conditions on orders."""

    ids: list[strawberry.ID] | None = strawberry.field(
        default=None, description="Ids, at most 100."
    )
    status: list[OrderStatus] | None = strawberry.field(default=None, description="Statuses.")
    shipping: list[ShippingMethod] | None = strawberry.field(
        default=None, description="Shipping method of at least one item."
    )
    created_at: DateTimeRange | None = strawberry.field(default=None, description="When placed.")
    updated_at: DateTimeRange | None = strawberry.field(
        default=None, description="When last changed: what a sync job asks."
    )
    product_ids: list[strawberry.ID] | None = strawberry.field(
        default=None, description="Products in at least one item, at most 100."
    )
    customer_ids: list[strawberry.ID] | None = strawberry.field(
        default=None, description="Customers, at most 100. Others than oneself need `ADMIN`."
    )
    external_ids: list[str] | None = strawberry.field(
        default=None, description="The caller's own ids, at most 100."
    )
    search: str | None = strawberry.field(
        default=None,
        description=(
            "Words: each must begin a word of the address, an item name, the customer's name or"
            " e-mail; letter case and accents do not matter."
        ),
    )

    def conditions(self, owner: UserId | None) -> order_queries.OrderFilter:
        """As the service takes them, for one user's orders or for all visible.

        A search without any word, such as a blank one, is no condition.

        Raises:
            InvalidInput: a list or the search is too long, or an id is malformed.
        """
        created, updated = self.created_at or DateTimeRange(), self.updated_at or DateTimeRange()
        return order_queries.OrderFilter(
            owner=owner,
            ids=_ids("ids", self.ids, OrderId),
            statuses=_listed("status", self.status),
            shipping=_listed("shipping", self.shipping),
            created_from=created.gte,
            created_to=created.lt,
            updated_from=updated.gte,
            updated_to=updated.lt,
            product_ids=_ids("product_ids", self.product_ids, ProductId),
            customer_ids=_ids("customer_ids", self.customer_ids, UserId),
            external_ids=_external_ids(self.external_ids),
            words=_words(self.search),
        )


def _listed(name: str, values: Sequence[T] | None) -> tuple[T, ...] | None:
    """The values, each once; None for none given."""
    if values is None:
        return None
    if len(values) > MAX_LIST:
        raise InvalidInput.single(
            f"must have at most {MAX_LIST} elements, not {len(values)}",
            "filter",
            name,
            code=ProblemCode.OUT_OF_RANGE,
        )
    return tuple(dict.fromkeys(values))


def _ids(
    name: str, given: Sequence[strawberry.ID] | None, kind: Callable[[str], Id]
) -> tuple[Id, ...] | None:
    """The ids in canonical form, each once; None for none given."""
    ids = [parse_object_id(text) for text in given or ()]
    problems = [
        Problem(ProblemCode.INVALID, ("filter", name, position), "must be an id of 24 hex digits")
        for position, id_ in enumerate(ids)
        if id_ is None
    ]
    _refuse(problems)
    return _listed(name, None if given is None else [kind(id_) for id_ in ids if id_])


def _external_ids(given: Sequence[str] | None) -> tuple[str, ...] | None:
    listed = _listed("external_ids", given)
    problems = [
        Problem(ProblemCode.INVALID, ("filter", "external_ids", position), refusal)
        for position, text in enumerate(given or ())
        if (refusal := domain.text_problem(text))
    ]
    _refuse(problems)
    return listed


def _refuse(problems: Sequence[Problem]) -> None:
    if problems:
        raise InvalidInput(*problems)


def _words(search: str | None) -> tuple[str, ...]:
    try:
        return search_words(search or "")
    except ValueError as error:
        raise InvalidInput.single(
            str(error), "filter", "search", code=ProblemCode.OUT_OF_RANGE
        ) from None


@strawberry.input(description="A product to order.")
class OrderItemInput:
    """A product to order."""

    product_id: strawberry.ID = strawberry.field(description="The product.")
    shipping: ShippingMethod = strawberry.field(description="How it travels.")
    quantity: int = strawberry.field(default=1, description="How many pieces, at least 1.")


@strawberry.input(description="A new order.")
class AddOrderInput:
    """A new order."""

    items: list[OrderItemInput] = strawberry.field(description="What to order, 1 to 100 items.")
    address: str = strawberry.field(description="Where to ship.")
    external_id: str | None = strawberry.field(
        default=None,
        description="The caller's own id for this order, up to 64 characters.",
    )
    idempotency_key: str | None = strawberry.field(
        default=None,
        description=(
            "Repeat it to repeat the call safely: the first result is returned for 24 hours. REST"
            " has the `Idempotency-Key` header, which is taken here too when the operation has one"
            " `addOrder`. `NOT_FOUND` when the first result was deleted since."
        ),
    )

    def to_service(self) -> domain.NewOrder:
        """As the service takes it.

        Raises:
            InvalidInput: too many items.
        """
        _bounded("items", len(self.items), least=0)  # the service names the missing item
        return domain.NewOrder(
            items=[
                domain.NewItem(item.product_id, item.quantity, item.shipping) for item in self.items
            ],
            address=self.address,
            external_id=self.external_id,
        )


@strawberry.input(description="One order's new status.")
class OrderStatusChange:
    """One order's new status."""

    order_id: strawberry.ID = strawberry.field(description="The order.")
    status: OrderStatus = strawberry.field(
        description="Its new status. Any status may follow any other, as in REST."
    )
    expected_version: int | None = strawberry.field(
        default=None, description="Refuse when the order is no longer at this version."
    )


@strawberry.input(description="New statuses for orders.")
class ChangeOrderStatusInput:
    """New statuses for orders."""

    changes: list[OrderStatusChange] = strawberry.field(
        description="The changes, 1 to 100, each order once."
    )
    on_error: ErrorPolicy = strawberry.field(
        default=ErrorPolicy.REJECT_ALL,
        description="What to do when one fails. REST ignores unknown ids, that is `SKIP_FAILED`.",
    )

    def to_service(self) -> list[StatusChange]:
        """As the service takes them.

        Raises:
            InvalidInput: none, or too many.
        """
        _bounded("changes", len(self.changes))
        return [
            StatusChange(change.order_id, change.status, change.expected_version)
            for change in self.changes
        ]


@strawberry.input(description="Orders to delete.")
class DeleteOrdersInput:
    """Orders to delete."""

    ids: list[strawberry.ID] = strawberry.field(description="The orders, 1 to 100, each once.")
    on_error: ErrorPolicy = strawberry.field(
        default=ErrorPolicy.REJECT_ALL,
        description=(
            "What to do when one is missing. REST ignores unknown ids, that is `SKIP_FAILED`."
        ),
    )

    def to_service(self) -> list[str]:
        """As the service takes them.

        Raises:
            InvalidInput: none, or too many.
        """
        _bounded("ids", len(self.ids))
        return list(self.ids)


@strawberry.input(description="A corrected delivery address.")
class ChangeOrderAddressInput:
    """A corrected delivery address."""

    order_id: strawberry.ID = strawberry.field(description="The order.")
    address: str = strawberry.field(description="Where to ship.")
    expected_version: int | None = strawberry.field(
        default=None, description="Refuse when the order is no longer at this version."
    )

    def to_service(self) -> AddressChange:
        """As the service takes it."""
        return AddressChange(self.order_id, self.address, self.expected_version)


@strawberry.input(description="Deleted orders to bring back.")
class RestoreOrdersInput:
    """Deleted orders to bring back."""

    ids: list[strawberry.ID] = strawberry.field(description="The orders, 1 to 100, each once.")
    on_error: ErrorPolicy = strawberry.field(
        default=ErrorPolicy.REJECT_ALL,
        description="What to do when one can't be brought back.",
    )

    def to_service(self) -> list[str]:
        """As the service takes them.

        Raises:
            InvalidInput: none, or too many.
        """
        _bounded("ids", len(self.ids))
        return list(self.ids)


def _bounded(name: str, length: int, *, least: int = 1) -> None:
    if not least <= length <= MAX_LIST:
        raise InvalidInput(
            Problem(
                ProblemCode.OUT_OF_RANGE,
                (name,),
                f"must have 1 to {MAX_LIST} elements, not {length}",
            )
        )


def _argument(description: str) -> object:
    return strawberry.argument(description=description)


PageSize = Annotated[
    int | None, _argument("How many from the beginning, 20 by default, 100 at most.")
]
After = Annotated[str | None, _argument("Only what follows this cursor.")]
LastSize = Annotated[int | None, _argument("How many from the end, 100 at most.")]
Before = Annotated[str | None, _argument("Only what precedes this cursor.")]
EventPageSize = Annotated[int | None, _argument("How many, 100 at most.")]
EventTypes = Annotated[
    list[EventType] | None, _argument("Only these; an empty list matches nothing.")
]
FilterArgument = Annotated[OrderFilter | None, _argument("Which orders.")]
SortArgument = Annotated[OrderSort, _argument("In which order.")]
