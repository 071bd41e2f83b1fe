"""What becomes of each kind of dirt, and of the values that are fine; and the way back."""

import json
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bson import Decimal128, Int64, ObjectId, json_util

from app.db.staging import Staging
from app.domain.clock import rfc3339
from app.services.legacy.content import unpack_order, unpack_product, unpack_user
from app.services.legacy.files import find_dump
from app.services.legacy.report import ImportReport
from app.services.legacy.scan import Scan
from tests.e2e.server import ROOT
from tests.legacy_dump import DIRT, FORMS, GONE, Dirt, made, order, product, user, write_file

FORM = ("canonical", "bson")
CLEAN = {"users": user(1), "products": product(1), "orders": order(1)}


class Scanned:
    """What the rules made of a dump with two users, three products and one record of interest."""

    def __init__(
        self, folder: Path, collection: str, document: Mapping[str, Any], form: str
    ) -> None:
        shop: dict[str, list[dict[str, Any]]] = {
            "users": [user(0)],
            "products": [product(0), product(2)],
            "orders": [],
        }
        if collection == "orders":
            shop["users"].append(user(1))
            shop["products"].append(product(1))
        shop[collection].append(dict(document))
        for name, documents in shop.items():
            write_file(folder, name, iter(documents), form)
        self.report = ImportReport(dry_run=True, passed_over=())
        with closing(Staging()) as staging:
            list(Scan(staging, self.report).read(find_dump(folder), lambda _: None))
            self.rejects = [json.loads(line) for line in staging.rejects()]
            self.content = {
                id_: content
                for batch in staging.batches(collection, 10)
                for id_, _, content in batch
            }
        self.tally = self.report.tallies[collection]


@pytest.mark.parametrize("form", FORM)
@pytest.mark.parametrize(
    "dirt", DIRT, ids=[f"{n}-{dirt.collection}-{dirt.name}" for n, dirt in enumerate(DIRT)]
)
def test_each_dirt_has_its_rule(tmp_path: Path, dirt: Dirt, form: str) -> None:
    make = {"users": user, "products": product, "orders": order}[dirt.collection]
    document = make(1)
    dirt.spoil(document)
    if dirt.name == "email_duplicate":
        document["email"] = "User0@Shop.example "
    scanned = Scanned(tmp_path, dirt.collection, document, form)
    others = {"users": 1, "products": 2, "orders": 0}[dirt.collection]
    assert scanned.tally.read == others + 1
    if dirt.skipped:
        assert scanned.tally.reasons == {dirt.name: 1}
        assert scanned.tally.warnings == {}
        assert len(scanned.content) == others
        [line] = scanned.rejects
        unit = "byte" if form == "bson" else "line"
        assert line["place"].startswith(
            f"{dirt.collection}.{'b' if form == 'bson' else 'j'}son {unit}"
        )
        assert (line["collection"], line["reason"]) == (dirt.collection, dirt.name)
        assert line["document"].keys() == document.keys()
    else:
        assert scanned.tally.reasons == {}
        assert set(scanned.tally.warnings) - {"email_normalized"} == {dirt.name}
        assert len(scanned.content) == others + 1
        assert scanned.rejects == []
    for name, tally in scanned.report.tallies.items():
        if name != dirt.collection:
            assert tally.reasons + tally.warnings == {}


def test_rejects_are_canonical_from_every_form(tmp_path: Path) -> None:
    spoilt = order(1) | {
        "status": "lost",
        "coupon": None,
        "paid": True,
        "rate": 1.5,
        "of": Int64(7),
    }
    expected = json.loads(json_util.dumps(spoilt, json_options=json_util.CANONICAL_JSON_OPTIONS))
    for form in FORMS:
        (tmp_path / form).mkdir()
        [line] = Scanned(tmp_path / form, "orders", spoilt, form).rejects
        if form == "relaxed":  # which does not say whether a number is an int or a long
            expected["of"] = {"$numberInt": "7"}
        assert (line["reason"], line["document"]) == ("status_invalid", expected)
        expected["of"] = {"$numberLong": "7"}


def test_every_name_is_explained() -> None:
    text = (ROOT / "docs" / "legacy-data.md").read_text()
    of_later_dumps = {"repeated_id", "exists_here", "changed_here", "deleted_here", "user_changed"}
    for name in of_later_dumps | {"email_normalized"} | {dirt.name for dirt in DIRT}:
        assert f"`{name}`" in text


@pytest.mark.parametrize("collection", CLEAN)
def test_clean_records_give_no_word(tmp_path: Path, collection: str) -> None:
    scanned = Scanned(tmp_path, collection, CLEAN[collection], "canonical")
    tally = scanned.tally
    assert tally.reasons + tally.warnings + tally.fields == {}


class TestDefaults:
    """The values that stand in for what a record lacks."""

    @pytest.mark.parametrize("form", FORM)
    def test_a_bare_order(self, tmp_path: Path, form: str) -> None:
        id_ = made(3, 1, datetime(2020, 5, 1, tzinfo=UTC))
        item = {"product": GONE}
        bare = {"_id": id_, "user": user(1)["_id"], "items": [item]}
        scanned = Scanned(tmp_path, "orders", bare, form)
        found = unpack_order(scanned.content[str(id_)])
        assert (found.status, found.address, found.version) == ("pending", "", 0)
        assert rfc3339(found.created_at) == "2020-05-01T00:00:00.000Z"
        [line] = found.items
        assert (line.product_id, line.name, line.image) == (str(GONE), "Deleted product", "")
        assert (line.unit_price_minor, line.quantity, line.shipping) == (0, 1, "Regular")
        assert len(ObjectId(line.id).binary) == 12
        assert set(scanned.tally.warnings) == {
            *("status_missing", "address_missing", "version_missing", "created_at_missing"),
            *("product_gone", "quantity_missing", "shipping_missing", "item_id_missing"),
        }

    @pytest.mark.parametrize(
        ("fields", "name"),
        [
            ({"name": "Ann Lee", "username": "al"}, "Ann Lee"),
            ({"username": "al", "firstName": "Ann"}, "al"),
            ({"firstName": "Ann", "lastName": "Lee"}, "Ann Lee"),
            ({"lastName": "Lee"}, "Lee"),
            ({"name": "", "email": "Ann.Lee@shop.example"}, "ann.lee"),
            ({}, ""),
        ],
    )
    def test_a_users_name(self, tmp_path: Path, fields: dict[str, str], name: str) -> None:
        scanned = Scanned(tmp_path, "users", {"_id": made(1, 9), **fields}, "canonical")
        assert unpack_user(scanned.content[str(made(1, 9))]).name == name

    def test_is_admin_is_another_name(self, tmp_path: Path) -> None:
        null = user(1) | {"admin": None, "isAdmin": True}
        absent = {name: value for name, value in null.items() if name != "admin"}
        for document in (null, absent):
            scanned = Scanned(tmp_path, "users", document, "canonical")
            assert unpack_user(scanned.content[str(document["_id"])]).is_admin
            assert not scanned.tally.warnings

    def test_a_bare_product(self, tmp_path: Path) -> None:
        scanned = Scanned(tmp_path, "products", {"_id": made(2, 9), "price": 3}, "canonical")
        found = unpack_product(scanned.content[str(made(2, 9))])
        assert (found.name, found.image, found.description) == ("Unnamed product", None, "")
        assert set(scanned.tally.warnings) == {"name_missing", "description_missing"}


class TestPrices:
    @pytest.mark.parametrize(
        ("price", "minor", "rounded"),
        [
            (30, 3000, False),
            (30.0, 3000, False),
            (19.99, 1999, False),
            (Int64(7), 700, False),
            (Decimal128("19.990"), 1999, False),
            (" 19.9 ", 1990, False),
            ("1e2", 10000, False),
            (0, 0, False),
            (-0.0, 0, False),
            (9999999999999.99, 999999999999999, False),
            (19.999, 2000, True),
            (1.005, 101, True),
            (0.1 + 0.2, 30, True),
            (Decimal128("2.994999999999999999999999999999"), 299, True),
            (1e-300, 0, True),
        ],
    )
    @pytest.mark.parametrize("form", FORM)
    def test_every_kind(
        self, tmp_path: Path, form: str, price: object, minor: int, rounded: bool
    ) -> None:
        scanned = Scanned(tmp_path, "products", product(1) | {"price": price}, form)
        assert unpack_product(scanned.content[str(made(2, 1))]).price_minor == minor
        assert scanned.tally.warnings == ({"price_rounded": 1} if rounded else {})


class TestJson:
    """Forms that only JSON has: relaxed, of older tools, and written by hand."""

    def scan(self, folder: Path, collection: str, text: str) -> Scanned:
        scanned = Scanned(folder, collection, CLEAN[collection], "canonical")
        (folder / f"{collection}.json").write_text(text + "\n", encoding="utf-8", newline="")
        again = ImportReport(dry_run=True, passed_over=())
        with closing(Staging()) as staging:
            list(Scan(staging, again).read(find_dump(folder), lambda _: None))
            scanned.rejects = [json.loads(line) for line in staging.rejects()]
            scanned.content = {
                id_: content for b in staging.batches(collection, 9) for id_, _, content in b
            }
        scanned.tally = again.tallies[collection]
        return scanned

    @pytest.mark.parametrize(
        "date",
        [
            '{"$date":"2024-11-30T17:08:56.123Z"}',
            '{"$date":"2024-11-30T18:08:56.123+0100"}',
            '{"$date":1732986536123}',
            '{"$date":{"$numberLong":"1732986536123"}}',
            '"2024-11-30T17:08:56.123Z"',
            '"2024-11-30 17:08:56.123"',
            "1732986536123",
        ],
    )
    def test_dates(self, tmp_path: Path, date: str) -> None:
        id_, user_id = made(3, 1), user(1)["_id"]
        text = (
            f'{{"_id":{{"$oid":"{id_}"}},"user":"{str(user_id).upper()}","items":[],'
            f'"status":"pending","address":"\\ud83d\\ude00","createdAt":{date},"__v":2}}'
        )
        scanned = self.scan(tmp_path, "orders", text)
        found = unpack_order(scanned.content[str(id_)])
        assert rfc3339(found.created_at) == "2024-11-30T17:08:56.123Z"
        assert (found.address, found.version, found.user_id) == ("😀", 2, str(user_id))
        assert not scanned.tally.warnings

    @pytest.mark.parametrize(
        ("price", "reason"),
        [
            ("NaN", "price_invalid"),
            ("-Infinity", "price_invalid"),
            ('{"$numberDouble":"NaN"}', "price_invalid"),
            ('{"$numberDecimal":"1e999999999"}', "price_invalid"),
            ('{"$numberLong":"12x"}', "price_invalid"),
            *(
                (f'{{"{kind}":"{written}"}}', "price_invalid")
                for kind in ("$numberInt", "$numberLong", "$numberDouble", "$numberDecimal")
                for written in ("1_0", " 7 ", "7\\n", "\u0667", "", "-", "0x1")
            ),
            *((f'"{written}"', "price_invalid") for written in ("1_0", "\u0667", "1e", "0x1")),
            ('{"$numberDouble":"1_0.5"}', "price_invalid"),
            ('{"amount":5}', "price_invalid"),
            ("1e400", "price_invalid"),
            ('3,"name":"half \\ud83d"', "name_invalid"),
        ],
    )
    def test_what_can_not_be_valid(self, tmp_path: Path, price: str, reason: str) -> None:
        text = f'{{"_id":{{"$oid":"{GONE}"}},"description":"","price":{price}}}'
        scanned = self.scan(tmp_path, "products", text)
        assert scanned.tally.reasons == {reason: 1}
        assert scanned.rejects[0]["document"]["_id"] == {"$oid": str(GONE)}

    def test_unknown_fields_are_named(self, tmp_path: Path) -> None:
        document = order(1) | {"coupon": "X", "note": None}
        document["items"][0]["gift"] = True
        scanned = Scanned(tmp_path, "orders", document, "bson")
        assert scanned.tally.fields == {"coupon": 1, "note": 1, "items.gift": 1}
        assert not scanned.tally.warnings
