"""Tokens of the legacy shop: which are good, and what they let their bearer do, on both doors."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

from tests.clock import move_clock
from tests.shop import ADMIN, CUSTOMER, TABLE, UNKNOWN, Shop, open_shop

SHARED = "shh"
NEWER = 'comma, "quote" and \N{SNOWMAN}'
HEADER = {"alg": "HS256", "typ": "JWT"}
HOURS_10 = 36_000


def encoded(part: Any) -> str:
    content = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def signed(
    payload: Any,
    *,
    header: Any = HEADER,
    by: str = SHARED,
    hashed_by: Callable[..., Any] = hashlib.sha256,
) -> str:
    """A token, made by hand as RFC 7515 says and not by the library that reads it."""
    text = f"{encoded(header)}.{encoded(payload)}"
    return f"{text}.{encoded(hmac.digest(by.encode(), text.encode(), hashed_by))}"


def claims(user_id: Any = CUSTOMER, **user: Any) -> dict[str, Any]:
    """What the legacy shop wrote into a token."""
    now = int(time.time())  # noqa: TID251 (the clock of the shop that signs)
    return {"user": {"id": user_id, **user}, "iat": now, "exp": now + HOURS_10}


@pytest.fixture
async def moved(database_url: str) -> AsyncGenerator[Shop]:
    """A shop that knows two secrets."""
    secrets = json.dumps([NEWER, SHARED])
    async with open_shop(database_url, legacy_jwt_secret=secrets) as running:
        yield running


async def scopes(shop: Shop, token: str) -> list[str]:
    found: list[str] = (await shop.data("{ scopes }", key=token))["scopes"]
    return sorted(found)


class TestGood:
    @pytest.mark.parametrize("write", ["{}", "Bearer {}", "bearer  {} "])
    @pytest.mark.parametrize("by", [SHARED, NEWER])
    @pytest.mark.parametrize("user_id", [CUSTOMER, CUSTOMER.upper()])
    async def test_it_is_its_users_key(
        self, moved: Shop, write: str, by: str, user_id: str
    ) -> None:
        token = write.format(signed(claims(user_id, admin=False), by=by))
        await moved.add(key=token)
        rows = (await moved.rest("GET", "/orders/get_all", key=token)).json()
        assert [row["orderId"] for row in rows] == await moved.order_ids(key="customer")
        data = await moved.data("{ me { id orders { totalCount } } }", key=token)
        assert data["me"] == {"id": CUSTOMER, "orders": {"totalCount": 1}}

    async def test_it_makes_its_user_a_key_that_stays(self, moved: Shop) -> None:
        mutation = """mutation { createApiKey(input: { name: "own", scopes: [ORDERS_READ] }) {
          secret apiKey { expiresAt } userErrors { message } } }"""
        made = (await moved.data(mutation, key=signed(claims())))["createApiKey"]
        assert (made["apiKey"], made["userErrors"]) == ({"expiresAt": None}, [])
        assert await scopes(moved, made["secret"]) == ["ORDERS_READ"]

    async def test_admin_true_may_do_all(self, moved: Shop) -> None:
        await moved.add()
        [order_id] = await moved.order_ids()
        # The claim counts: this user is no administrator here.
        token = signed(claims(admin=True))
        assert await scopes(moved, token) == ["ADMIN", "ORDERS_READ", "ORDERS_WRITE"]
        token = signed(claims(ADMIN, admin=True))
        change = {"items": [{"orderId": order_id, "status": "delivery"}]}
        changed = await moved.rest("POST", "/orders/change-status", change, key=token)
        assert changed.json()[0]["status"] == "delivery"
        deleted = await moved.rest("POST", "/orders/delete", {"orderId": [order_id]}, key=token)
        assert deleted.json() == {"acknowledged": True, "deletedCount": 1}

    @pytest.mark.parametrize(
        "user",
        [
            {},
            {"admin": False},
            {"admin": None},
            {"admin": "true"},
            {"admin": 1},
            {"admin": [True]},
            {"admin": {}},
        ],
        ids=str,
    )
    async def test_admin_anything_else_may_not(self, moved: Shop, user: dict[str, Any]) -> None:
        # Also not for a user who is an administrator here: the token says what it is for.
        token = signed(claims(ADMIN, **user))
        assert await scopes(moved, token) == ["ORDERS_READ", "ORDERS_WRITE"]
        before = await moved.everything()
        refused = await moved.rest("POST", "/orders/change-status", {"items": []}, key=token)
        assert (refused.status_code, refused.content) == (
            403,
            b'{"msg":"unauthorized user, you are not an administrator"}',
        )
        assert await moved.everything() == before

    async def test_claims_that_are_not_ours_are_passed_over(self, moved: Shop) -> None:
        future = claims()["exp"]
        more = {"iat": future, "nbf": 0, "aud": "x", "iss": 1, "sub": 2, "jti": 3, "roles": []}
        assert await scopes(moved, signed({**claims(email="a"), **more}))

    async def test_own_keys_go_on(self, moved: Shop) -> None:
        assert (await moved.rest("GET", "/orders/get_all")).json() == []


NOW = claims()["iat"]
BAD = {
    "expired": signed({**claims(), "exp": NOW - 1}),
    "no expiry": signed({"user": {"id": CUSTOMER}}),
    "expiry null": signed({**claims(), "exp": None}),
    "expiry a string": signed({**claims(), "exp": str(NOW + HOURS_10)}),
    "expiry true": signed({**claims(), "exp": True}),
    "expiry infinite": signed(json.dumps(claims()).replace(str(NOW + HOURS_10), "1e999").encode()),
    "not yet": signed({**claims(), "nbf": NOW + HOURS_10}),
    "foreign": signed(claims(), by="ssh"),
    "empty secret": signed(claims(), by=""),
    "alg none": f"{encoded({'alg': 'none'})}.{encoded(claims(admin=True))}.",
    "alg none, signed": signed(claims(), header={"alg": "none"}),
    "alg in capitals": signed(claims(), header={"alg": "hs256"}),
    "no alg": signed(claims(), header={"typ": "JWT"}),
    "alg a list": signed(claims(), header={"alg": ["HS256"]}),
    "HS384": signed(claims(), header={"alg": "HS384"}, hashed_by=hashlib.sha384),
    "HS512": signed(claims(), header={"alg": "HS512"}, hashed_by=hashlib.sha512),
    "RS256": signed(claims(), header={"alg": "RS256"}),
    "unknown extension": signed(claims(), header={**HEADER, "crit": ["x"], "x": 1}),
    "detached payload": signed(claims(), header={**HEADER, "b64": False, "crit": ["b64"]}),
    "header no object": signed(claims(), header=[]),
    "header too deep": signed(claims(), header=b"[" * 20_000),
    "no user": signed({"exp": NOW + HOURS_10}),
    "user a list": signed({"user": [CUSTOMER], "exp": NOW + HOURS_10}),
    "id missing": signed({"user": {"admin": True}, "exp": NOW + HOURS_10}),
    "id a number": signed(claims(5)),
    "id short": signed(claims("c0")),
    "id and a newline": signed(claims(f"{CUSTOMER}\n")),
    "user unknown here": signed(claims(UNKNOWN, admin=True)),
    "payload no object": signed([claims()]),
    "payload no JSON": signed(b"{"),
    "payload no UTF-8": signed(json.dumps(claims()).encode() + b"\xff"),
    "payload too deep": signed(b'{"user":' + b"[" * 20_000),
    "payload NaN": signed(b'{"user":{"id":"x","admin":true},"exp":NaN}'),
    "one part less": signed(claims()).rpartition(".")[0],
    "one part more": f"{signed(claims())}.x",
    "no signature": signed(claims()).rpartition(".")[0] + ".",
    "dots": "..",
}


class TestBad:
    @pytest.mark.parametrize("token", BAD.values(), ids=list(BAD))
    async def test_it_is_an_unknown_key(self, moved: Shop, token: str) -> None:
        before = await moved.everything()
        item = {"product": TABLE, "shipping": "Regular"}
        for method, path, body in (
            ("GET", "/orders/get_all", None),
            ("POST", "/orders/add", {"items": [item], "address": "x"}),
            ("POST", "/orders/change-status", {"items": []}),
        ):
            refused = await moved.rest(method, path, body, key=token)
            assert (refused.status_code, refused.content) == (403, b'{"message":"Forbidden"}')
        answer = await moved.graphql("{ me { id } }", key=token)
        assert answer["data"] is None
        assert answer["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}
        assert await moved.everything() == before

    async def test_every_changed_character_spoils_it(self, moved: Shop) -> None:
        token = signed(claims(admin=False))
        for position, old in enumerate(token):
            spoiled = f"{token[:position]}{'A' if old != 'A' else 'B'}{token[position + 1 :]}"
            refused = await moved.rest("GET", "/orders/get_all", key=spoiled)
            assert (refused.status_code, refused.content) == (403, b'{"message":"Forbidden"}')

    async def test_without_a_secret_none_is_good(self, shop: Shop) -> None:
        for by in (SHARED, "", "None"):
            refused = await shop.rest("GET", "/orders/get_all", key=signed(claims(), by=by))
            assert (refused.status_code, refused.content) == (403, b'{"message":"Forbidden"}')

    async def test_one_that_was_good_expires(
        self, moved: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        token = signed(claims())
        assert (await moved.rest("GET", "/orders/get_all", key=token)).status_code == 200
        move_clock(monkeypatch, seconds=HOURS_10)
        assert (await moved.rest("GET", "/orders/get_all", key=token)).status_code == 403
