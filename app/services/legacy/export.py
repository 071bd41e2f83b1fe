"""Users, products and orders as `mongoexport` writes them: the way back to the legacy shop."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.database import Database
from app.services.legacy.files import COLLECTIONS
from app.services.legacy.records import order_document, product_document, user_document
from app.services.order_queries import OrderSort, sorted_by
from app.services.products import each_product
from app.services.users import each_user
from app.services.whole_orders import order_from_row, select_orders


async def export_dump(database: Database, folder: Path, *, overwrite: bool) -> dict[str, int]:
    """Write `users.json`, `products.json` and `orders.json`: canonical Extended JSON, a line each.

    The files appear when all are complete.

    Args:
        database: What to read.
        folder: Where to write; made if it is not there.
        overwrite: Whether files of these names may be replaced.

    Returns:
        How many documents were written, by collection.

    Raises:
        FileExistsError: a file is there already; nothing was written.
        OSError: the folder can't be written.
    """
    files = {collection: folder / f"{collection}.json" for collection in COLLECTIONS}
    there = [str(file) for file in files.values() if file.exists()]
    if there and not overwrite:
        are, them = ("is", "it") if len(there) == 1 else ("are", "them")
        raise FileExistsError(
            f"{', '.join(there)} {are} there already:"
            f" name another folder, or replace {them} with --force"
        )
    _make_folder(folder)
    fresh = {
        collection: file.with_name(f".{file.name}.{os.getpid()}.tmp")
        for collection, file in files.items()
    }
    written = {}
    try:
        async with database.snapshot() as connection:
            for collection in COLLECTIONS:
                fresh[collection].touch(0o600)
                with fresh[collection].open("wb") as output:
                    written[collection] = 0
                    async for document in _DOCUMENTS[collection](connection):
                        output.write(orjson.dumps(document) + b"\n")
                        written[collection] += 1
        for collection, file in files.items():
            fresh[collection].replace(file)
    finally:
        for file in fresh.values():
            file.unlink(missing_ok=True)
    return written


def _make_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)


async def _user_documents(connection: AsyncConnection) -> AsyncIterator[dict[str, object]]:
    async for user in each_user(connection):
        yield user_document(user)


async def _product_documents(connection: AsyncConnection) -> AsyncIterator[dict[str, object]]:
    async for product in each_product(connection):
        yield product_document(product)


async def _order_documents(connection: AsyncConnection) -> AsyncIterator[dict[str, object]]:
    # Whoever runs the shop sees all orders.
    statement = select_orders().order_by(*sorted_by(OrderSort.CREATED_AT_ASC, ascending=True))
    async with connection.stream(statement, execution_options={"yield_per": 1_000}) as rows:
        async for row in rows:
            yield order_document(order_from_row(row))


_DOCUMENTS = {
    "users": _user_documents,
    "products": _product_documents,
    "orders": _order_documents,
}
