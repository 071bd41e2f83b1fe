"""Repeating a write safely: a caller's own key makes a second sending answer for the first.

A key and the order it made are written in one transaction, so there is never one without the
other: not after a crash, not when two processes get the same request at once.
"""

import hashlib
import re
from collections.abc import Sequence
from datetime import timedelta

import orjson
from sqlalchemy import bindparam, delete, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from app.db import tables
from app.db.dialect import upsert
from app.db.prepared import Prepared
from app.db.steps import Statement, Steps
from app.db.types import UTCDateTime
from app.domain import clock
from app.domain.errors import InvalidInput, ProblemCode
from app.domain.ids import OrderId, UserId

KEPT_FOR = timedelta(hours=24)
_PURGED_AT_ONCE = 500
_KEY = re.compile(r"[!-~]{1,255}\Z")
_ROW = tables.IdempotencyKey
_COLUMNS = tables.metadata.tables["idempotency_keys"].c
_INSERTION = upsert(_ROW).values(
    {column.name: bindparam(column.name, type_=column.type) for column in _COLUMNS}
)
_TAKE = Prepared(
    _INSERTION.on_conflict_do_update(
        index_elements=[col(_ROW.user_id), col(_ROW.key)],
        set_={
            name: _INSERTION.excluded[name] for name in ("request_sha256", "order_id", "created_at")
        },
        where=col(_ROW.created_at) <= bindparam("past", type_=UTCDateTime()),
    ).returning(col(_ROW.order_id))
)
_FIRST = Prepared(
    select(col(_ROW.request_sha256), col(_ROW.order_id)).where(
        col(_ROW.user_id) == bindparam("user_id"), col(_ROW.key) == bindparam("key")
    )
)
_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"\Z')


def key_from_header(lines: Sequence[str]) -> str | None:
    """The key in a request's headers `Idempotency-Key`; None without one.

    Most clients send the bare text, so that is taken too; both are the same key. What a key may
    hold is checked by `check_key`.

    Source: draft-ietf-httpapi-idempotency-key-header: a string of RFC 8941, in quotes.

    Raises:
        InvalidInput: there are several, or one begins with a quotation mark and is no string.
    """
    match lines:
        case []:
            return None
        case [text]:
            if not text.startswith('"'):
                return text
            if quoted := _QUOTED.match(text):
                return re.sub(r"\\(.)", r"\1", quoted[1])
            raise InvalidInput.single(
                "must have its closing quotation mark at its end", "idempotency_key"
            )
        case _:
            raise InvalidInput.single("must be sent once", "idempotency_key")


def check_key(key: str) -> None:
    """Make sure that a text can be a key.

    Raises:
        InvalidInput: it is not 1 to 255 visible ASCII characters.
    """
    if not _KEY.match(key):
        raise InvalidInput.single("must be 1 to 255 visible ASCII characters", "idempotency_key")


def fingerprint(*meaning: object) -> str:
    """Tells requests apart by what they ask for, not by how they were written: SHA-256 in hex.

    Args:
        meaning: The request in canonical form, as what JSON can hold.
    """
    return hashlib.sha256(orjson.dumps(meaning)).hexdigest()


def claim(user_id: UserId, key: str, request: str, order_id: OrderId) -> Steps[OrderId | None]:
    """Take a key for an order that is about to be placed in the same transaction.

    Args:
        user_id: Whose key it is: two users may choose the same one.
        key: The key.
        request: The request's fingerprint.
        order_id: The order's id.

    Returns:
        None when the key is taken for the order now; the order of the first sending when this is
        a second one.

    Raises:
        InvalidInput: the key was sent with another request in the last 24 hours.
    """
    now = clock.now()
    values = {
        "user_id": user_id,
        "key": key,
        "request_sha256": request,
        "order_id": order_id,
        "created_at": now,
        "past": now - KEPT_FOR,
    }
    # One statement and no look beforehand: of two at once, the second one waits for the first
    # one's commit and then finds the row. A key past its time is taken as if it were not there.
    if (yield Statement(_TAKE, values)):
        return None
    ((first_request, first_order_id),) = yield Statement(_FIRST, values)
    if first_request != request:
        raise InvalidInput.single(
            "was sent before with another request",
            "idempotency_key",
            code=ProblemCode.IDEMPOTENCY_MISMATCH,
        )
    return OrderId(first_order_id)


async def purge(connection: AsyncConnection) -> bool:
    """Delete some of the keys that are past their time; whether more of them may be left."""
    row = tables.IdempotencyKey
    past = col(row.created_at) <= clock.now() - KEPT_FOR
    identity = tuple_(col(row.user_id), col(row.key))
    some = (
        select(col(row.user_id), col(row.key))
        .where(past)
        .order_by(col(row.created_at))
        .limit(_PURGED_AT_ONCE)
    )
    # The condition stands there twice: a key may be taken anew between the two.
    result = await connection.execute(delete(row).where(identity.in_(some), past))
    return result.rowcount == _PURGED_AT_ONCE
