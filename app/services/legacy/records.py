"""The rules for legacy records: document to user, product or order, and back. No input or output.

What an older record lacks gets a default and a warning; what is there and can't be valid makes the
record impossible to import, with a reason. Warnings and reasons are names for the report; each is
explained in docs/legacy-data.md.

Source: the collections as Mongoose 7 writes them.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from app.domain.clock import from_milliseconds, to_milliseconds
from app.domain.ids import OrderId, ProductId, UserId
from app.domain.money import DEFAULT_CURRENCY, MAX_MINOR, json_number, rounded_minor
from app.domain.order import (
    MAX_QUANTITY,
    Order,
    OrderItem,
    OrderStatus,
    Product,
    ShippingMethod,
    text_problem,
)
from app.services.legacy.files import Document
from app.services.legacy.values import Impossible, amount, instant, object_id, text, whole_number
from app.services.users import EMAIL, User

DELETED_PRODUCT = "Deleted product"
UNNAMED_PRODUCT = "Unnamed product"
NO_NUMBER = 0
"""The number of an order that has not been given one yet."""

MAX_VERSION = 1_000_000_000
"""The highest version that an import gives: each change here counts on, and a version must stay
below 2**31, where the whole numbers of GraphQL end."""

_NAMES = ("name", "username", "firstName", "lastName")
_USER_FIELDS = frozenset({"_id", "email", *_NAMES, "admin", "isAdmin", "createdAt", "__v"})
_PRODUCT_FIELDS = frozenset({"_id", "name", "image", "price", "description", "__v"})
_ORDER_FIELDS = frozenset({"_id", "user", "items", "status", "address", "createdAt", "__v"})
_ITEM_FIELDS = frozenset({"_id", "product", "quantity", "shipping"})

_STATUSES = {status.value: status for status in OrderStatus}
_SHIPPING = {method.value: method for method in ShippingMethod}

T = TypeVar("T")


@dataclass(slots=True)
class Notes:
    """What there is to say about one record: names of warnings, and of fields passed over."""

    warnings: set[str] = field(default_factory=set)
    fields: set[str] = field(default_factory=set)

    def default(self, value: T | None, default: T, warning: str) -> T:
        """The value, or with a warning the default where there is none."""
        if value is None:
            self.warnings.add(warning)
            return default
        return value


def record_id(document: Document) -> str:
    """The document's `_id`.

    Raises:
        Impossible: it has none, or one that is no ObjectId.
    """
    return _required_id(document.get("_id"), "id")


def user_from_document(document: Document, notes: Notes) -> User:
    """A user. Passwords stay behind; an e-mail address that can't be used is left out.

    Raises:
        Impossible: a value that is there can't be valid.
    """
    notes.fields |= document.keys() - _USER_FIELDS
    id_ = record_id(document)
    email = _email(document.get("email"), notes)
    admin = document.get("admin")
    if admin is None:
        admin = document.get("isAdmin")
    if not isinstance(admin, bool | None):
        raise Impossible("admin_invalid")
    return User(
        id=UserId(id_),
        email=email,
        name=_user_name(document, email, notes),
        is_admin=notes.default(admin, False, "admin_missing"),
        created_at=_created_at(document, id_, notes),
    )


def _email(value: object, notes: Notes) -> str | None:
    if value is None or value == "":
        notes.warnings.add("email_missing")
        return None
    email = value.strip().lower() if isinstance(value, str) else ""
    if not EMAIL.match(email) or text_problem(email):
        notes.warnings.add("email_invalid")
        return None
    if email != value:
        notes.warnings.add("email_normalized")
    return email


def _user_name(document: Document, email: str | None, notes: Notes) -> str:
    name, username, first, last = (text(document.get(field), "name") for field in _NAMES)
    found = name or username or " ".join(filter(None, (first, last)))
    return found or notes.default(None, (email or "").partition("@")[0], "name_missing")


def product_from_document(document: Document, notes: Notes) -> Product:
    """A product.

    Raises:
        Impossible: a value that is there can't be valid, or there is no price.
    """
    notes.fields |= document.keys() - _PRODUCT_FIELDS
    return Product(
        id=ProductId(record_id(document)),
        name=notes.default(
            text(document.get("name"), "name") or None, UNNAMED_PRODUCT, "name_missing"
        ),
        image=text(document.get("image"), "image"),
        description=notes.default(
            text(document.get("description"), "description"), "", "description_missing"
        ),
        price_minor=_price(document.get("price"), notes),
        currency=DEFAULT_CURRENCY,
    )


def _price(value: object, notes: Notes) -> int:
    price = amount(value, "price")
    if price is None:
        # Nothing should be for sale at a price that was made up.
        raise Impossible("price_missing")
    try:
        minor, changed = rounded_minor(price)
    except ValueError:
        raise Impossible("price_invalid") from None
    if changed:
        notes.warnings.add("price_rounded")
    return minor


def order_from_document(
    document: Document, notes: Notes, product_of: Callable[[str], Product | None]
) -> Order:
    """An order that has no number yet, with its items as bought.

    Args:
        document: The legacy record.
        notes: Gets the warnings.
        product_of: Finds a product of the dump or of the database; None: it is gone.

    Raises:
        Impossible: a value that is there can't be valid, or the user or a product is not named.
    """
    if not _ORDER_FIELDS.issuperset(document):
        notes.fields |= document.keys() - _ORDER_FIELDS
    id_ = record_id(document)
    user_id = _required_id(document.get("user"), "user")
    status = _word(document.get("status"), _STATUSES, "status")
    address = text(document.get("address"), "address")
    version = whole_number(document.get("__v"), "version", least=0, most=MAX_VERSION)
    created_at = _created_at(document, id_, notes)
    lines = document.get("items")
    if not isinstance(lines, list | None):
        raise Impossible("items_invalid")
    items = tuple(
        _item(line, id_, position, notes, product_of)
        for position, line in enumerate(notes.default(lines, [], "items_missing"))
    )
    total = sum(item.total_minor for item in items)
    if total > MAX_MINOR:
        raise Impossible("total_invalid")
    return Order(
        id=OrderId(id_),
        user_id=UserId(user_id),
        number=NO_NUMBER,
        status=notes.default(status, OrderStatus.PENDING, "status_missing"),
        address=notes.default(address, "", "address_missing"),
        currency=DEFAULT_CURRENCY,
        total_minor=total,
        version=notes.default(version, 0, "version_missing"),
        created_at=created_at,
        updated_at=created_at,
        items=items,
    )


def _item(
    line: object,
    order_id: str,
    position: int,
    notes: Notes,
    product_of: Callable[[str], Product | None],
) -> OrderItem:
    if not isinstance(line, dict):
        raise Impossible("items_invalid")
    if not _ITEM_FIELDS.issuperset(line):
        notes.fields |= {f"items.{name}" for name in line.keys() - _ITEM_FIELDS}
    product_id = _required_id(line.get("product"), "product")
    quantity = whole_number(line.get("quantity"), "quantity", least=1, most=MAX_QUANTITY)
    shipping = _word(line.get("shipping"), _SHIPPING, "shipping")
    id_ = object_id(line.get("_id"), "item_id")
    if id_ is None:
        # The same at every import, so that a second one finds nothing new.
        id_ = hashlib.sha256(f"{order_id} {position}".encode()).hexdigest()[:24]
        notes.warnings.add("item_id_missing")
    product = product_of(product_id)
    if product is None:
        product = Product(ProductId(product_id), DELETED_PRODUCT, "", "", 0, DEFAULT_CURRENCY)
        notes.warnings.add("product_gone")
    return OrderItem(
        id=id_,
        product_id=product.id,
        name=product.name,
        image=product.image,
        unit_price_minor=product.price_minor,
        quantity=notes.default(quantity, 1, "quantity_missing"),
        shipping=notes.default(shipping, ShippingMethod.REGULAR, "shipping_missing"),
    )


def is_gone(item: OrderItem) -> bool:
    """Whether the item's product was gone when its order was imported."""
    return item.name == DELETED_PRODUCT and item.image == "" and item.unit_price_minor == 0


def _required_id(value: object, name: str) -> str:
    id_ = object_id(value, name)
    if id_ is None:
        raise Impossible(f"{name}_missing")
    return id_


def _word(value: object, words: Mapping[str, T], name: str) -> T | None:
    if value is None:
        return None
    word = words.get(value) if isinstance(value, str) else None
    if word is None:
        raise Impossible(f"{name}_invalid")
    return word


def _created_at(document: Document, id_: str, notes: Notes) -> datetime:
    created_at = instant(document.get("createdAt"), "created_at")
    return notes.default(created_at, _made_at(id_), "created_at_missing")


def _made_at(id_: str) -> datetime:
    # An ObjectId begins with the second in which it was made.
    return from_milliseconds(int(id_[:8], 16) * 1000)


# The way back: documents as `mongoexport` writes them in canonical Extended JSON, with the fields
# and in the order that Mongoose gave them.

# Where BSON's 32-bit integers end.
_INT_END = 2**31


def user_document(user: User) -> dict[str, object]:
    """A user's document; a date that says no more than the id does is left out."""
    document: dict[str, object] = {"_id": _oid(user.id)}
    if user.email is not None:
        document["email"] = user.email
    document |= {"name": user.name, "admin": user.is_admin}
    if user.created_at != _made_at(user.id):
        document["createdAt"] = _date(user.created_at)
    return document | {"__v": _int(0)}


def product_document(product: Product) -> dict[str, object]:
    """A product's document; its price is an int or a double, as JavaScript stores a number."""
    document: dict[str, object] = {"_id": _oid(product.id), "name": product.name}
    if product.image is not None:
        document["image"] = product.image
    price = json_number(product.price_minor)
    is_int = isinstance(price, int) and price < _INT_END
    return document | {
        "price": _int(int(price)) if is_int else {"$numberDouble": repr(float(price))},
        "description": product.description,
        "__v": _int(0),
    }


def order_document(order: Order) -> dict[str, object]:
    """An order's document."""
    return {
        "_id": _oid(order.id),
        "user": _oid(order.user_id),
        "items": [
            {
                "product": _oid(item.product_id),
                "quantity": _int(item.quantity),
                "shipping": item.shipping,
                "_id": _oid(item.id),
            }
            for item in order.items
        ],
        "status": order.status,
        "address": order.address,
        "createdAt": _date(order.created_at),
        "__v": _int(order.version),
    }


def _oid(id_: str) -> dict[str, str]:
    return {"$oid": id_}


def _int(number: int) -> dict[str, str]:
    return {"$numberInt" if -_INT_END <= number < _INT_END else "$numberLong": str(number)}


def _date(moment: datetime) -> dict[str, dict[str, str]]:
    return {"$date": {"$numberLong": str(to_milliseconds(moment))}}
