"""What is sold and bought, as GraphQL callers read it: money, products, the lines of orders."""

from typing import Self

import strawberry

from app.domain import money
from app.domain import order as domain
from app.domain.ids import ProductId
from app.graphql.context import Info
from app.graphql.enums import ShippingMethod
from app.graphql.node import Node
from app.graphql.publish import resolved
from app.graphql.scalars import Decimal


@strawberry.type(description="A sum of money.")
class Money:
    """An amount with its currency."""

    amount: Decimal = strawberry.field(description="The exact amount in the currency's main unit.")
    currency_code: str = strawberry.field(description="ISO 4217 code, for example `USD`.")

    @classmethod
    def of(cls, minor: int, currency: str) -> Self:
        """From minor units."""
        return cls(amount=Decimal(money.decimal_amount(minor)), currency_code=currency)


@strawberry.type(description="A product as it is today.")
class Product(Node):
    """A product of the catalogue."""

    id: strawberry.ID = strawberry.field(description="The id; `productId` in REST.")
    name: str = strawberry.field(description="Name.")
    description: str = strawberry.field(description="Description.")
    image: str | None = strawberry.field(description="Image path.")
    price: Money = strawberry.field(description="Price of one piece.")

    @classmethod
    def of(cls, product: domain.Product) -> Self:
        """From the domain's product."""
        return cls(
            id=strawberry.ID(product.id),
            name=product.name,
            description=product.description,
            image=product.image,
            price=Money.of(product.price_minor, product.currency),
        )


@strawberry.type(
    description=(
        "One line of an order."
        " Name, image and price are a snapshot taken when the order was placed."
    )
)
class OrderItem:
    """One line of an order."""

    id: strawberry.ID = strawberry.field(description="The item's id; `items._id` in REST.")
    name: str = strawberry.field(description="Product name on that day.")
    image: str | None = strawberry.field(description="Product image path on that day.")
    unit_price: Money = strawberry.field(description="Price of one piece on that day.")
    quantity: int = strawberry.field(description="How many pieces, at least 1.")
    total: Money = strawberry.field(description="`unitPrice` times `quantity`.")
    shipping: ShippingMethod = strawberry.field(description="How it travels.")
    product_id: strawberry.ID = strawberry.field(
        description="The product's id, kept even when the product is gone."
    )

    @resolved("The product as it is today. Null when it was removed from the catalogue.")
    async def product(self, info: Info) -> Product | None:
        """Through the loader: one statement for all items of the answer."""
        found = await info.context.products.load(ProductId(self.product_id))
        return None if found is None else Product.of(found)

    @classmethod
    def of(cls, item: domain.OrderItem, currency: str) -> Self:
        """From the domain's item."""
        return cls(
            id=strawberry.ID(item.id),
            name=item.name,
            image=item.image,
            unit_price=Money.of(item.unit_price_minor, currency),
            quantity=item.quantity,
            total=Money.of(item.total_minor, currency),
            shipping=item.shipping,
            product_id=strawberry.ID(item.product_id),
        )
