"""The limit of the machine: what answers the same requests with as little work as Python can.

    python -m bench.peers.limit FILE

One connection to SQLite in the event loop, prepared statements whose rows are finished JSON, one
write for an answer. It knows the five requests by heart: nothing is parsed but JSON, nothing is
checked, and a key that was looked up once is good for ever. It is no service, but what one could
reach at the most.
"""

import base64
import hashlib
import sqlite3
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from app.domain.clock import now
from app.domain.ids import new_object_id
from app.domain.words import words_of
from bench.answers import long_date
from bench.peers.serving import serve
from bench.requests import ADD, ONE_ORDER, PAGE, TYPENAME

PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=NORMAL",
    "foreign_keys=ON",
    "busy_timeout=5000",
    "cache_size=-65536",
    "mmap_size=268435456",
)
"""What all of the contenders set up their connections to SQLite with, but for ours."""

_STATEMENTS = 512
_PAGE_SIZE = 50
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

_ORDER = """json_object('id', o.id, 'number', o.order_number,
  'status', CASE o.status WHEN 'pending' THEN 'PENDING' WHEN 'delivery' THEN 'DELIVERY'
    ELSE 'COMPLETED' END,
  'address', o.address, 'createdAt', substr(o.created_at, 1, 23) || 'Z', 'version', o.version,
  'total', json_object('amount', printf('%d.%02d', o.total_minor / 100, o.total_minor % 100),
    'currencyCode', o.currency),
  'items', (SELECT json_group_array(json_object('id', i.id, 'name', i.name,
      'quantity', i.quantity,
      'shipping', CASE i.shipping WHEN 'Next day' THEN 'NEXT_DAY' WHEN 'Regular' THEN 'REGULAR'
        ELSE 'BUDGET' END,
      'unitPrice', json_object(
        'amount', printf('%d.%02d', i.unit_price_minor / 100, i.unit_price_minor % 100),
        'currencyCode', o.currency)))
    FROM order_items i WHERE i.user_id = o.user_id AND i.order_id = o.id))"""
_ONE = f"SELECT {_ORDER} FROM orders o WHERE o.user_id = ? AND o.id = ?"
_SOME = f"""SELECT {_ORDER}, o.created_at, o.id FROM orders o WHERE o.user_id = ?
  ORDER BY o.created_at DESC, o.id DESC LIMIT {_PAGE_SIZE + 1}"""
_COUNT = "SELECT count(*) FROM orders WHERE user_id = ?"
_MONTHS = " ".join(
    f"WHEN '{number:02}' THEN '{long_date(datetime(2000, number, 1, tzinfo=UTC)).split()[0]} '"
    for number in range(1, 13)
)
_ALL = f"""SELECT (SELECT json_group_array(json_object('orderId', o.id, 'productId', i.product_id,
    'image', i.image, 'name', i.name,
    'price', iif(i.unit_price_minor % 100, i.unit_price_minor / 100.0, i.unit_price_minor / 100),
    'quantity', i.quantity, 'shipping', i.shipping, 'status', o.status,
    'createdAt', CASE substr(o.created_at, 6, 2) {_MONTHS} END
      || ltrim(substr(o.created_at, 9, 2), '0') || ', ' || substr(o.created_at, 1, 4),
    'orderNum', o.order_number))
  FROM order_items i WHERE i.user_id = o.user_id AND i.order_id = o.id)
  FROM orders o WHERE o.user_id = ? ORDER BY o.order_number DESC"""

_KEY = "SELECT user_id FROM api_keys WHERE sha256 = ? AND revoked_at IS NULL"
_CUSTOMER = "SELECT name, email FROM users WHERE id = ?"
_PRODUCT = """SELECT name, image, price_minor FROM products
  WHERE id = ? AND deleted_at IS NULL"""
_NUMBER = """INSERT INTO order_counters (user_id, last_order_number) VALUES (?, 1)
  ON CONFLICT (user_id) DO UPDATE SET last_order_number = last_order_number + 1
  RETURNING last_order_number"""
_ADD_ORDER = """INSERT INTO orders (user_id, id, order_number, status, address, currency,
  total_minor, version, created_at, updated_at) VALUES (?, ?, ?, 'pending', ?, 'USD', ?, 0, ?, ?)"""
_ADD_ITEM = """INSERT INTO order_items (user_id, order_id, position, id, product_id, name, image,
  unit_price_minor, quantity, shipping) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_ADD_WORDS = "INSERT INTO order_words (user_id, order_id, words) VALUES (?, ?, ?)"
_ADD_EVENT = """INSERT INTO order_events (id, user_id, order_id, order_version, type, source,
  to_status, actor_id, occurred_at) VALUES (?, ?, ?, 0, 'created', 'graphql', 'pending', ?, ?)"""
_SHIPPING = {"NEXT_DAY": "Next day", "REGULAR": "Regular", "BUDGET": "Budget"}


class Shop:
    """The five answers."""

    def __init__(self, path: str) -> None:
        self._connection = sqlite3.connect(
            path, isolation_level=None, cached_statements=_STATEMENTS, check_same_thread=False
        )
        self._execute = self._connection.execute
        for pragma in PRAGMAS:
            self._execute(f"PRAGMA {pragma}")
        self._users: dict[bytes, str] = {}
        self.answers: Mapping[str, Callable[[str, Any], bytes]] = {
            ONE_ORDER: self._one,
            PAGE: self._page,
            TYPENAME: self._typename,
            ADD: self._add,
        }

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def user_of(self, key: bytes) -> str:
        """Whose key it is."""
        user = self._users.get(key)
        if user is None:
            digest = hashlib.sha256(key).hexdigest()
            user = self._users[key] = self._execute(_KEY, (digest,)).fetchone()[0]
        return user

    def get_all(self, user: str) -> bytes:
        """The rows of all orders, as REST has them."""
        rows = [row[0][1:-1] for row in self._execute(_ALL, (user,)).fetchall() if row[0] != "[]"]
        return f"[{','.join(rows)}]".encode()

    def _one(self, user: str, variables: Any) -> bytes:
        row = self._execute(_ONE, (user, variables["id"])).fetchone()
        return f'{{"data":{{"order":{"null" if row is None else row[0]}}}}}'.encode()

    def _page(self, user: str, _variables: Any) -> bytes:
        rows = self._execute(_SOME, (user,)).fetchall()
        more = "false"
        if len(rows) > _PAGE_SIZE:
            more = "true"
            rows.pop()
        ((count,),) = self._execute(_COUNT, (user,)).fetchall()
        end = f'"{_cursor(*rows[-1][1:])}"' if rows else "null"
        nodes = ",".join([row[0] for row in rows])
        return (
            f'{{"data":{{"orders":{{"totalCount":{count},"pageInfo":{{"hasNextPage":{more},'
            f'"endCursor":{end}}},"nodes":[{nodes}]}}}}}}'
        ).encode()

    def _typename(self, _user: str, _variables: Any) -> bytes:
        return b'{"data":{"__typename":"Query"}}'

    def _add(self, user: str, variables: Any) -> bytes:
        asked, address = variables["input"]["items"], variables["input"]["address"]
        execute = self._execute
        order_id, at = new_object_id(), now().isoformat(timespec="microseconds")[:26] + "Z"
        execute("BEGIN IMMEDIATE")
        try:
            found = [execute(_PRODUCT, (item["productId"],)).fetchone() for item in asked]
            total = sum(
                product[2] * item["quantity"] for product, item in zip(found, asked, strict=True)
            )
            # To its end, or the statement would hold the transaction open.
            ((number,),) = execute(_NUMBER, (user,)).fetchall()
            execute(_ADD_ORDER, (user, order_id, number, address, total, at, at))
            self._connection.executemany(
                _ADD_ITEM,
                [
                    (
                        *(user, order_id, position, new_object_id(), item["productId"], *product),
                        *(item["quantity"], _SHIPPING[item["shipping"]]),
                    )
                    for position, (product, item) in enumerate(zip(found, asked, strict=True))
                ],
            )
            texts = *execute(_CUSTOMER, (user,)).fetchone(), *(row[0] for row in found), address
            execute(_ADD_WORDS, (user, order_id, " ".join(words_of(texts))))
            execute(_ADD_EVENT, (new_object_id(), user, order_id, user, at))
            execute("COMMIT")
        except BaseException:
            execute("ROLLBACK")
            raise
        amount = f"{total // 100}.{total % 100:02d}"
        return (
            f'{{"data":{{"addOrder":{{"order":{{"id":"{order_id}","number":{number},'
            f'"total":{{"amount":"{amount}"}}}},"userErrors":[]}}}}}}'
        ).encode()


def _cursor(created_at: str, id_: str) -> str:
    microseconds = (datetime.fromisoformat(created_at) - _EPOCH) // _MICROSECOND
    plain = f"created_at:{microseconds}:{id_}"
    return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")


def create_app(shop: Shop) -> ASGIApp:
    """The ASGI application."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        key = b""
        for name, value in scope["headers"]:
            if name == b"authorization":
                key = value
                break
        user = shop.user_of(key)
        if scope["path"] == "/graphql":
            message = await receive()
            body = message["body"]
            while message["more_body"]:
                message = await receive()
                body += message["body"]
            asked = orjson.loads(body)
            answer = shop.answers[asked["query"]](user, asked.get("variables"))
        else:
            answer = shop.get_all(user)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(answer)),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    return app


if __name__ == "__main__":
    serve(create_app(Shop(sys.argv[1])), joined=True, lean=True)
