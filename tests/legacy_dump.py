"""Makes dumps of a legacy shop: any number of orders, every kind of dirt, every form of file.

The same seed makes the same dump. `python -m tests.legacy_dump FOLDER --orders 100000` writes one.
"""

import argparse
import gzip
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import bson
from bson import Decimal128, Int64, ObjectId, json_util
from bson.datetime_ms import DatetimeMS
from bson.json_util import JSONMode, JSONOptions

Document = dict[str, Any]

FORMS = ("canonical", "relaxed", "array", "pretty", "bson")
_FIRST_DAY = datetime(2019, 3, 1, 9, tzinfo=UTC)
_OPTIONS = {
    form: JSONOptions(json_mode=JSONMode.RELAXED if form == "relaxed" else JSONMode.CANONICAL)
    for form in FORMS
}
_STATUSES = ("pending", "delivery", "completed")
_SHIPPING = ("Next day", "Regular", "Budget")
_FAR = DatetimeMS(400_000_000_000_000)  # in the year 14645

GONE = ObjectId("eeeeeeeeeeeeeeeeeeeeeeee")
"""A product that no dump has."""
NOBODY = ObjectId("dddddddddddddddddddddddd")
"""A user whom no dump has."""


def made(kind: int, number: int, at: datetime = _FIRST_DAY) -> ObjectId:
    """An id that begins with the second of an instant, as Mongoose makes them."""
    return ObjectId(f"{int(at.timestamp()):08x}{kind:02x}{number:014x}")


def user(number: int) -> Document:
    """A clean user."""
    at = _FIRST_DAY + timedelta(minutes=number)
    return {
        "_id": made(1, number, at),
        "email": f"user{number}@shop.example",
        "name": f"User {number}",
        "admin": number == 0,
        "createdAt": at + timedelta(milliseconds=321),
        "__v": 0,
    }


def product(number: int) -> Document:
    """A clean product; every third one's price is whole, and an int."""
    price = 5 + number * 7 % 900
    return {
        "_id": made(2, number),
        "name": f"product {number}",
        "image": f"{number}.webp",
        "price": price if number % 3 == 0 else price + 0.99,
        "description": f"The product with the number {number}.",
        "__v": 0,
    }


def order(number: int, users: int = 1, products: int = 3) -> Document:
    """A clean order, half an hour after the one before, of one of the first users."""
    chance = random.Random(number)  # noqa: S311 (made-up orders, not secrets)
    at = _FIRST_DAY + timedelta(days=30, minutes=30 * number, milliseconds=number % 1000)
    return {
        "_id": made(3, number, at),
        "user": user(chance.randrange(users))["_id"],
        "items": [
            {
                "product": made(2, chance.randrange(products)),
                "quantity": chance.randint(1, 6),
                "shipping": chance.choice(_SHIPPING),
                "_id": made(4, number * 10 + position, at),
            }
            for position in range(chance.randint(1, 4))
        ],
        "status": chance.choice(_STATUSES),
        "address": f"{number} Main St, Carlton — é",
        "createdAt": at,
        "__v": 0,
    }


@dataclass(frozen=True)
class Dirt:
    """A way in which records of a collection are not clean, and its name in the report."""

    collection: str
    name: str
    spoil: Callable[[Document], object]
    skipped: bool = True


def _set(name: str, value: Any) -> Callable[[Document], object]:
    return lambda document: document.__setitem__(name, value)


def _without(name: str) -> Callable[[Document], object]:
    return lambda document: document.pop(name)


def _item(change: Callable[[Document], object]) -> Callable[[Document], object]:
    return lambda document: change(document["items"][-1])


def _dirt(collection: str, name: str, *values: Any, field_name: str = "") -> list[Dirt]:
    """A field with values that can't be valid."""
    name_ = field_name or name.removesuffix("_invalid")
    return [Dirt(collection, name, _set(name_, value)) for value in values]


def _lacking(collection: str, field_name: str, name: str) -> Dirt:
    return Dirt(collection, f"{name}_missing", _without(field_name), skipped=False)


_NUL = "a\0b"
_USERS = [
    *_dirt("users", "id_invalid", "me", 5, "12" * 12 + "\n", field_name="_id"),
    Dirt("users", "id_missing", _without("_id")),
    *_dirt("users", "name_invalid", 5, _NUL, ["Ann"]),
    *_dirt("users", "admin_invalid", "true", 1),
    *_dirt("users", "created_at_invalid", "yesterday", _FAR, True, field_name="createdAt"),
    _lacking("users", "email", "email"),
    Dirt("users", "email_missing", _set("email", None), skipped=False),
    Dirt("users", "email_invalid", _set("email", "somebody"), skipped=False),
    Dirt("users", "email_duplicate", _set("email", "user0@shop.example"), skipped=False),
    Dirt("users", "email_duplicate", _set("email", "user1@shop.example"), skipped=False),
    _lacking("users", "name", "name"),
    _lacking("users", "admin", "admin"),
    _lacking("users", "createdAt", "created_at"),
]
_PRODUCTS = [
    *_dirt("products", "id_invalid", "table", field_name="_id"),
    *_dirt("products", "name_invalid", 5, _NUL),
    *_dirt("products", "image_invalid", 5, _NUL),
    *_dirt("products", "description_invalid", 5, _NUL),
    Dirt("products", "price_missing", _without("price")),
    *_dirt(
        "products",
        "price_invalid",
        *(float("nan"), float("inf"), -1, -0.001, 1e13, "", "free", "1,50", "NaN", True, [5]),
        *(Decimal128("NaN"), Decimal128("-Infinity"), Decimal128("1E+6000"), Int64(2**62)),
    ),
    *(
        Dirt("products", "price_rounded", _set("price", value), skipped=False)
        for value in (19.999, 0.1 + 0.2, "1.005", Decimal128("2.9999999999999999999999999"))
    ),
    _lacking("products", "name", "name"),
    _lacking("products", "description", "description"),
]
_ORDERS = [
    Dirt("orders", "id_missing", _without("_id")),
    *_dirt("orders", "id_invalid", "first", 7, field_name="_id"),
    Dirt("orders", "user_missing", _without("user")),
    *_dirt("orders", "user_invalid", "ann", 5),
    Dirt("orders", "user_unknown", _set("user", NOBODY)),
    *_dirt("orders", "items_invalid", "table", {"product": GONE}, ["table"]),
    Dirt("orders", "product_missing", _item(_without("product"))),
    Dirt("orders", "product_invalid", _item(_set("product", "table"))),
    *(
        Dirt("orders", "quantity_invalid", _item(_set("quantity", value)))
        for value in (0, -1, 1.5, "2", True, Int64(2**31), float("nan"), Decimal128("1E+6000"))
    ),
    *(
        Dirt("orders", "shipping_invalid", _item(_set("shipping", value)))
        for value in ("By air", "regular", "", 1)
    ),
    Dirt("orders", "item_id_invalid", _item(_set("_id", 1))),
    *_dirt("orders", "status_invalid", "lost", "Pending", "", 0),
    *_dirt("orders", "address_invalid", 5, _NUL),
    *_dirt("orders", "created_at_invalid", "yesterday", _FAR, 1.5, field_name="createdAt"),
    *_dirt("orders", "version_invalid", -1, 0.5, "0", 10**9 + 1, field_name="__v"),
    Dirt(
        "orders",
        "total_invalid",
        lambda document: document["items"].extend(
            {"product": made(2, 2), "quantity": 2**31 - 1, "shipping": "Budget", "_id": made(5, n)}
            for n in range(500)
        ),
    ),
    _lacking("orders", "status", "status"),
    _lacking("orders", "address", "address"),
    _lacking("orders", "items", "items"),
    _lacking("orders", "createdAt", "created_at"),
    _lacking("orders", "__v", "version"),
    Dirt("orders", "product_gone", _item(_set("product", GONE)), skipped=False),
    Dirt("orders", "quantity_missing", _item(_without("quantity")), skipped=False),
    Dirt("orders", "shipping_missing", _item(_set("shipping", None)), skipped=False),
    Dirt("orders", "item_id_missing", _item(_without("_id")), skipped=False),
]
DIRT = [*_USERS, *_PRODUCTS, *_ORDERS]
"""Every rule that one record alone can show."""


@dataclass
class Expected:
    """What the report of an import must say about a collection."""

    read: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)


@dataclass
class LegacyShop:
    """A shop with so many orders. If it is dirty, every tenth order is, and more."""

    orders: int
    dirty: bool = True
    expected: dict[str, Expected] = field(
        default_factory=lambda: {name: Expected() for name in ("users", "products", "orders")}
    )

    def documents(self, collection: str) -> Iterator[Document]:
        """The records of a collection; counts what is to be expected as they are taken."""
        users, products = max(2, self.orders // 50), max(3, min(500, self.orders // 20))
        make, clean = {
            "users": (user, users),
            "products": (product, products),
            "orders": (lambda number: order(number, users, products), self.orders),
        }[collection]
        kinds = [dirt for dirt in DIRT if dirt.collection == collection] if self.dirty else []
        expected = self.expected[collection]
        for number in range(clean):
            document = make(number)
            expected.read += 1
            if collection == "orders" and kinds and number % 10 == 9:
                self._spoil(document, kinds[number // 10 % len(kinds)])
            yield document
            if kinds and number % 1_000 == 7:
                expected.read += 1
                expected.reasons["repeated_id"] += 1
                yield document | {"address": "the second one"}
        if collection != "orders":
            # Nobody ordered these, so that one skipped record is one skipped record.
            for number, dirt in enumerate(kinds, start=clean):
                document = make(number)
                expected.read += 1
                self._spoil(document, dirt)
                yield document

    def _spoil(self, document: Document, dirt: Dirt) -> None:
        dirt.spoil(document)
        expected = self.expected[dirt.collection]
        (expected.reasons if dirt.skipped else expected.warnings)[dirt.name] += 1

    def write(self, folder: Path, form: str = "canonical", *, gz: bool = False) -> Path:
        """Write all of it, as mongoexport or mongodump would."""
        folder.mkdir(parents=True, exist_ok=True)
        for collection in self.expected:
            write_file(folder, collection, self.documents(collection), form, gz=gz)
        return folder


def write_file(
    folder: Path, collection: str, documents: Iterator[Document], form: str, *, gz: bool = False
) -> Path:
    """One collection as a file of a form."""
    path = folder / f"{collection}.{'bson' if form == 'bson' else 'json'}{'.gz' if gz else ''}"
    with path.open("wb") as raw:
        if gz:
            with gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=1) as output:
                write_documents(output, documents, form)
        else:
            write_documents(raw, documents, form)
    if form == "bson":
        about = f'{{"indexes":[],"collectionName":"{collection}","type":"collection"}}'
        (folder / f"{collection}.metadata.json").write_text(about)
    return path


def write_documents(
    output: BinaryIO | gzip.GzipFile, documents: Iterator[Document], form: str
) -> None:
    """Documents in a form, one after the other."""
    if form == "array":
        output.write(b"[")
    for position, document in enumerate(documents):
        if form == "bson":
            output.write(bson.encode(document))
            continue
        if form == "array" and position:
            output.write(b",")
        indent = "\t" if form == "pretty" else None
        text = json_util.dumps(
            document, json_options=_OPTIONS[form], indent=indent, ensure_ascii=False
        )
        output.write(text.encode() + b"\n")
    if form == "array":
        output.write(b"]\n")


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--orders", type=int, default=10_000)
    parser.add_argument("--form", choices=FORMS, default="canonical")
    parser.add_argument("--gz", action="store_true")
    parser.add_argument("--clean", action="store_true")
    arguments = parser.parse_args()
    shop = LegacyShop(arguments.orders, dirty=not arguments.clean)
    shop.write(arguments.folder, arguments.form, gz=arguments.gz)


if __name__ == "__main__":
    _main()
