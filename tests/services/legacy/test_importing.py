"""Importing into a shop that lives: repeatable, keeping what changed here; and the way back."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId, json_util

from app.db import migrations
from app.db.database import Database
from app.db.engine import open_database
from app.services.legacy import importing
from app.services.legacy.files import UnreadableDump, find_dump
from app.services.legacy.importing import RejectsFile, import_dump
from app.services.legacy.report import ImportReport, Tally
from app.services.progress import Progress
from tests.databases import Databases, PostgreSQLDatabases
from tests.legacy_dump import (
    FORMS,
    GONE,
    Document,
    LegacyShop,
    made,
    order,
    product,
    user,
    write_file,
)
from tests.shop import CUSTOMER, TABLE, Shop, as_stored

EVERYTHING = (
    "SELECT * FROM users ORDER BY id",
    "SELECT * FROM products ORDER BY id",
    "SELECT * FROM orders ORDER BY id",
    "SELECT * FROM order_items ORDER BY order_id, position",
    "SELECT * FROM order_counters ORDER BY user_id",
    "SELECT seq, order_id, order_version, type, source, from_status, to_status, actor_id,"
    " occurred_at FROM order_events ORDER BY seq",
    "SELECT * FROM legacy_records ORDER BY collection, id",
)


async def rows(database: Database, *statements: str) -> list[list[tuple[Any, ...]]]:
    async with database.read() as connection:
        return [
            [
                tuple(as_stored(value) if isinstance(value, datetime) else value for value in row)
                for row in await connection.exec_driver_sql(statement)
            ]
            for statement in statements
        ]


async def bring(database: Database, path: Path, **options: Any) -> ImportReport:
    """Import a dump; every record read must be accounted for."""
    report = await import_dump(
        database,
        find_dump(path),
        rejects=options.pop("rejects", None),
        dry_run=options.pop("dry_run", False),
        progress=Progress(lambda _what, done, total: None),
    )
    for tally in report.tallies.values():
        assert tally.read == tally.imported + tally.unchanged + tally.skipped
        assert tally.skipped == sum(tally.reasons.values())
    return report


def numbers(report: ImportReport) -> list[tuple[int, int, int]]:
    return [(tally.imported, tally.unchanged, tally.skipped) for tally in report.tallies.values()]


def canonical(document: Document) -> str:
    """A document as mongoexport writes it."""
    return json_util.dumps(document, json_options=json_util.CANONICAL_JSON_OPTIONS)


class Legacy:
    """A legacy shop that changes, and is dumped again."""

    def __init__(self, folder: Path, orders: int = 6) -> None:
        self.folder = folder
        self.users = [user(0), user(1)]
        self.products = [product(n) for n in range(3)]
        self.orders = [order(n, users=2) for n in range(orders)]

    def dump(self) -> Path:
        self.folder.mkdir(exist_ok=True)
        for name, documents in (
            ("users", self.users),
            ("products", self.products),
            ("orders", self.orders),
        ):
            write_file(self.folder, name, iter(documents), "canonical")
        return self.folder


@pytest.fixture
def legacy(tmp_path: Path) -> Legacy:
    return Legacy(tmp_path / "dump")


class TestImport:
    async def test_every_form_gives_the_same_shop(
        self, databases: Databases, tmp_path: Path
    ) -> None:
        found = []
        for form in FORMS:
            shop = LegacyShop(400)
            path = shop.write(tmp_path / form, form, gz=form != "pretty")
            with databases.fresh() as url:
                database = open_database(url)
                report = await bring(database, path)
                for name, expected in shop.expected.items():
                    tally = report.tallies[name]
                    assert (tally.read, tally.reasons, tally.warnings) == (
                        expected.read,
                        expected.reasons,
                        expected.warnings,
                    )
                found.append(await rows(database, *EVERYTHING))
                await database.dispose()
        assert all(one == found[0] for one in found)

    async def test_postgresql_knows_its_tables_afterwards(
        self, postgresql_databases: PostgreSQLDatabases, legacy: Legacy
    ) -> None:
        with postgresql_databases.empty() as url:
            await migrations.migrate(url)
            database = open_database(url)
            looked = "SELECT last_analyze IS NOT NULL FROM pg_stat_user_tables WHERE relname = "
            assert await rows(database, looked + "'orders'") == [[(False,)]]
            await bring(database, legacy.dump())
            assert await rows(database, looked + "'orders'") == [[(True,)]]
            await database.dispose()

    async def test_a_customer_sees_what_was_bought(self, shop: Shop, legacy: Legacy) -> None:
        at = datetime(2021, 3, 4, 23, 59, 59, 123_000, tzinfo=UTC)
        legacy.orders[0] |= {"user": ObjectId(CUSTOMER), "createdAt": at, "__v": 4}
        legacy.orders[0] |= {"address": "é\n 1", "status": "delivery"}
        bought = legacy.orders[0]["items"]
        bought[:] = [
            {"product": made(2, 2), "quantity": 2.0, "shipping": "Budget", "_id": made(4, 1)},
            {"product": GONE, "quantity": 3, "shipping": "Next day", "_id": made(4, 0)},
        ]
        await bring(shop.database, legacy.dump())
        lines = (await shop.rest("GET", "/orders/get_all")).json()
        common = {
            "orderId": str(legacy.orders[0]["_id"]),
            "status": "delivery",
            "createdAt": "March 4, 2021",
            "orderNum": 1,
        }
        assert lines == [
            {"productId": str(made(2, 2)), "image": "2.webp", "name": "product 2", "price": 19.99}
            | {"quantity": 2, "shipping": "Budget"}
            | common,
            {"productId": str(GONE), "image": "", "name": "Deleted product", "price": 0}
            | {"quantity": 3, "shipping": "Next day"}
            | common,
        ]
        change = {"items": [{"orderId": common["orderId"], "status": "completed"}]}
        [changed] = (await shop.rest("POST", "/orders/change-status", change, key="admin")).json()
        assert changed["items"] == json.loads(json.dumps(bought, default=str))
        assert (changed["createdAt"], changed["address"]) == ("2021-03-04T23:59:59.123Z", "é\n 1")
        assert changed["__v"] == 5
        events = await shop.rows(
            "SELECT type, source, actor_id, order_version, from_status, to_status, occurred_at"
            f" FROM order_events WHERE order_id = '{common['orderId']}' ORDER BY seq"
        )
        assert events[0] == (
            *("created", "import", CUSTOMER, 4, None, "delivery"),
            "2021-03-04T23:59:59.123000Z",
        )
        assert [event[3] for event in events] == [4, 5]

    async def test_numbers_follow_creation_and_then_the_id(
        self, shop: Shop, legacy: Legacy
    ) -> None:
        await shop.add()
        same = datetime(2022, 1, 1, tzinfo=UTC)
        for n, hour in enumerate((3, 1, 2, 1, 0, 4)):
            legacy.orders[n] |= {
                "user": ObjectId(CUSTOMER),
                "createdAt": same + timedelta(hours=hour),
            }
        legacy.orders[4]["items"] = []  # it uses up a number
        legacy.orders[5]["status"] = "lost"  # it does not
        await bring(shop.database, legacy.dump())
        found = await shop.rows(
            f"SELECT id FROM orders WHERE user_id = '{CUSTOMER}' ORDER BY order_number"
        )
        ids = [str(legacy.orders[n]["_id"]) for n in (4, 1, 3, 2, 0)]
        assert [id_ for (id_,) in found][1:] == ids
        await shop.add()
        number = await shop.rows("SELECT max(order_number) FROM orders")
        assert number == [(7,)]

    async def test_a_second_run_changes_nothing(self, shop: Shop, tmp_path: Path) -> None:
        path = LegacyShop(300).write(tmp_path / "dump")
        first = await bring(shop.database, path)
        before = await rows(shop.database, *EVERYTHING)
        second = await bring(shop.database, path)
        assert await rows(shop.database, *EVERYTHING) == before
        for one, two in zip(first.tallies.values(), second.tallies.values(), strict=True):
            assert (two.imported, two.unchanged) == (0, one.imported)
            assert (two.reasons, two.warnings) == (one.reasons, one.warnings)

    async def test_a_dry_run_writes_nothing_and_says_the_same(
        self, shop: Shop, tmp_path: Path
    ) -> None:
        path = LegacyShop(200).write(tmp_path / "dump")
        before = await rows(shop.database, *EVERYTHING)
        dry = await bring(shop.database, path, dry_run=True)
        assert await rows(shop.database, *EVERYTHING) == before
        wet = await bring(shop.database, path)
        assert dry.tallies == wet.tallies

    @pytest.mark.parametrize("name", ["users", "products", "orders"])
    async def test_damage_anywhere_imports_nothing(
        self, shop: Shop, legacy: Legacy, name: str
    ) -> None:
        path = legacy.dump()
        with (path / f"{name}.json").open("a") as file:
            file.write('{"_id":')
        before = await rows(shop.database, *EVERYTHING)
        rejects = RejectsFile(path / "rejects.jsonl", overwrite=True)
        with pytest.raises(UnreadableDump, match=rf"^{name}\.json line \d: this is not valid"):
            await bring(shop.database, path, rejects=rejects)
        assert await rows(shop.database, *EVERYTHING) == before
        assert not rejects.path.exists()

    async def test_can_be_broken_off_while_reading(self, shop: Shop, tmp_path: Path) -> None:
        path = LegacyShop(3_000, dirty=False).write(tmp_path / "dump")
        dump = find_dump(path)
        told: list[int] = []

        def tell(what: str, done: int, _total: int) -> None:
            assert what == "Reading"
            told.append(done)
            task.cancel()

        task = asyncio.ensure_future(
            import_dump(shop.database, dump, rejects=None, dry_run=False, progress=Progress(tell))
        )
        with pytest.raises(asyncio.CancelledError):
            await task
        assert 0 < told[-1] < dump.size


class TestLaterDump:
    """What a dump of another day brings, and what it must leave alone."""

    async def test_new_and_changed_records(self, shop: Shop, legacy: Legacy) -> None:
        await bring(shop.database, legacy.dump())
        before = await rows(shop.database, "SELECT id, order_number FROM orders ORDER BY id")
        legacy.users[1]["name"] = "Another Name"
        legacy.users.append(user(2))
        legacy.products[1]["price"] = 999
        changed = legacy.orders[2]
        changed["status"] = "completed" if changed["status"] == "pending" else "pending"
        legacy.orders[3]["address"] = "moved"
        legacy.orders[3]["items"].append(
            {"product": made(2, 1), "quantity": 1, "shipping": "Budget", "_id": made(4, 99)}
        )
        older = order(2, users=2) | {"_id": made(3, 50), "createdAt": changed["createdAt"]}
        legacy.orders.append(older)
        items = "SELECT order_id, position, unit_price_minor FROM order_items"
        was = await rows(shop.database, items)
        report = await bring(shop.database, legacy.dump())
        assert numbers(report) == [(2, 1, 0), (1, 2, 0), (3, 4, 0)]
        assert [tally.warnings for tally in report.tallies.values()] == [{}, {}, {}]
        [now] = await rows(shop.database, "SELECT id, order_number FROM orders ORDER BY id")
        # Numbers stay, and an order that is older than others gets the next one all the same.
        assert [row for row in now if row[0] != str(older["_id"])] == before[0]
        [[(last,)]] = await rows(
            shop.database,
            "SELECT max(order_number) ="
            f" (SELECT order_number FROM orders WHERE id = '{made(3, 50)}')"
            f" FROM orders WHERE user_id = '{older['user']}'",
        )
        assert last == 1
        # What was bought keeps its price; the new item has today's.
        [after] = await rows(shop.database, items)
        assert set(was[0]) <= set(after)
        new = (str(legacy.orders[3]["_id"]), len(legacy.orders[3]["items"]) - 1, 99900)
        assert new in after
        ids = (str(changed["_id"]), str(legacy.orders[3]["_id"]))
        events = await shop.rows(
            "SELECT order_id, type, source, order_version FROM order_events"
            f" WHERE order_id IN {ids} ORDER BY order_id, seq"
        )
        assert events == [
            event
            for id_ in ids
            for event in (
                (id_, "created", "import", 0),
                (id_, "status_changed", "import", 1),
            )
        ]
        versions = await shop.rows(f"SELECT version FROM orders WHERE id IN {ids}")
        assert versions == [(1,), (1,)]
        assert numbers(await bring(shop.database, legacy.dump())) == [
            (0, 3, 0),
            (0, 3, 0),
            (0, 7, 0),
        ]

    async def test_addresses_that_change_hands(self, shop: Shop, legacy: Legacy) -> None:
        legacy.users = [user(n) for n in range(6)]
        await bring(shop.database, legacy.dump())
        mails = [document["email"] for document in legacy.users]

        def give(number: int, email: str) -> None:
            legacy.users[number]["email"] = email

        give(0, mails[1])  # two exchange theirs,
        give(1, mails[0])
        give(2, mails[3])  # three in a row, the last to a new one,
        give(3, mails[4])
        give(4, "new@shop.example")
        legacy.users.insert(0, user(9) | {"email": mails[2]})  # and a new user takes a freed one.
        report = await bring(shop.database, legacy.dump())
        assert numbers(report)[0] == (6, 1, 0)
        assert report.tallies["users"].warnings == {}
        await self._check(shop, legacy)

    async def test_addresses_change_hands_over_many_batches(
        self, shop: Shop, legacy: Legacy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(importing, "_BATCH", 3)
        legacy.users = [user(n) for n in range(20)]
        await bring(shop.database, legacy.dump())
        mails = [document["email"] for document in legacy.users]
        for n, document in enumerate(legacy.users[:15]):
            document["email"] = mails[14 - n]
        legacy.users[16]["name"] = "Another Name"
        dry = await bring(shop.database, legacy.dump(), dry_run=True)
        report = await bring(shop.database, legacy.dump())
        assert dry.tallies == report.tallies
        # The one in the middle keeps its own.
        assert numbers(report)[0] == (15, 5, 0)
        assert report.tallies["users"].warnings == {}
        await self._check(shop, legacy)

    @staticmethod
    async def _check(shop: Shop, legacy: Legacy) -> None:
        """Everybody has the address that the dump says, and a second run finds nothing to do."""
        query = "SELECT id, email FROM users WHERE id IN (SELECT id FROM legacy_records)"
        found = dict(await shop.rows(query))
        assert found == {str(document["_id"]): document["email"] for document in legacy.users}
        before = await rows(shop.database, *EVERYTHING)
        again = await bring(shop.database, legacy.dump())
        assert numbers(again)[0] == (0, len(legacy.users), 0)
        assert again.tallies["users"].warnings == {}
        assert await rows(shop.database, *EVERYTHING) == before

    async def test_addresses_of_users_whom_the_dump_does_not_change(
        self, shop: Shop, legacy: Legacy
    ) -> None:
        legacy.users = [user(n) for n in range(5)]
        await bring(shop.database, legacy.dump())
        mails = [document["email"] for document in legacy.users]
        ids = [document["_id"] for document in legacy.users]
        async with shop.database.transaction() as connection:
            for statement in (
                f"UPDATE users SET name = 'Here' WHERE id = '{ids[0]}'",
                f"UPDATE users SET email = 'here@shop.example' WHERE id = '{ids[1]}'",
            ):
                await connection.exec_driver_sql(statement)
        legacy.users[0]["email"] = "new@shop.example"  # changed here: keeps the old one
        legacy.users[1]["name"] = "Another Name"  # changed here: its old one is free
        legacy.users[2] |= {"email": "new@shop.example"}
        del legacy.users[3]  # no longer in the dump: keeps its own
        legacy.users += [
            user(5) | {"email": mails[0]},
            user(6) | {"email": mails[1]},
            user(7) | {"email": mails[3]},
            user(8) | {"email": mails[4]},  # whoever has it keeps it, wherever it stands
        ]
        legacy.users.reverse()
        report = await bring(shop.database, legacy.dump())
        assert report.tallies["users"].warnings == {"email_duplicate": 3, "changed_here": 2}
        found = dict(await shop.rows("SELECT id, email FROM users WHERE id LIKE '5c%'"))
        assert found == {
            str(ids[0]): mails[0],
            str(ids[1]): "here@shop.example",
            str(ids[2]): "new@shop.example",
            str(ids[3]): mails[3],
            str(ids[4]): mails[4],
            str(user(5)["_id"]): None,
            str(user(6)["_id"]): mails[1],
            str(user(7)["_id"]): None,
            str(user(8)["_id"]): None,
        }
        before = await rows(shop.database, *EVERYTHING)
        again = await bring(shop.database, legacy.dump())
        assert again.tallies["users"].imported == 0
        assert again.tallies["users"].warnings == report.tallies["users"].warnings
        assert await rows(shop.database, *EVERYTHING) == before

    async def test_a_version_leaves_room_for_changes_here(self, shop: Shop, legacy: Legacy) -> None:
        legacy.orders[0] |= {"__v": 10**9, "status": "pending"}
        id_ = str(legacy.orders[0]["_id"])
        await bring(shop.database, legacy.dump())
        legacy.orders[0]["address"] = "moved"
        report = await bring(shop.database, legacy.dump())
        assert numbers(report)[2] == (1, 5, 0)
        change = """mutation ($id: ID!) {
          changeOrderStatus(input: { changes: [{ orderId: $id, status: DELIVERY }] }) {
            orders { version address }
          }
        }"""
        data = await shop.data(change, {"id": id_}, key="admin")
        [changed] = data["changeOrderStatus"]["orders"]
        assert changed == {"version": 10**9 + 1, "address": "moved"}

    async def test_a_customers_new_name_finds_their_orders(
        self, shop: Shop, legacy: Legacy
    ) -> None:
        async def found(name: str) -> int:
            query = "query ($words: String) { orders(filter: { search: $words }) { totalCount } }"
            data = await shop.data(query, {"words": name}, key="admin")
            count: int = data["orders"]["totalCount"]
            return count

        await bring(shop.database, legacy.dump())
        assert await found("Zoë Quill") == 0
        legacy.users[1]["name"] = "Zoe Quill"
        await bring(shop.database, legacy.dump())
        theirs = [one for one in legacy.orders if one["user"] == legacy.users[1]["_id"]]
        assert await found("Zoë Quill") == len(theirs) > 0

    async def test_what_changed_here_stays(self, shop: Shop, legacy: Legacy) -> None:
        await bring(shop.database, legacy.dump())
        ids = [str(document["_id"]) for document in legacy.orders]
        items = [{"orderId": ids[0], "status": s} for s in ("delivery", "completed", "pending")]
        for item in items:
            await shop.rest("POST", "/orders/change-status", {"items": [item]}, key="admin")
        await shop.rest("POST", "/orders/delete", {"orderId": ids[1:3]}, key="admin")
        async with shop.database.transaction() as connection:
            for statement in (
                f"UPDATE users SET name = 'Here' WHERE id = '{made(1, 0, _day(0))}'",
                f"UPDATE products SET price_minor = 1 WHERE id = '{made(2, 0)}'",
                "UPDATE products SET deleted_at = '2024-01-01T00:00:00.000000Z'"
                f" WHERE id = '{made(2, 1)}'",
            ):
                await connection.exec_driver_sql(statement)
        before = await rows(shop.database, *EVERYTHING[2:])
        for n in (0, 1):
            legacy.orders[n]["address"] = "moved"
        legacy.orders[3]["user"] = next(
            u["_id"] for u in legacy.users if u["_id"] != legacy.orders[3]["user"]
        )
        legacy.users[0]["name"] = "There"
        for n in (0, 1):
            legacy.products[n]["price"] = 77
        report = await bring(shop.database, legacy.dump())
        assert numbers(report) == [(0, 2, 0), (0, 3, 0), (0, 6, 0)]
        users, products, orders = (tally.warnings for tally in report.tallies.values())
        assert users == {"changed_here": 1}
        assert products == {"changed_here": 1, "deleted_here": 1}
        assert orders == {"changed_here": 1, "deleted_here": 2, "user_changed": 1}
        assert await rows(shop.database, *EVERYTHING[2:]) == before

    async def test_ids_that_are_taken_here(self, shop: Shop, legacy: Legacy) -> None:
        await shop.add()
        [here] = await shop.order_ids()
        legacy.users.append(user(7) | {"_id": ObjectId(CUSTOMER)})
        legacy.users.append(user(8) | {"email": "other@shop.example"})
        legacy.products.append(product(7) | {"_id": ObjectId(TABLE)})
        legacy.orders[0]["_id"] = ObjectId(here)
        before = await shop.rows(f"SELECT * FROM orders WHERE id = '{here}'")
        report = await bring(shop.database, legacy.dump())
        assert numbers(report) == [(3, 1, 0), (3, 1, 0), (5, 1, 0)]
        assert [tally.warnings for tally in report.tallies.values()] == [
            {"exists_here": 1, "email_duplicate": 1},
            {"exists_here": 1},
            {"exists_here": 1},
        ]
        assert await shop.rows(f"SELECT * FROM orders WHERE id = '{here}'") == before
        assert await shop.rows(f"SELECT name FROM users WHERE id = '{CUSTOMER}'") == [("Customer",)]

    async def test_a_product_that_comes_later_mends_its_orders(
        self, shop: Shop, legacy: Legacy
    ) -> None:
        missing = legacy.products.pop(1)
        report = await bring(shop.database, legacy.dump())
        gone = report.tallies["orders"].warnings["product_gone"]
        assert gone
        legacy.products.append(missing)
        report = await bring(shop.database, legacy.dump())
        assert report.tallies["orders"].imported == gone
        assert report.tallies["orders"].warnings == {}
        assert await shop.rows("SELECT count(*) FROM order_items WHERE unit_price_minor = 0") == [
            (0,)
        ]
        totals = await shop.rows(
            "SELECT sum(total_minor), (SELECT sum(quantity * unit_price_minor) FROM order_items)"
            " FROM orders"
        )
        assert totals[0][0] == totals[0][1]


def _day(number: int) -> datetime:
    return datetime(2019, 3, 1, 9, tzinfo=UTC) + timedelta(minutes=number)


class TestRejects:
    async def test_can_be_mended_and_imported(self, shop: Shop, legacy: Legacy) -> None:
        spoilt = legacy.orders[2]
        status = spoilt.pop("status")
        spoilt["status"] = "lost"
        legacy.orders[4]["user"] = GONE
        legacy.orders.append(legacy.orders[0] | {"address": "the second one"})
        rejects = RejectsFile(legacy.folder.parent / "rejects.jsonl", overwrite=True)
        report = await bring(shop.database, legacy.dump(), rejects=rejects)
        assert numbers(report)[2] == (4, 0, 3)
        lines = [json.loads(line) for line in rejects.path.read_text().splitlines()]
        assert [(line["collection"], line["reason"], line["place"]) for line in lines] == [
            ("orders", "status_invalid", "orders.json line 3"),
            ("orders", "user_unknown", "orders.json line 5"),
            ("orders", "repeated_id", "orders.json line 7"),
        ]
        assert lines[0]["document"] == json.loads(canonical(spoilt))
        # As they are, they are refused again, each for the same reason.
        again = await bring(shop.database, rejects.path)
        assert again.tallies["orders"].reasons == report.tallies["orders"].reasons
        lines[0]["document"]["status"] = status
        lines[1]["document"]["user"] = {"$oid": str(made(1, 1, _day(1)))}
        lines[2]["document"]["_id"] = {"$oid": str(made(3, 77))}
        rejects.path.write_text("\n".join(json.dumps(line) for line in reversed(lines)))
        mended = await bring(shop.database, rejects.path)
        assert numbers(mended) == [(0, 0, 0), (0, 0, 0), (3, 0, 0)]
        assert await shop.rows("SELECT count(*) FROM orders") == [(7,)]

    async def test_the_file_of_an_earlier_import_is_kept(self, shop: Shop, legacy: Legacy) -> None:
        legacy.orders[0]["status"] = "lost"
        rejects = RejectsFile(legacy.folder.parent / "x.rejects.jsonl", overwrite=False)
        first = await bring(shop.database, legacy.dump(), rejects=rejects)
        same = await bring(shop.database, legacy.dump(), rejects=rejects)
        assert first.rejects == same.rejects == rejects.path
        rejects.path.write_text("half mended")
        other = await bring(shop.database, legacy.dump(), rejects=rejects)
        assert other.rejects == rejects.path.with_name("x.rejects-2.jsonl")
        assert rejects.path.read_text() == "half mended"

    async def test_there_is_none_without_a_need(self, shop: Shop, legacy: Legacy) -> None:
        rejects = RejectsFile(legacy.folder.parent / "rejects.jsonl", overwrite=True)
        report = await bring(shop.database, legacy.dump(), rejects=rejects)
        assert report.rejects is None
        assert not rejects.path.exists()

    async def test_other_files_are_not_taken_for_one(self, shop: Shop, tmp_path: Path) -> None:
        path = tmp_path / "carts.json"
        for text in (
            '{"_id":1}',
            '{"collection":"carts","document":{}}',
            '{"collection":"orders"}',
        ):
            path.write_text(text)
            with pytest.raises(
                UnreadableDump, match=r"carts.json line 1: this is no line of a rej"
            ):
                await bring(shop.database, path)


def test_ids_of_what_is_gone_are_kept_to_a_limit() -> None:
    tally = Tally()
    for start in (0, 600, 1_200):
        tally.miss([f"{n:04}" for n in range(start, start + 600)])
    assert tally.gone == 1_800
    assert tally.gone_ids == [f"{n:04}" for n in range(1_000)]


def test_field_names_are_counted_to_a_limit() -> None:
    tally = Tally()
    tally.pass_over(f"field{n}" for n in range(1_000))
    tally.pass_over(["field0"])
    assert len(tally.fields) == 201
    assert (tally.fields["field0"], tally.fields["(others)"]) == (2, 800)
