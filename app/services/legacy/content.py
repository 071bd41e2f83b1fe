"""A legacy record between reading and writing: packed into bytes, with a hash that tells changes.

Users, products and orders that came through the rules are kept like this while the rest of a dump
is read. The hash of what was last imported stays in the database (`legacy_records`).
"""

import hashlib

import orjson

from app.domain.clock import from_milliseconds, to_milliseconds
from app.domain.order import Order, OrderItem, OrderStatus, Product, ShippingMethod
from app.services.legacy.records import NO_NUMBER, is_gone
from app.services.users import User

_STATUSES = {status.value: status for status in OrderStatus}
_SHIPPING = {method.value: method for method in ShippingMethod}


def pack_user(user: User) -> bytes:
    """A user as content."""
    return orjson.dumps(
        [user.id, user.email, user.name, user.is_admin, to_milliseconds(user.created_at)]
    )


def unpack_user(content: bytes) -> User:
    """The user of a content."""
    id_, email, name, is_admin, created = orjson.loads(content)
    return User(id_, email, name, is_admin, from_milliseconds(created))


def pack_product(product: Product) -> bytes:
    """A product as content."""
    return orjson.dumps(
        [
            product.id,
            product.name,
            product.image,
            product.description,
            product.price_minor,
            product.currency,
        ]
    )


def unpack_product(content: bytes) -> Product:
    """The product of a content."""
    return Product(*orjson.loads(content))


def pack_order(order: Order) -> bytes:
    """An order without its number as content."""
    return orjson.dumps(
        [
            order.id,
            order.user_id,
            order.status,
            order.address,
            order.currency,
            order.total_minor,
            order.version,
            to_milliseconds(order.created_at),
            [
                [
                    item.id,
                    item.product_id,
                    item.name,
                    item.image,
                    item.unit_price_minor,
                    item.quantity,
                    item.shipping,
                ]
                for item in order.items
            ],
        ]
    )


def unpack_order(content: bytes) -> Order:
    """The order of a content, without a number."""
    id_, user_id, status, address, currency, total, version, created, items = orjson.loads(content)
    created_at = from_milliseconds(created)
    return Order(
        id_,
        user_id,
        NO_NUMBER,
        _STATUSES[status],
        address,
        currency,
        total,
        version,
        created_at,
        created_at,
        tuple(
            OrderItem(id_, product_id, name, image, price, quantity, _SHIPPING[shipping])
            for id_, product_id, name, image, price, quantity, shipping in items
        ),
    )


def content_sha256(content: bytes) -> str:
    """What tells one content from another."""
    return hashlib.sha256(content).hexdigest()


def order_sha256(order: Order) -> str:
    """What tells an order of a dump from an earlier state of it.

    Names and prices are left out: they are the products', and an order keeps those it was bought
    at. Only that a product was gone counts, so that an order changes once it is there.
    """
    return content_sha256(
        orjson.dumps(
            [
                order.user_id,
                order.status,
                order.address,
                order.version,
                to_milliseconds(order.created_at),
                [
                    [item.id, item.product_id, item.quantity, item.shipping, is_gone(item)]
                    for item in order.items
                ],
            ]
        )
    )
