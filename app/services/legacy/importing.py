"""A dump of the legacy shop to users, products and orders: repeatable, and safe to break off.

All of the dump is read and checked first (`scan`); then it is written in batches, each a
transaction that also notes the hash of what was imported (`legacy_records`). Whatever happens
between two batches, the next run finds what is there and goes on. A user's orders are written by
creation and get their numbers in that order, so a run that was broken off gives the same numbers.
"""

import asyncio
import filecmp
import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from app.db import tables
from app.db.bulk import gather_statistics
from app.db.database import Database
from app.db.dialect import upsert
from app.db.staging import Staging
from app.db.steps import drive
from app.domain import clock
from app.domain.ids import OrderId, ProductId, UserId
from app.domain.order import EventSource, EventType, Order, OrderItem
from app.services.events import NewEvent, record_events
from app.services.legacy.content import (
    content_sha256,
    pack_product,
    pack_user,
    unpack_order,
    unpack_product,
    unpack_user,
)
from app.services.legacy.files import COLLECTIONS, Dump
from app.services.legacy.records import MAX_VERSION, is_gone, record_id
from app.services.legacy.report import ImportReport, Tally
from app.services.legacy.scan import REPEATED, REPEATED_BEFORE, Scan, documents_of
from app.services.legacy.values import Impossible
from app.services.order_storage import give_numbers, locking, store_orders
from app.services.products import each_product, products_by_id, replace_products
from app.services.progress import Progress
from app.services.search import index_customer
from app.services.users import each_user, replace_users, users_by_id
from app.services.whole_orders import order_from_row, select_orders

# Large enough that waiting for the disk at each commit does not count, small enough that whoever
# else wants to write waits a fraction of a second.
_BATCH = 4_000

Batch: TypeAlias = Sequence[tuple[str, str, bytes]]


@dataclass(frozen=True, slots=True)
class RejectsFile:
    """Where to put what is skipped.

    A file that is there already is replaced only if `overwrite`; else the new one gets a number,
    unless both say the same.
    """

    path: Path
    overwrite: bool


async def import_dump(
    database: Database,
    dump: Dump,
    *,
    rejects: RejectsFile | None,
    dry_run: bool,
    progress: Progress,
) -> ImportReport:
    """Bring what is new or changed in a dump into the database; what changed here stays.

    Args:
        database: Where to write.
        dump: What to read.
        rejects: The file for what is skipped, made only if something is; None for none.
        dry_run: Write nothing to the database, but report what would be done.
        progress: Is told how far the import is.

    Raises:
        UnreadableDump: a file is damaged; nothing was imported.
        OSError: the dump can't be read, or the rejects can't be written; nothing was imported.
        Unavailable: the database can't be used; what was committed before stays.
    """
    report = ImportReport(dry_run, dump.passed_over)
    with closing(Staging()) as staging:
        await _look_around(database, dump, staging)
        for _ in Scan(staging, report).read(dump, progress.counter("Reading", dump.size)):
            await asyncio.sleep(0)  # the moment at which Ctrl-C is heard
        if rejects is not None and report.skipped:
            # Before anything is imported: what is skipped is on record even if that is broken off.
            report.rejects = _write_rejects(staging.rejects(), rejects)
        await _look_for_gone(database, dump, staging, report)
        if not dry_run:
            await database.expect_bulk()
        for collection in COLLECTIONS:
            merge = _MERGES[collection]
            step = progress.counter(f"Importing {collection}", staging.count(collection))
            for batch in staging.batches(collection, _BATCH):
                way_in = database.read() if dry_run else database.transaction()
                async with way_in as connection:
                    await merge(connection, batch, report.tallies[collection], not dry_run)
                step(len(batch))
        if not dry_run and any(tally.imported for tally in report.tallies.values()):
            async with database.transaction() as connection:
                await gather_statistics(connection)
    return report


async def _look_around(database: Database, dump: Dump, staging: Staging) -> None:
    """Note what is in the database that a record of the dump may refer to or collide with."""
    async with database.snapshot() as connection:
        await _know_users(connection, staging)
        async for product in each_product(connection):
            staging.know("products", product.id, pack_product(product))
        for collection in COLLECTIONS:
            ids = _repeated(dump, collection)
            for start in range(0, len(ids), _BATCH):
                some = ids[start : start + _BATCH]
                for id_ in await _recorded(connection, collection, some):
                    staging.know(REPEATED_BEFORE, f"{collection} {id_}", b"")


async def _look_for_gone(
    database: Database, dump: Dump, staging: Staging, report: ImportReport
) -> None:
    """Note what was imported earlier, is here, and is not in a dump that has its collection."""
    row = tables.LegacyRecord
    async with database.read() as connection:
        for collection in (file.collection for file in dump.files if file.collection):
            statement = select(col(row.id)).where(col(row.collection) == collection)
            statement = statement.order_by(col(row.id)).limit(_BATCH)
            ids = list(await connection.scalars(statement))
            while ids:
                if gone := staging.lacking(collection, ids):
                    here = await _EXISTING[collection](connection, gone)
                    report.tallies[collection].miss(here)
                ids = list(await connection.scalars(statement.where(col(row.id) > ids[-1])))


async def _know_users(connection: AsyncConnection, staging: Staging) -> None:
    """Note who is here, and as what users were last imported, so that e-mails can be given."""
    row = tables.LegacyRecord
    statement = select(col(row.id), col(row.sha256)).where(col(row.collection) == "users")
    async with connection.stream(statement, execution_options={"yield_per": 1_000}) as found:
        async for id_, sha256 in found:
            staging.know_imported_user(id_, sha256)
    async for user in each_user(connection):
        content = pack_user(user)
        staging.know("users", user.id, content)
        staging.know_user(user.id, user.email, content_sha256(content))


def _repeated(dump: Dump, collection: str) -> list[str]:
    """The ids in a rejects file that were refused because an earlier record had them."""
    if all(file.collection for file in dump.files):
        return []
    ids: set[str] = set()
    for found in documents_of(dump, collection, on_bytes=lambda _: None):
        if found.refused_for == REPEATED:
            try:
                ids.add(record_id(found.document))
            except Impossible:
                continue
    return sorted(ids)


def _write_rejects(lines: Iterable[bytes], rejects: RejectsFile) -> Path:
    fresh = rejects.path.with_name(f".{rejects.path.name}.{os.getpid()}.tmp")
    try:
        # For its owner's eyes: it holds whole records, with what is not imported of them.
        fresh.touch(mode=0o600)
        with fresh.open("wb") as file:
            file.writelines(lines)
        path = rejects.path
        if not rejects.overwrite:
            number = 1
            # Somebody may be mending the one that is there.
            while path.exists() and not filecmp.cmp(path, fresh, shallow=False):
                number += 1
                path = rejects.path.with_stem(f"{rejects.path.stem}-{number}")
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    return path


async def _merge_users(
    connection: AsyncConnection, batch: Batch, tally: Tally, write: bool
) -> None:
    taken: list[tuple[str, str, bytes]] = []
    known: list[UserId] = []
    # Those who exchange e-mail addresses come at once, however many: all are chosen, then written.
    for start in range(0, len(batch), _BATCH):
        some = batch[start : start + _BATCH]
        here = await users_by_id(connection, [UserId(id_) for id_, _, _ in some])
        hashes = {str(id_): content_sha256(pack_user(user)) for id_, user in here.items()}
        chosen = await _choose(connection, "users", some, hashes, tally)
        taken += chosen
        known += here.keys() & {UserId(id_) for id_, _, _ in chosen}
    if write:
        await replace_users(connection, [unpack_user(content) for _, _, content in taken])
        await _record(connection, "users", taken)
        for id_ in known:
            await index_customer(connection, id_)


async def _merge_products(
    connection: AsyncConnection, batch: Batch, tally: Tally, write: bool
) -> None:
    ids = [ProductId(id_) for id_, _, _ in batch]
    here = await products_by_id(connection, ids)
    hashes = {str(id_): content_sha256(pack_product(product)) for id_, product in here.items()}
    taken = await _choose(connection, "products", batch, hashes, tally)
    if write:
        await replace_products(connection, [unpack_product(content) for _, _, content in taken])
        await _record(connection, "products", taken)


async def _choose(
    connection: AsyncConnection,
    collection: str,
    batch: Batch,
    hashes: Mapping[str, str],
    tally: Tally,
) -> Batch:
    """Those of a batch of users or products that are to be written; the others are counted.

    Args:
        connection: Where to look.
        collection: Of which the records are.
        batch: What the dump has.
        hashes: By id, the hashes of those that are in the database, as they are now.
        tally: Where to count.
    """
    recorded = await _recorded(connection, collection, [id_ for id_, _, _ in batch])
    taken = []
    for id_, sha256, content in batch:
        now, before = hashes.get(id_), recorded.get(id_)
        if now is None and before is not None:
            tally.keep("deleted_here")
        elif sha256 in {now, before}:
            tally.keep()
        elif now != before:
            tally.keep("exists_here" if before is None else "changed_here")
        else:
            tally.imported += 1
            taken.append((id_, sha256, content))
    return taken


async def _merge_orders(
    connection: AsyncConnection, batch: Batch, tally: Tally, write: bool
) -> None:
    ids = [id_ for id_, _, _ in batch]
    recorded = await _recorded(connection, "orders", ids)
    here = await _existing_orders(connection, ids)
    new, changed = [], []
    for record in batch:
        id_, sha256, _ = record
        before = recorded.get(id_)
        if before is None:
            if id_ in here:
                tally.keep("exists_here")
            else:
                new.append(record)
        elif id_ not in here:
            tally.keep("deleted_here")
        elif before == sha256:
            tally.keep()
        else:
            changed.append(record)
    tally.imported += len(new)
    if write and new:
        await _add_orders(connection, [unpack_order(content) for _, _, content in new])
        await _record(connection, "orders", new)
    if changed:
        updated = await _choose_changed(connection, changed, tally)
        if write and updated:
            await _update_orders(connection, list(updated.values()))
            await _record(connection, "orders", [r for r in changed if r[0] in updated])


async def _add_orders(connection: AsyncConnection, orders: Sequence[Order]) -> None:
    """Store orders that come sorted by creation, with the next numbers of their users."""
    last = await give_numbers(connection, Counter(order.user_id for order in orders))
    numbered = []
    for order in reversed(orders):
        numbered.append(replace(order, number=last[order.user_id]))
        last[order.user_id] -= 1
    numbered.reverse()
    await store_orders(connection, numbered)
    await record_events(
        connection,
        [
            NewEvent(EventType.CREATED, order, order.version, None, order.status)
            for order in numbered
        ],
        source=EventSource.IMPORT,
    )


async def _choose_changed(
    connection: AsyncConnection, batch: Batch, tally: Tally
) -> dict[OrderId, tuple[Order, Order]]:
    """Of orders that the dump has changed, those to be written: as they are, and as they become."""
    ids = [id_ for id_, _, _ in batch]
    statement = select_orders(col(tables.Order.id).in_(ids))
    here = {row[0]: order_from_row(row) for row in await connection.execute(statement)}
    await drive(connection, locking(here.values(), for_deletion=True))
    # From here on nobody else changes them, and who did since they were read is in the log.
    touched = await _touched_orders(connection, ids)
    updated: dict[OrderId, tuple[Order, Order]] = {}
    for id_, _, content in batch:
        old, new = here.get(id_), unpack_order(content)
        if old is None or id_ in touched:
            tally.keep("changed_here")
        elif old.user_id != new.user_id:
            tally.keep("user_changed")
        else:
            tally.imported += 1
            updated[old.id] = (old, _updated(old, new))
    return updated


def _updated(old: Order, new: Order) -> Order:
    """The order as the dump has it now, with its number, and its items as they were bought."""
    bought = {item.id: item for item in old.items if not is_gone(item)}

    def keep(item: OrderItem) -> OrderItem:
        before = bought.get(item.id)
        if before is None or before.product_id != item.product_id:
            return item
        return replace(
            item,
            name=before.name,
            image=before.image,
            unit_price_minor=before.unit_price_minor,
        )

    items = tuple(keep(item) for item in new.items)
    return replace(
        new,
        number=old.number,
        items=items,
        total_minor=sum(item.total_minor for item in items),
        # The legacy shop does not count each change; who waits for this order to change does.
        version=max(new.version, min(old.version + 1, MAX_VERSION), old.version),
        updated_at=max(clock.now(), old.updated_at, new.created_at),
    )


async def _update_orders(
    connection: AsyncConnection, changes: Sequence[tuple[Order, Order]]
) -> None:
    row = tables.Order
    await connection.execute(delete(row).where(col(row.id).in_([old.id for old, _ in changes])))
    await store_orders(connection, [new for _, new in changes])
    await record_events(
        connection,
        [
            NewEvent(EventType.STATUS_CHANGED, new, new.version, old.status, new.status)
            for old, new in changes
        ],
        source=EventSource.IMPORT,
    )


async def _existing_orders(connection: AsyncConnection, ids: Sequence[str]) -> Collection[str]:
    row = tables.Order
    found = await connection.scalars(select(col(row.id)).where(col(row.id).in_(ids)))
    return set(found)


async def _existing_users(connection: AsyncConnection, ids: Sequence[str]) -> Collection[str]:
    return await users_by_id(connection, [UserId(id_) for id_ in ids])


async def _existing_products(connection: AsyncConnection, ids: Sequence[str]) -> Collection[str]:
    return await products_by_id(connection, [ProductId(id_) for id_ in ids])


async def _touched_orders(connection: AsyncConnection, ids: Sequence[str]) -> Collection[str]:
    """Those of the orders that something else than an import has changed: the log knows."""
    row = tables.OrderEvent
    found = await connection.scalars(
        select(col(row.order_id))
        .where(col(row.order_id).in_(ids), col(row.source) != EventSource.IMPORT.value)
        .distinct()
    )
    return set(found)


async def _recorded(
    connection: AsyncConnection, collection: str, ids: Sequence[str]
) -> dict[str, str]:
    """By id, the hashes of what was last imported."""
    row = tables.LegacyRecord
    statement = select(col(row.id), col(row.sha256)).where(
        col(row.collection) == collection, col(row.id).in_(ids)
    )
    return {row.id: row.sha256 for row in await connection.execute(statement)}


async def _record(connection: AsyncConnection, collection: str, batch: Batch) -> None:
    statement = upsert(tables.LegacyRecord)
    statement = statement.on_conflict_do_update(
        index_elements=[tables.LegacyRecord.collection, tables.LegacyRecord.id],
        set_={"sha256": statement.excluded.sha256},
    )
    if batch:
        await connection.execute(
            statement,
            [{"collection": collection, "id": id_, "sha256": sha256} for id_, sha256, _ in batch],
        )


_EXISTING = {
    "users": _existing_users,
    "products": _existing_products,
    "orders": _existing_orders,
}
_MERGES = {"users": _merge_users, "products": _merge_products, "orders": _merge_orders}
