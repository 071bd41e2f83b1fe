"""What GraphQL callers send, and how it becomes the services' input."""

from datetime import datetime
from typing import Annotated

import strawberry

from app.domain import order as domain
from app.domain.errors import InvalidInput, Problem, ProblemCode
from app.domain.ids import UserId
from app.graphql.publish import publish_enum
from app.services import order_queries, orders
from app.services.order_queries import OrderSort

MAX_LIST = 100
"""The most elements that a list in an input may have."""

publish_enum(
    domain.OrderStatus,
    name="OrderStatus",
    description="Where an order stands. REST spells it in lower case.",
    values={
        "PENDING": "Placed, not sent yet. REST: `pending`.",
        "DELIVERY": "On its way. REST: `delivery`.",
        "COMPLETED": "Received by the customer. REST: `completed`.",
    },
)
publish_enum(
    domain.ShippingMethod,
    name="ShippingMethod",
    description="How one item travels.",
    values={
        "NEXT_DAY": "REST: `Next day`.",
        "REGULAR": "REST: `Regular`.",
        "BUDGET": "REST: `Budget`.",
    },
)
publish_enum(
    OrderSort,
    name="OrderSort",
    description="How to sort orders. Ties are broken by id.",
    values={"CREATED_AT_ASC": "Oldest first.", "CREATED_AT_DESC": "Newest first."},
)
publish_enum(
    orders.ErrorPolicy,
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

    status: list[domain.OrderStatus] | None = strawberry.field(
        default=None, description="Statuses."
    )
    created_at: DateTimeRange | None = strawberry.field(default=None, description="When placed.")

    def conditions(self, owner: UserId | None) -> order_queries.OrderFilter:
        """As the service takes them, for one user's orders or for all visible."""
        return order_queries.OrderFilter(
            owner=owner,
            statuses=None if self.status is None else tuple(dict.fromkeys(self.status)),
            created_from=self.created_at.gte if self.created_at else None,
            created_to=self.created_at.lt if self.created_at else None,
        )


@strawberry.input(description="A product to order.")
class OrderItemInput:
    """A product to order."""

    product_id: strawberry.ID = strawberry.field(description="The product.")
    shipping: domain.ShippingMethod = strawberry.field(description="How it travels.")
    quantity: int = strawberry.field(default=1, description="How many pieces, at least 1.")


@strawberry.input(description="A new order.")
class AddOrderInput:
    """A new order."""

    items: list[OrderItemInput] = strawberry.field(description="What to order, 1 to 100 items.")
    address: str = strawberry.field(description="Where to ship.")

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
        )


@strawberry.input(description="One order's new status.")
class OrderStatusChange:
    """One order's new status."""

    order_id: strawberry.ID = strawberry.field(description="The order.")
    status: domain.OrderStatus = strawberry.field(
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
    on_error: orders.ErrorPolicy = strawberry.field(
        default=orders.ErrorPolicy.REJECT_ALL,
        description="What to do when one fails. REST ignores unknown ids, that is `SKIP_FAILED`.",
    )

    def to_service(self) -> list[domain.StatusChange]:
        """As the service takes them.

        Raises:
            InvalidInput: none, or too many.
        """
        _bounded("changes", len(self.changes))
        return [
            domain.StatusChange(change.order_id, change.status, change.expected_version)
            for change in self.changes
        ]


@strawberry.input(description="Orders to delete.")
class DeleteOrdersInput:
    """Orders to delete."""

    ids: list[strawberry.ID] = strawberry.field(description="The orders, 1 to 100, each once.")
    on_error: orders.ErrorPolicy = strawberry.field(
        default=orders.ErrorPolicy.REJECT_ALL,
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
FilterArgument = Annotated[OrderFilter | None, _argument("Which orders.")]
SortArgument = Annotated[OrderSort, _argument("In which order.")]
