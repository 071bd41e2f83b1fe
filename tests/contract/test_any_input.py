"""Whatever a client sends to the four paths: an answer of the contract, and no change if refused.

The cases of the table are those that people thought of; these are made by a generator, always the
same ones.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contract.play import empty
from tests.contract.table import JSON, PATHS, POSTS, TEXT
from tests.databases import Databases
from tests.shop import LAMP, TABLE, UNKNOWN, Shop, open_shop

EXAMPLES = settings(max_examples=60, deadline=None, derandomize=True, database=None)

IDS = st.sampled_from([TABLE, LAMP, UNKNOWN, TABLE.upper(), "", f"{TABLE}\n", "table12chars"])
WORDS = st.sampled_from(["Next day", "Regular", "Budget", "pending", "delivery", "completed", "x"])
NUMBERS = st.one_of(
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0, 1, 2.0, -0.0, 1e308, 5e-324, 2**31 - 1, 2**31, 2**63, 2**64, 10**300]),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=30), IDS, WORDS)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


def _mostly(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Good values often, so that bad ones are met behind the first check too."""
    return st.one_of(good, good, good, ANYTHING)


def _object(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An object of the fields, some left out, and others that nobody knows."""
    known = st.fixed_dictionaries(
        {}, optional={name: _mostly(value) for name, value in fields.items()}
    )
    unknown = st.dictionaries(st.sampled_from(["_id", "user", "price", "__proto__", ""]), ANYTHING)
    return st.builds(lambda some, more: {**more, **some}, known, unknown)


QUANTITIES = st.sampled_from([1, 2, 2.0, 2**31 - 1])
SHIPPING = st.sampled_from(["Next day", "Regular", "Budget"])
STATUSES = st.sampled_from(["pending", "delivery", "completed"])
ITEM = _object(product=st.sampled_from([TABLE, LAMP]), quantity=QUANTITIES, shipping=SHIPPING)
# The first order's id is put in place of this one.
HERS = "5" * 24
ORDER_IDS = st.sampled_from([HERS, HERS, UNKNOWN, UNKNOWN.upper()])
CHANGE = _object(orderId=ORDER_IDS, status=STATUSES)
BODIES = {
    "/orders/add": _object(
        items=st.lists(_mostly(ITEM), max_size=4), address=st.text(min_size=1, max_size=20)
    ),
    "/orders/change-status": _object(items=st.lists(_mostly(CHANGE), max_size=4)),
    "/orders/delete": _object(orderId=st.lists(_mostly(ORDER_IDS), max_size=4)),
}


Send = Callable[..., int]


@pytest.fixture(scope="module")
def send(databases: Databases) -> Iterator[Send]:
    """Send something to a shop with one order, hold the answer to the contract, give its status.

    Hypothesis calls a test many times, which goes with tests that wait for nothing themselves.
    """
    with (
        databases.fresh() as url,
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(open_shop(url)) as shop,
    ):
        probe = Probe(shop)
        yield lambda *call, **headers: portal.call(partial(probe.send, *call, **headers))


@dataclass
class Probe:
    """A shop with one order, which is made anew only when an answer says that something changed."""

    shop: Shop
    order_id: str = ""
    before: list[Any] = field(default_factory=list)

    async def send(self, method: str, path: str, content: bytes, **headers: Any) -> int:
        if not self.before:
            await empty(self.shop)
            await self.shop.add()
            [self.order_id] = await self.shop.order_ids()
            self.before = await self.shop.everything()
        response = await self.shop.client.request(
            method,
            path,
            content=content.replace(HERS.encode(), self.order_id.encode()),
            headers={
                "Authorization": self.shop.keys["admin"],
                "Content-Type": "application/json",
                **headers,
            },
        )
        status, kind = response.status_code, response.headers["content-type"]
        if status == 200:
            assert kind == (TEXT if path == "/orders/add" else JSON)
            self.before = []
            return status
        assert status in {400, 401, 403, 413, 415}
        assert kind == JSON
        [(name, sentence)] = response.json().items()
        if name == "message":
            assert (status, sentence) in {(401, "Unauthorized"), (403, "Forbidden")}
        else:
            assert name == "msg"
            assert len(sentence) < 120
            assert sentence.endswith(".")
            assert sentence.isprintable()
        assert await self.shop.everything() == self.before
        return status


@pytest.mark.parametrize("path", list(BODIES))
@EXAMPLES
@given(data=st.data())
def test_any_value_in_any_field(send: Send, path: str, data: Any) -> None:
    body = data.draw(BODIES[path])
    content = json.dumps(body, ensure_ascii=data.draw(st.booleans())).encode()
    send("POST", path, content)


@pytest.mark.parametrize(("method", "path"), POSTS)
@EXAMPLES
@given(content=st.binary(max_size=60))
def test_any_bytes(send: Send, method: str, path: str, content: bytes) -> None:
    assert send(method, path, content) == 400


@pytest.mark.parametrize(("method", "path"), POSTS)
@EXAMPLES
@given(data=st.data())
def test_a_good_body_with_a_byte_changed(send: Send, method: str, path: str, data: Any) -> None:
    good = {
        "/orders/add": f'{{"items":[{{"product":"{TABLE}","shipping":"Budget"}}],"address":"x"}}',
        "/orders/change-status": f'{{"items":[{{"orderId":"{HERS}","status":"delivery"}}]}}',
        "/orders/delete": f'{{"orderId":["{HERS}"]}}',
    }[path].encode()
    at = data.draw(st.integers(0, len(good) - 1))
    content = good[:at] + data.draw(st.binary(max_size=2)) + good[at + 1 :]
    send(method, path, content)


@pytest.mark.parametrize(("method", "path"), PATHS)
@EXAMPLES
@given(
    key=st.binary(max_size=50),
    content_type=st.binary(max_size=30).filter(lambda given: b"json" not in given.lower()),
    request_id=st.binary(max_size=70),
)
def test_any_bytes_in_headers(
    send: Send,
    method: str,
    path: str,
    key: bytes,
    content_type: bytes,
    request_id: bytes,
) -> None:
    headers = {"Content-Type": content_type, "X-Request-Id": request_id}
    if method == "POST":
        assert send(method, path, b"{}", **headers) == 415
    assert send(method, path, b"{}", **headers, Authorization=key) in {401, 403}
