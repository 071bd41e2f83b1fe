"""A dump imported and exported is the same dump, and orders made here go along."""

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from bson import ObjectId, json_util
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.db.engine import open_database
from app.services.legacy.export import export_dump
from app.services.legacy.records import MAX_VERSION
from tests.databases import Databases
from tests.legacy_dump import FORMS, Document, write_file
from tests.services.legacy.test_importing import bring, canonical, numbers
from tests.shop import CUSTOMER, TABLE, Shop, open_shop

# What a clean record is: the fields that Mongoose writes, in its order, each in the type it writes.
_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
_IDS = st.binary(min_size=12, max_size=12).map(ObjectId)
_DATES = st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30)).map(  # noqa: DTZ001 (below)
    lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000, tzinfo=UTC)
)
_WORDS = st.text("abcdefghijklmnopqrstuvwxyz0123456789.+-_", min_size=1, max_size=10)
_PRICES = st.integers(0, 2**31 - 1) | st.integers(0, 10**9).map(lambda minor: minor / 100).filter(
    lambda price: not price.is_integer()
)


@st.composite
def clean_shops(draw: st.DrawFn) -> dict[str, list[Document]]:
    ids = draw(st.lists(_IDS, unique=True, min_size=4, max_size=24))
    users, products, orders = ids[:1] + ids[4::3], ids[1:2] + ids[5::3], ids[2:4] + ids[6::3]

    def some(keys: Iterable[ObjectId], make: Callable[[ObjectId], Document]) -> list[Document]:
        return [make(id_) for id_ in keys]

    def a_user(id_: ObjectId) -> Document:
        # The part of an ObjectId that tells users apart makes addresses that are distinct.
        document: Document = {"_id": id_, "email": f"{draw(_WORDS)}-{id_}@shop.example"}
        document |= {"name": draw(_TEXT.filter(bool)), "admin": draw(st.booleans())}
        date = draw(st.none() | _DATES)
        if date is not None and date != id_.generation_time:
            document["createdAt"] = date
        return document | {"__v": 0}

    def a_product(id_: ObjectId) -> Document:
        document: Document = {"_id": id_, "name": draw(_TEXT.filter(bool))}
        image = draw(st.none() | _TEXT)
        if image is not None:
            document["image"] = image
        return document | {"price": draw(_PRICES), "description": draw(_TEXT), "__v": 0}

    def an_item() -> Document:
        return {
            "product": draw(st.sampled_from(products) | _IDS),
            "quantity": draw(st.integers(1, 2**10)),
            "shipping": draw(st.sampled_from(("Next day", "Regular", "Budget"))),
            "_id": draw(_IDS),
        }

    def an_order(id_: ObjectId) -> Document:
        return {
            "_id": id_,
            "user": draw(st.sampled_from(users)),
            "items": [an_item() for _ in range(draw(st.integers(0, 3)))],
            "status": draw(st.sampled_from(("pending", "delivery", "completed"))),
            "address": draw(_TEXT),
            "createdAt": draw(_DATES),
            "__v": draw(st.integers(0, MAX_VERSION)),
        }

    return {
        "users": some(users, a_user),
        "products": some(products, a_product),
        "orders": some(orders, an_order),
    }


class TestExport:
    @settings(
        max_examples=40,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(shop=clean_shops(), form=st.sampled_from(FORMS))
    async def test_gives_back_what_was_imported(
        self,
        databases: Databases,
        tmp_path_factory: pytest.TempPathFactory,
        shop: dict[str, list[Document]],
        form: str,
    ) -> None:
        folder = tmp_path_factory.mktemp("export")
        for name, documents in shop.items():
            write_file(folder, name, iter(documents), form)
        with databases.fresh() as url:
            database = open_database(url)
            try:
                report = await bring(database, folder)
                assert report.skipped == 0
                await export_dump(database, folder / "out", overwrite=False)
            finally:
                await database.dispose()
        for name, documents in shop.items():
            lines = (folder / "out" / f"{name}.json").read_text("utf-8").split("\n")[:-1]
            # Also in the order of fields, and in the types: as text, in one order of records.
            assert sorted(map(_canonical_again, lines)) == sorted(map(canonical, documents))

    async def test_orders_made_here_go_along(self, shop: Shop, tmp_path: Path) -> None:
        await shop.add(TABLE, address="1 Main St")
        written = await export_dump(shop.database, tmp_path / "a" / "b", overwrite=False)
        assert written == {"orders": 1, "products": 3, "users": 5}
        [line] = (tmp_path / "a" / "b" / "orders.json").read_bytes().splitlines()
        found = json_util.loads(line)
        assert list(found) == ["_id", "user", "items", "status", "address", "createdAt", "__v"]
        assert list(found["items"][0]) == ["product", "quantity", "shipping", "_id"]
        assert (str(found["user"]), found["status"], found["__v"]) == (CUSTOMER, "pending", 0)
        # Nothing of it is new to the shop that it came from.
        report = await bring(shop.database, tmp_path / "a")
        assert numbers(report) == [(0, 5, 0), (0, 3, 0), (0, 1, 0)]

    async def test_a_number_beyond_32_bits_is_a_long(
        self, spoilt_database_url: str, tmp_path: Path
    ) -> None:
        async with open_shop(spoilt_database_url) as shop:
            await shop.add(TABLE)
            async with shop.database.transaction() as connection:
                if connection.dialect.name == "postgresql":
                    wider = "ALTER TABLE orders ALTER COLUMN version TYPE bigint"
                    await connection.exec_driver_sql(wider)
            for version, kind in ((2**31 - 1, "$numberInt"), (2**31, "$numberLong")):
                await shop.execute(f"UPDATE orders SET version = {version}")
                await export_dump(shop.database, tmp_path, overwrite=True)
                found = json.loads((tmp_path / "orders.json").read_bytes())
                assert found["__v"] == {kind: str(version)}

    async def test_files_are_not_overwritten_unasked(self, shop: Shop, tmp_path: Path) -> None:
        (tmp_path / "orders.json").write_text("precious")
        with pytest.raises(FileExistsError) as caught:
            await export_dump(shop.database, tmp_path, overwrite=False)
        assert str(caught.value) == (
            f"{tmp_path}/orders.json is there already:"
            " name another folder, or replace it with --force"
        )
        assert [file.name for file in tmp_path.glob("*.json")] == ["orders.json"]
        assert (tmp_path / "orders.json").read_text() == "precious"
        await export_dump(shop.database, tmp_path, overwrite=True)
        assert (tmp_path / "orders.json").read_text() == ""

    async def test_files_are_their_owners_alone(self, shop: Shop, tmp_path: Path) -> None:
        await export_dump(shop.database, tmp_path / "out", overwrite=False)
        modes = {file.name: file.stat().st_mode & 0o777 for file in (tmp_path / "out").iterdir()}
        assert modes == dict.fromkeys(("users.json", "products.json", "orders.json"), 0o600)


def _canonical_again(line: str) -> str:
    return json.dumps(json.loads(line))
