"""Who a key is of is remembered for two seconds: what that saves, and what it must not change."""

import asyncio
import json
from datetime import timedelta

import pytest

from app.domain import clock
from app.domain.errors import AppError, UnknownKey
from app.domain.principal import Scope
from app.services import auth, key_watch
from app.services.auth import Authenticator, create_key
from app.services.key_watch import KeyWatch
from app.services.users import find_user
from tests.clock import move_clock
from tests.contract.test_legacy_tokens import SHARED, claims, signed
from tests.shop import CUSTOMER, OTHER, Shop, counted_statements, open_shop

GONE = "The API key is not valid."
MAKE = """mutation { createApiKey(input: { name: "x", scopes: [ORDERS_READ] }) {
  secret userErrors { code } } }"""


def looked_up(statements: list[str]) -> int:
    return sum("api_keys" in statement for statement in statements)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE api_keys SET revoked_at = created_at",
        "UPDATE api_keys SET expires_at = created_at",
        "DELETE FROM api_keys",
        f"DELETE FROM users WHERE id = '{CUSTOMER}'",
        "UPDATE api_keys SET scopes = 'orders:write'",
    ],
)
async def test_a_change_holds_within_two_seconds(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    assert (await shop.rest("GET", "/orders/get_all")).status_code == 200
    if "users" in change:
        await shop.execute(f"DELETE FROM api_keys WHERE user_id = '{CUSTOMER}'")
    await shop.execute(change)
    move_clock(monkeypatch, seconds=2)
    assert (await shop.rest("GET", "/orders/get_all")).status_code == 403
    answer = await shop.graphql("{ me { orders { totalCount } } }")
    code = "FORBIDDEN" if "scopes" in change else "UNAUTHENTICATED"
    assert answer["errors"][0]["extensions"]["code"] == code


async def test_losing_the_role_holds_within_two_seconds(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    body: dict[str, list[str]] = {"items": []}
    assert (await shop.rest("POST", "/orders/change-status", body, key="admin")).status_code != 403
    await shop.execute("UPDATE users SET is_admin = false")
    move_clock(monkeypatch, seconds=2)
    assert (await shop.rest("POST", "/orders/change-status", body, key="admin")).status_code == 403


async def test_a_key_never_outlives_its_expiry(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.execute(
        "UPDATE api_keys SET expires_at = :at", at=clock.now() + timedelta(seconds=1.5)
    )
    assert (await shop.rest("GET", "/orders/get_all")).status_code == 200
    move_clock(monkeypatch, seconds=1.5)
    assert (await shop.rest("GET", "/orders/get_all")).status_code == 403


async def test_a_token_of_a_user_who_is_gone(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = signed(claims())
    async with open_shop(database_url, legacy_jwt_secret=json.dumps([SHARED])) as shop:
        assert (await shop.rest("GET", "/orders/get_all", key=token)).status_code == 200
        with counted_statements(known=True) as statements:
            assert (await shop.rest("GET", "/orders/get_all", key=token)).status_code == 200
        assert not [one for one in statements if "FROM users" in one and "orders" not in one]
        user = claims()["user"]["id"]
        await shop.execute(f"DELETE FROM api_keys WHERE user_id = '{user}'")
        await shop.execute(f"DELETE FROM users WHERE id = '{user}'")
        move_clock(monkeypatch, seconds=2)
        assert (await shop.rest("GET", "/orders/get_all", key=token)).status_code == 403


async def test_only_the_newest_good_keys_are_kept(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "_MOST_KNOWN", 2)
    authenticator = Authenticator(shop.database)
    for name in ("admin", "customer", "other"):
        await authenticator.authenticate(shop.keys[name])
    for n in range(5):
        with pytest.raises(UnknownKey):
            await authenticator.authenticate(f"ofk_{n}")
    assert authenticator.known(shop.keys["admin"]) is None
    customer = authenticator.known(shop.keys["customer"].encode())
    assert customer is not None
    assert customer.user_id == CUSTOMER
    with counted_statements(known=True) as statements:
        assert (await authenticator.authenticate(shop.keys["other"])).user_id == OTHER
    assert looked_up(statements) == 0
    assert authenticator.known(None) is None
    move_clock(monkeypatch, seconds=2)
    assert authenticator.known(shop.keys["customer"]) is None


async def test_each_use_is_noted(shop: Shop) -> None:
    authenticator = Authenticator(shop.database)
    used = "SELECT count(*) FROM api_keys WHERE last_used_at IS NOT NULL"
    for _ in range(3):
        await authenticator.authenticate(shop.keys["customer"])
        await authenticator.write_use()
        assert await shop.rows(used) == [(1,)]
        await shop.execute("UPDATE api_keys SET last_used_at = NULL")
    await authenticator.write_use()
    assert await shop.rows(used) == [(0,)]


@pytest.mark.parametrize("change", ["revoked_at = created_at", "scopes = 'orders:write'"])
async def test_a_revoked_key_makes_no_other_meanwhile(shop: Shop, change: str) -> None:
    assert (await shop.data("{ scopes }")) != []
    await shop.execute(f"UPDATE api_keys SET {change}")
    before = await shop.rows("SELECT count(*) FROM api_keys")
    answer = await shop.graphql(MAKE)
    if "scopes" in change:
        assert answer["data"]["createApiKey"]["userErrors"] == [{"code": "INVALID"}]
    else:
        assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert await shop.rows("SELECT count(*) FROM api_keys") == before


async def test_a_stream_that_began_meanwhile_ends_at_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_watch, "_CHECK_EVERY_S", 600)
    authenticator = Authenticator(shop.database)
    async with shop.database.transaction() as connection:
        user = await find_user(connection, "customer@shop.example")
        key = await create_key(connection, user, scopes=[Scope.ORDERS_READ])
    await authenticator.authenticate(key)
    other = await authenticator.authenticate(shop.keys["other"])
    watch = KeyWatch(shop.database)
    ended: asyncio.Queue[AppError] = asyncio.Queue()
    with watch.watching(other, ended.put_nowait):
        await asyncio.sleep(0.1)
        await shop.execute(
            "UPDATE api_keys SET revoked_at = created_at WHERE prefix = :prefix", prefix=key[:12]
        )
        with watch.watching(await authenticator.authenticate(key), ended.put_nowait):
            assert str(await asyncio.wait_for(ended.get(), 20)) == GONE
        assert ended.empty()
    await watch.close()
