"""Figures over orders; each field is one statement, made only when it is asked for."""

from datetime import datetime
from typing import Annotated, Self

import strawberry

from app.domain.money import DEFAULT_CURRENCY
from app.domain.order import MAX_QUANTITY
from app.domain.spans import StatsInterval
from app.graphql.context import Info
from app.graphql.enums import OrderStatus
from app.graphql.items import Money
from app.graphql.pagination import page_size
from app.graphql.publish import publish_enum, resolved
from app.services import order_stats
from app.services.order_queries import OrderFilter

publish_enum(
    StatsInterval,
    name="StatsInterval",
    description="How wide a point of a series is. Weeks start on Monday.",
    values={"DAY": "A day.", "WEEK": "A week.", "MONTH": "A month."},
)


@strawberry.type(description="Figures for one status.")
class OrderStatusStats:
    """Figures for one status."""

    status: OrderStatus = strawberry.field(description="The status.")
    order_count: int = strawberry.field(description="How many orders.")
    total: Money = strawberry.field(description="Sum of their totals.")


@strawberry.type(description="Figures for one span of time.")
class OrderStatsPoint:
    """Figures for one span of time."""

    start: datetime = strawberry.field(description="First instant of the span.")
    order_count: int = strawberry.field(description="How many orders.")
    total: Money = strawberry.field(description="Sum of their totals.")


@strawberry.type(description="Figures for one product, as it was named when last ordered.")
class ProductStats:
    """Figures for one product."""

    product_id: strawberry.ID = strawberry.field(description="The product's id.")
    name: str = strawberry.field(description="Its name.")
    quantity: int = strawberry.field(
        description=f"Units ordered; {MAX_QUANTITY} stands for that many or more."
    )
    total: Money = strawberry.field(description="Sum of the items' totals.")

    @classmethod
    def of(cls, figures: order_stats.ProductFigures) -> Self:
        """From the service's figures."""
        return cls(
            product_id=strawberry.ID(figures.product_id),
            name=figures.name,
            # An Int has 32 bits, and so has the quantity of a single item.
            quantity=min(figures.quantity, MAX_QUANTITY),
            total=_money(figures.total_minor),
        )


@strawberry.type(description="Figures over the orders that match a filter.")
class OrderStats:
    """Figures over the orders that match a filter."""

    conditions: strawberry.Private[OrderFilter]

    @resolved("How many orders.")
    async def order_count(self, info: Info) -> int:
        """Over all statuses."""
        by_status = await info.context.figures.load(self.conditions)
        return sum(figures.order_count for figures in by_status.values())

    @resolved("Sum of their totals.")
    async def total(self, info: Info) -> Money:
        """Over all statuses."""
        by_status = await info.context.figures.load(self.conditions)
        return _money(sum(figures.total_minor for figures in by_status.values()))

    @resolved("The same per status, every status present.")
    async def by_status(self, info: Info) -> list[OrderStatusStats]:
        """The statement that the count and the total come from too."""
        by_status = await info.context.figures.load(self.conditions)
        return [
            OrderStatusStats(
                status=status, order_count=figures.order_count, total=_money(figures.total_minor)
            )
            for status, figures in by_status.items()
        ]

    @resolved(
        "The same per span of time, empty spans included, at most 400; needs both ends of"
        " `createdAt` in the filter."
    )
    async def series(
        self,
        info: Info,
        interval: Annotated[
            StatsInterval, strawberry.argument(description="How wide a span is.")
        ] = StatsInterval.DAY,
        time_zone: Annotated[
            str,
            strawberry.argument(
                description="IANA name of the zone whose days, weeks or months are meant."
            ),
        ] = "UTC",
    ) -> list[OrderStatsPoint]:
        """Points in the order of time."""
        principal = await info.context.principal()
        found = await info.context.database.query(
            lambda connection: order_stats.figures_by_span(
                connection, principal, self.conditions, interval=interval, time_zone=time_zone
            )
        )
        return [
            OrderStatsPoint(
                start=start, order_count=figures.order_count, total=_money(figures.total_minor)
            )
            for start, figures in found
        ]

    @resolved("Products by units ordered, most first, at most 100.")
    async def top_products(
        self,
        info: Info,
        first: Annotated[int, strawberry.argument(description="How many, 100 at most.")] = 10,
    ) -> list[ProductStats]:
        """Of the orders' items; the catalogue is not looked at."""
        principal = await info.context.principal()
        size = page_size(first, "first")
        found = await info.context.database.query(
            lambda connection: order_stats.top_products(
                connection, principal, self.conditions, size=size
            )
        )
        return [ProductStats.of(figures) for figures in found]


def _money(minor: int) -> Money:
    return Money.of(minor, DEFAULT_CURRENCY)
