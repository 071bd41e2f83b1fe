"""The first half of an import: all of a dump is read and put through the rules; nothing is written.

Users and products come first, so that an order finds them. What the rules let pass waits in the
staging database, sorted; what they refuse becomes a line of the rejects file.
"""

import functools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import orjson
from bson import json_util
from bson.codec_options import DatetimeConversion
from bson.json_util import JSONMode, JSONOptions

from app.db.staging import Staging
from app.domain.clock import to_milliseconds
from app.domain.order import Product
from app.services.legacy.content import (
    content_sha256,
    order_sha256,
    pack_order,
    pack_product,
    pack_user,
    unpack_product,
    unpack_user,
)
from app.services.legacy.files import (
    COLLECTIONS,
    Document,
    Dump,
    DumpFile,
    UnreadableDump,
    read_documents,
)
from app.services.legacy.records import (
    Notes,
    order_from_document,
    product_from_document,
    record_id,
    user_from_document,
)
from app.services.legacy.report import ImportReport
from app.services.legacy.values import Impossible

REPEATED = "repeated_id"
REPEATED_BEFORE = "repeated"
"""Under this name the staging database knows rejects that were refused for a repeated id, as
`collection id`, whose first record is in the database: they are still the second."""

_CACHED = 10_000
_RECORDS_AT_ONCE = 1_000
_CANONICAL = JSONOptions(
    json_mode=JSONMode.CANONICAL, datetime_conversion=DatetimeConversion.DATETIME_MS
)


@dataclass(frozen=True, slots=True)
class Found:
    """A document of a dump. `refused_for` is the reason that a rejects file gives."""

    place: str
    document: Document
    refused_for: object = None


def documents_of(dump: Dump, collection: str, on_bytes: Callable[[int], None]) -> Iterator[Found]:
    """The documents of one collection, from its own file or from a file of rejects.

    Raises:
        UnreadableDump: a file is damaged, or it can't be told which collection it is.
    """
    for file in dump.files:
        if file.collection == collection:
            for place, document in read_documents(file, on_bytes):
                yield Found(place, document)
        elif file.collection is None:
            for place, line in read_documents(file, on_bytes):
                found = _unwrap(file, place, line)
                if line["collection"] == collection:
                    yield found


def _unwrap(file: DumpFile, place: str, line: Document) -> Found:
    document = line.get("document")
    if line.get("collection") not in COLLECTIONS or not isinstance(document, dict):
        raise UnreadableDump(
            f"{place}: this is no line of a rejects file, and the name {file.name} is none of"
            f" {', '.join(COLLECTIONS)} (such as orders.json); nothing was imported"
        )
    return Found(place, document, line.get("reason"))


class Scan:
    """Reads a dump into a staging database, and counts."""

    def __init__(self, staging: Staging, report: ImportReport) -> None:
        self._staging = staging
        self._report = report
        # The same few users and products come again and again. Both are all there by the time
        # that the first order asks.
        self._user_exists = functools.lru_cache(_CACHED)(
            lambda id_: staging.find("users", id_) is not None
        )
        self._product = functools.lru_cache(_CACHED)(self._find_product)
        self._stage = {
            "users": self._stage_user,
            "products": self._stage_product,
            "orders": self._stage_order,
        }

    def read(self, dump: Dump, on_bytes: Callable[[int], None]) -> Iterator[None]:
        """Read all of a dump, with a stop after every so many records.

        Raises:
            UnreadableDump: a file is damaged.
        """
        for collection in COLLECTIONS:
            for number, found in enumerate(documents_of(dump, collection, on_bytes), start=1):
                self._take(collection, found)
                if number % _RECORDS_AT_ONCE == 0:
                    yield
            if collection == "users":
                self._give_emails()

    def _take(self, collection: str, found: Found) -> None:
        tally = self._report.tallies[collection]
        tally.read += 1
        notes = Notes()
        try:
            id_ = record_id(found.document)
            if not self._staging.claim(collection, id_) or (
                found.refused_for == REPEATED
                and self._staging.find(REPEATED_BEFORE, f"{collection} {id_}") is not None
            ):
                raise Impossible(REPEATED)  # noqa: TRY301 (counted like the others)
            self._stage[collection](found.document, notes)
        except Impossible as impossible:
            reason = str(impossible)
            tally.skip(reason)
            self._staging.reject(_reject_line(collection, reason, found))
            return
        if notes.warnings:
            tally.warnings.update(notes.warnings)
        if notes.fields:
            tally.pass_over(notes.fields)

    def _stage_user(self, document: Document, notes: Notes) -> None:
        user = user_from_document(document, notes)
        at = self._report.tallies["users"].read
        self._put("users", user.id, pack_user(user), at=at)
        if user.email:
            self._staging.wish(user.id, user.email, at=at)

    def _give_emails(self) -> None:
        """Only now: whose address is free depends on all that the dump has of the users here."""
        for at, content, is_changeable in self._staging.give_emails():
            user = replace(unpack_user(content), email=None)
            self._put("users", user.id, pack_user(user), at=at)
            if is_changeable:
                self._report.tallies["users"].warnings["email_duplicate"] += 1

    def _stage_product(self, document: Document, notes: Notes) -> None:
        product = product_from_document(document, notes)
        at = self._report.tallies["products"].read
        self._put("products", product.id, pack_product(product), at=at)

    def _put(self, collection: str, id_: str, content: bytes, *, at: int) -> None:
        # In the order of the dump.
        sha256 = content_sha256(content)
        self._staging.put(collection, id_, owner="", at=at, sha256=sha256, content=content)

    def _stage_order(self, document: Document, notes: Notes) -> None:
        order = order_from_document(document, notes, self._product)
        if not self._user_exists(order.user_id):
            raise Impossible("user_unknown")
        self._staging.put(
            "orders",
            order.id,
            owner=order.user_id,
            at=to_milliseconds(order.created_at),
            sha256=order_sha256(order),
            content=pack_order(order),
        )

    def _find_product(self, id_: str) -> Product | None:
        content = self._staging.find("products", id_)
        return None if content is None else unpack_product(content)


def _reject_line(collection: str, reason: str, found: Found) -> bytes:
    head = orjson.dumps({"collection": collection, "reason": reason, "place": found.place})
    try:
        # Pure ASCII: half a surrogate pair, for which a record may be refused, is no UTF-8.
        document = _canonical(found.document).encode("ascii")
    except RecursionError:
        raise UnreadableDump(
            f"{found.place}: this is nested too deeply for a document; nothing was imported"
        ) from None
    return head[:-1] + b',"document":' + document + b"}\n"


def _is_canonical(value: object) -> bool:
    """Whether this is canonical Extended JSON as it is: each number and date has its type."""
    if isinstance(value, dict):
        return not isinstance(value.get("$date"), str) and all(map(_is_canonical, value.values()))
    if isinstance(value, list):
        return all(map(_is_canonical, value))
    return value is None or isinstance(value, str | bool)


def _canonical(document: Document) -> str:
    """The document as canonical Extended JSON, or as it was read where it can't be."""
    if _is_canonical(document):
        return json.dumps(document)
    try:
        try:
            # From JSON: the numbers of a relaxed document get the types that stand in a canonical.
            typed = json_util.loads(json.dumps(document), json_options=_CANONICAL)
        except TypeError:
            typed = document  # from BSON, whose types JSON does not know
        return json_util.dumps(typed, json_options=_CANONICAL)
    except (ValueError, TypeError, ArithmeticError, LookupError, AttributeError):
        # All the ways in which a made-up `$date` or `$numberDecimal` fails.
        return json.dumps(document)
