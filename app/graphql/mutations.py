"""The root fields that change, with their payloads: each field is one transaction.

Input that is refused is data of the payload (`userErrors`), and then nothing was changed.
"""

from typing import Annotated

import strawberry

from app.domain.errors import InvalidInput
from app.domain.order import EventSource
from app.graphql.context import Info
from app.graphql.errors import UserError, user_errors
from app.graphql.idempotency_key import idempotency_key, names_a_deleted_order
from app.graphql.inputs import (
    AddOrderInput,
    ChangeOrderAddressInput,
    ChangeOrderStatusInput,
    DeleteOrdersInput,
    RestoreOrdersInput,
)
from app.graphql.keys import (
    ApiKey,
    CreateApiKeyInput,
    CreateApiKeyPayload,
    RevokeApiKeyInput,
    RevokeApiKeyPayload,
)
from app.graphql.publish import resolved
from app.graphql.types import Order
from app.services import keys, order_changes, order_placing, order_restoring

_SUCCESS = "Why it was refused. Empty on success."
_FULL_SUCCESS = "What was refused. Empty on full success."


@strawberry.type(description="The result of `addOrder`.")
class AddOrderPayload:
    """A new order, or why there is none."""

    order: Order | None = strawberry.field(description="The new order. Null when refused.")
    user_errors: list[UserError] = strawberry.field(description=_SUCCESS)


@strawberry.type(description="The result of `changeOrderStatus`.")
class ChangeOrderStatusPayload:
    """What became of each change."""

    orders: list[Order] = strawberry.field(
        description="The orders now at the asked status, in input order."
    )
    user_errors: list[UserError] = strawberry.field(description=_FULL_SUCCESS)


@strawberry.type(description="The result of `deleteOrders`.")
class DeleteOrdersPayload:
    """What became of each order."""

    deleted_ids: list[strawberry.ID] = strawberry.field(
        description="Ids of the orders this call deleted, in input order."
    )
    user_errors: list[UserError] = strawberry.field(description=_FULL_SUCCESS)


@strawberry.type(description="The result of `changeOrderAddress`.")
class ChangeOrderAddressPayload:
    """The order, or why it was not changed."""

    order: Order | None = strawberry.field(description="The order. Null when refused.")
    user_errors: list[UserError] = strawberry.field(description=_SUCCESS)


@strawberry.type(description="The result of `restoreOrders`.")
class RestoreOrdersPayload:
    """What became of each order."""

    orders: list[Order] = strawberry.field(description="The orders that are back, in input order.")
    user_errors: list[UserError] = strawberry.field(description=_FULL_SUCCESS)


@strawberry.type(
    description=(
        "What the caller can change. Each field is one transaction. A payload is null only when a"
        " top-level error says why."
    )
)
class Mutation:
    """Changing."""

    @resolved("Place an order for oneself. Needs `ORDERS_WRITE`.")
    async def add_order(
        self,
        info: Info,
        input: Annotated[AddOrderInput, strawberry.argument(description="The new order.")],
    ) -> AddOrderPayload | None:
        """One order."""
        principal = await info.context.principal()
        order_placing.authorize_placing(principal)
        try:
            new = input.to_service()
            key = idempotency_key(info, input.idempotency_key)
            placed = await info.context.database.perform(
                lambda: order_placing.placing_only(
                    principal, new, source=EventSource.GRAPHQL, idempotency_key=key
                )
            )
            if placed is None:
                raise names_a_deleted_order()
        except InvalidInput as error:
            return AddOrderPayload(order=None, user_errors=user_errors(error.problems))
        return AddOrderPayload(order=Order.of(placed.order), user_errors=[])

    @resolved("Set the status of orders. Needs `ADMIN`.")
    async def change_order_status(
        self,
        info: Info,
        input: Annotated[
            ChangeOrderStatusInput, strawberry.argument(description="The new statuses.")
        ],
    ) -> ChangeOrderStatusPayload | None:
        """Many orders."""
        principal = await info.context.principal()
        order_changes.authorize_status_change(principal)
        try:
            changes = input.to_service()
            result = await info.context.database.perform(
                lambda: order_changes.changing_status(
                    principal, changes, on_error=input.on_error, source=EventSource.GRAPHQL
                ),
                short=len(changes) <= order_changes.SHORT,
            )
        except InvalidInput as error:
            return ChangeOrderStatusPayload(orders=[], user_errors=user_errors(error.problems))
        return ChangeOrderStatusPayload(
            orders=[Order.of(order) for order in result.orders],
            user_errors=user_errors(result.problems),
        )

    @resolved(
        "Delete orders: one's own with `ORDERS_WRITE`, anyone's with `ADMIN`. Their events stay,"
        " and can bring them back."
    )
    async def delete_orders(
        self,
        info: Info,
        input: Annotated[
            DeleteOrdersInput, strawberry.argument(description="The orders to delete.")
        ],
    ) -> DeleteOrdersPayload | None:
        """Many orders."""
        principal = await info.context.principal()
        order_changes.authorize_correction(principal)
        try:
            ids = input.to_service()
            result = await info.context.database.perform(
                lambda: order_changes.deleting(
                    principal, ids, on_error=input.on_error, source=EventSource.GRAPHQL
                ),
                short=len(ids) <= order_changes.SHORT,
            )
        except InvalidInput as error:
            return DeleteOrdersPayload(deleted_ids=[], user_errors=user_errors(error.problems))
        return DeleteOrdersPayload(
            deleted_ids=[strawberry.ID(id_) for id_ in result.ids],
            user_errors=user_errors(result.problems),
        )

    @resolved(
        "Correct the delivery address of a pending order of one's own, or with `ADMIN` of anyone's."
        " Needs `ORDERS_WRITE`."
    )
    async def change_order_address(
        self,
        info: Info,
        input: Annotated[
            ChangeOrderAddressInput, strawberry.argument(description="The order and its address.")
        ],
    ) -> ChangeOrderAddressPayload | None:
        """One order."""
        principal = await info.context.principal()
        order_changes.authorize_correction(principal)
        try:
            order = await info.context.database.perform(
                lambda: order_changes.changing_address(
                    principal, input.to_service(), source=EventSource.GRAPHQL
                )
            )
        except InvalidInput as error:
            return ChangeOrderAddressPayload(order=None, user_errors=user_errors(error.problems))
        return ChangeOrderAddressPayload(order=Order.of(order), user_errors=[])

    @resolved(
        "Bring deleted orders back as they were, with id, number, items and events. Needs `ADMIN`."
    )
    async def restore_orders(
        self,
        info: Info,
        input: Annotated[
            RestoreOrdersInput, strawberry.argument(description="The orders to bring back.")
        ],
    ) -> RestoreOrdersPayload | None:
        """Many orders."""
        principal = await info.context.principal()
        order_restoring.authorize_restoring(principal)
        try:
            ids = input.to_service()
            result = await info.context.database.write(
                lambda connection: order_restoring.restore_orders(
                    connection, principal, ids, on_error=input.on_error, source=EventSource.GRAPHQL
                )
            )
        except InvalidInput as error:
            return RestoreOrdersPayload(orders=[], user_errors=user_errors(error.problems))
        return RestoreOrdersPayload(
            orders=[Order.of(order) for order in result.orders],
            user_errors=user_errors(result.problems),
        )

    @resolved(
        "Make an API key for oneself, or with `ADMIN` for anyone, never with a scope the caller"
        " lacks."
    )
    async def create_api_key(
        self,
        info: Info,
        input: Annotated[CreateApiKeyInput, strawberry.argument(description="The new key.")],
    ) -> CreateApiKeyPayload | None:
        """One key."""
        principal = await info.context.principal()
        try:
            key, secret = await info.context.database.write(
                lambda connection: keys.create_api_key(connection, principal, input.to_service())
            )
        except InvalidInput as error:
            return CreateApiKeyPayload(
                api_key=None, secret=None, user_errors=user_errors(error.problems)
            )
        return CreateApiKeyPayload(api_key=ApiKey.of(key), secret=secret, user_errors=[])

    @resolved(
        "Stop an API key within two seconds, everywhere. One's own, or with `ADMIN` anyone's."
    )
    async def revoke_api_key(
        self,
        info: Info,
        input: Annotated[RevokeApiKeyInput, strawberry.argument(description="The key to stop.")],
    ) -> RevokeApiKeyPayload | None:
        """One key."""
        principal = await info.context.principal()
        try:
            key = await info.context.database.write(
                lambda connection: keys.revoke_api_key(connection, principal, input.id)
            )
        except InvalidInput as error:
            return RevokeApiKeyPayload(api_key=None, user_errors=user_errors(error.problems))
        return RevokeApiKeyPayload(api_key=ApiKey.of(key), user_errors=[])
