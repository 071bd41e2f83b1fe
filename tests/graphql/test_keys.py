"""API keys through GraphQL: who sees, makes and stops which, and that a stopped one stops."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from asgi_lifespan import LifespanManager

from app.domain import clock
from app.main import create_app
from tests.clock import move_clock
from tests.shop import ADMIN, CUSTOMER, OTHER, UNKNOWN, Shop, counted_statements, settings_for

RECORD = "id name prefix scopes createdAt expiresAt revokedAt lastUsedAt"
CREATE = f"""mutation ($input: CreateApiKeyInput!) {{ createApiKey(input: $input) {{
  apiKey {{ {RECORD} }} secret userErrors {{ code field message }} }} }}"""
REVOKE = f"""mutation ($id: ID!) {{ revokeApiKey(input: {{ id: $id }}) {{
  apiKey {{ {RECORD} }} userErrors {{ code field message }} }} }}"""
MINE = f"{{ me {{ apiKeys {{ {RECORD} }} }} }}"
READ = ["ORDERS_READ"]


async def everything(shop: Shop) -> list[Any]:
    """All that a refused call must leave as it was; a key's last use is not written meanwhile."""
    return [*await shop.everything(), await shop.rows("SELECT * FROM api_keys ORDER BY id")]


async def create(shop: Shop, *, key: str = "customer", **sent: Any) -> Any:
    given = {"name": "a script", "scopes": READ, **sent}
    return (await shop.data(CREATE, {"input": given}, key=key))["createApiKey"]


async def revoke(shop: Shop, id_: str, *, key: str = "customer") -> Any:
    return (await shop.data(REVOKE, {"id": id_}, key=key))["revokeApiKey"]


async def id_of(shop: Shop, key: str) -> str:
    """The id of the record of one of the shop's keys."""
    prefix = shop.keys.get(key, key)[:12]
    [(id_,)] = await shop.rows(f"SELECT id FROM api_keys WHERE prefix = '{prefix}'")
    return str(id_)


class TestCreateApiKey:
    @pytest.mark.parametrize(
        ("key", "sent", "code", "field", "message"),
        [
            ("customer", {"name": " \n"}, "INVALID", ["name"], "name must not be blank."),
            (
                "customer",
                {"name": "x" * 101},
                "OUT_OF_RANGE",
                ["name"],
                "name must have at most 100 characters, not 101.",
            ),
            (
                "customer",
                {"name": "a\0"},
                "INVALID",
                ["name"],
                "name must not contain the character NUL.",
            ),
            (
                "customer",
                {"name": "a\x1b[2J"},
                "INVALID",
                ["name"],
                "name must not contain control characters.",
            ),
            (
                "customer",
                {"scopes": []},
                "OUT_OF_RANGE",
                ["scopes"],
                "scopes must hold at least one scope.",
            ),
            (
                "customer",
                {"scopes": ["ORDERS_READ", "ADMIN", "ADMIN"]},
                "INVALID",
                ["scopes", "1"],
                "scopes[1] is admin, which your key lacks.",
            ),
            (
                "reader",
                {"scopes": ["ORDERS_WRITE"]},
                "INVALID",
                ["scopes", "0"],
                "scopes[0] is orders:write, which your key lacks.",
            ),
            (
                "writer",
                {},
                "INVALID",
                ["scopes", "0"],
                "scopes[0] is orders:read, which your key lacks.",
            ),
            (
                "admin",
                {"scopes": ["ORDERS_READ", "ADMIN"], "userId": CUSTOMER},
                "INVALID",
                ["scopes", "1"],
                "scopes[1] may be admin only for a user who is an administrator.",
            ),
            (
                "customer",
                {"expiresAt": "2020-01-01T00:00:00Z"},
                "INVALID",
                ["expiresAt"],
                "expiresAt must be in the future.",
            ),
            (
                "customer",
                {"userId": "x"},
                "INVALID",
                ["userId"],
                "userId must be an id of 24 hex digits.",
            ),
            ("admin", {"userId": UNKNOWN}, "NOT_FOUND", ["userId"], "userId names no user."),
            ("customer", {"userId": UNKNOWN}, "NOT_FOUND", ["userId"], "userId names no user."),
            ("customer", {"userId": OTHER}, "NOT_FOUND", ["userId"], "userId names no user."),
            ("customer", {"userId": ADMIN}, "NOT_FOUND", ["userId"], "userId names no user."),
        ],
    )
    async def test_refusals(
        self, shop: Shop, key: str, sent: Any, code: str, field: list[str], message: str
    ) -> None:
        before = await everything(shop)
        assert await create(shop, key=key, **sent) == {
            "apiKey": None,
            "secret": None,
            "userErrors": [{"code": code, "field": ["input", *field], "message": message}],
        }
        assert await everything(shop) == before

    async def test_every_problem_is_told_at_once(self, shop: Shop) -> None:
        before = await everything(shop)
        sent: Any = {
            "name": "",
            "scopes": ["ADMIN"],
            "expiresAt": "2020-01-01T00:00:00Z",
            "userId": "x",
        }
        payload = await create(shop, **sent)
        assert [error["field"][1] for error in payload["userErrors"]] == [
            "name",
            "scopes",
            "expiresAt",
            "userId",
        ]
        assert await everything(shop) == before

    async def test_without_a_key(self, shop: Shop) -> None:
        before = await everything(shop)
        for key in (None, "ofk_unknown"):
            sent = {"input": {"name": "a", "scopes": READ}}
            answer = await shop.graphql(CREATE, sent, key=key)
            assert answer["data"] == {"createApiKey": None}
            assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        assert await everything(shop) == before

    async def test_admin_is_not_handed_on_by_who_is_none_any_more(self, shop: Shop) -> None:
        await shop.execute("UPDATE users SET is_admin = false")
        before = await everything(shop)
        payload = await create(shop, key="admin", scopes=["ADMIN"])
        assert [error["field"] for error in payload["userErrors"]] == [["input", "scopes", "0"]]
        assert await everything(shop) == before

    async def test_a_user_has_100_working_keys_at_the_most(self, shop: Shop) -> None:
        expiry = clock.rfc3339(clock.now() + timedelta(days=1))
        payloads = [await create(shop, expiresAt=expiry) for _ in range(99)]
        assert all(payload["secret"] for payload in payloads)
        before = await everything(shop)
        for key in ("customer", "admin"):
            assert (await create(shop, key=key, userId=CUSTOMER))["userErrors"] == [
                {
                    "code": "OUT_OF_RANGE",
                    "field": ["input", "userId"],
                    "message": "userId has 100 working keys already: revoke one first.",
                }
            ]
        assert await everything(shop) == before
        assert (await create(shop, key="other"))["secret"]
        # One that was revoked or has expired makes room.
        await revoke(shop, payloads[0]["apiKey"]["id"])
        assert (await create(shop))["secret"]
        assert (await create(shop))["secret"] is None
        await shop.execute(
            f"UPDATE api_keys SET expires_at = :at WHERE id = '{payloads[1]['apiKey']['id']}'",
            at=datetime(2020, 1, 1, tzinfo=UTC),
        )
        assert (await create(shop))["secret"]

    async def test_the_new_key_works_and_is_shown_once(self, shop: Shop) -> None:
        expiry = clock.rfc3339(clock.now() + timedelta(hours=1))
        payload = await create(shop, name="nightly 🌙", scopes=["ORDERS_WRITE"], expiresAt=expiry)
        secret, record = payload["secret"], payload["apiKey"]
        assert payload["userErrors"] == []
        assert await shop.data("{ scopes }", key=secret) == {"scopes": ["ORDERS_WRITE"]}
        created = datetime.fromisoformat(record.pop("createdAt"))
        assert abs(clock.now() - created) < timedelta(minutes=1)
        assert record == {
            "id": await id_of(shop, secret),
            "name": "nightly 🌙",
            "prefix": secret[:12],
            "scopes": ["ORDERS_WRITE"],
            "expiresAt": expiry,
            "revokedAt": None,
            "lastUsedAt": None,
        }
        shown = await shop.graphql(f"{{ me {{ apiKeys {{ {RECORD} }} }} }}")
        assert secret not in str(shown)
        assert secret not in str(await everything(shop))

    async def test_a_key_makes_none_that_outlives_it(self, shop: Shop) -> None:
        last = clock.now() + timedelta(hours=1)
        own = (await create(shop, key="admin", expiresAt=clock.rfc3339(last)))["secret"]
        before = await everything(shop)
        for expiry in (None, clock.rfc3339(last + timedelta(milliseconds=1))):
            assert (await create(shop, key=own, expiresAt=expiry))["userErrors"] == [
                {
                    "code": "INVALID",
                    "field": ["input", "expiresAt"],
                    "message": "expiresAt must not be later than your own key's expiry,"
                    f" {clock.rfc3339(last)}.",
                }
            ]
        assert await everything(shop) == before
        payload = await create(shop, key=own, expiresAt=clock.rfc3339(last))
        assert payload["apiKey"]["expiresAt"] == clock.rfc3339(last)

    async def test_scopes_are_each_held_once(self, shop: Shop) -> None:
        sent = ["ORDERS_WRITE", "ORDERS_READ", "ORDERS_WRITE"]
        payload = await create(shop, scopes=sent)
        assert payload["apiKey"]["scopes"] == ["ORDERS_READ", "ORDERS_WRITE"]

    async def test_an_administrator_makes_keys_for_anyone(self, shop: Shop) -> None:
        for user_id, scopes in ((OTHER.upper(), READ), (ADMIN, ["ADMIN"]), (None, ["ADMIN"])):
            payload = await create(shop, key="admin", userId=user_id, scopes=scopes)
            me = (await shop.data("{ me { id } }", key=payload["secret"]))["me"]
            assert me["id"] == (user_id or ADMIN).lower()


class TestRevokeApiKey:
    @pytest.mark.parametrize(
        ("id_", "code", "message"),
        [
            ("x", "INVALID", "id must be an id of 24 hex digits."),
            (UNKNOWN, "NOT_FOUND", "id names no key."),
            (CUSTOMER, "NOT_FOUND", "id names no key."),
            ("other", "NOT_FOUND", "id names no key."),
            ("admin", "NOT_FOUND", "id names no key."),
        ],
    )
    async def test_refusals(self, shop: Shop, id_: str, code: str, message: str) -> None:
        if id_ in shop.keys:
            id_ = await id_of(shop, id_)
        before = await everything(shop)
        assert await revoke(shop, id_) == {
            "apiKey": None,
            "userErrors": [{"code": code, "field": ["input", "id"], "message": message}],
        }
        assert await everything(shop) == before

    async def test_a_key_stops_within_two_seconds_at_every_door(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        payload = await create(shop)
        secret, id_ = payload["secret"], payload["apiKey"]["id"]
        assert (await shop.rest("GET", "/orders/get_all", key=secret)).status_code == 200
        revoked = (await revoke(shop, id_.upper()))["apiKey"]
        assert revoked["id"] == id_
        assert abs(clock.now() - datetime.fromisoformat(revoked["revokedAt"])) < timedelta(
            minutes=1
        )
        move_clock(monkeypatch, seconds=2)
        assert (await shop.rest("GET", "/orders/get_all", key=secret)).status_code == 403
        answer = await shop.graphql("{ scopes }", key=secret)
        assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"

    async def test_a_key_stops_in_every_process(
        self, shop: Shop, database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        secret = (payload := await create(shop))["secret"]
        app = create_app(settings_for(database_url))
        async with LifespanManager(app) as manager:
            transport = httpx.ASGITransport(app=manager.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://b") as client:
                headers = {"Authorization": secret}
                for _ in range(3):
                    answer = await client.get("/orders/get_all", headers=headers)
                    assert answer.status_code == 200
                await revoke(shop, payload["apiKey"]["id"])
                move_clock(monkeypatch, seconds=2)
                answer = await client.get("/orders/get_all", headers=headers)
                assert answer.status_code == 403

    async def test_a_second_time_changes_nothing(self, shop: Shop) -> None:
        id_ = (await create(shop))["apiKey"]["id"]
        first = await revoke(shop, id_)
        before = await everything(shop)
        assert await revoke(shop, id_) == first
        assert await everything(shop) == before

    async def test_a_key_may_stop_itself_and_an_administrator_any(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert (await revoke(shop, await id_of(shop, "reader"), key="reader"))["apiKey"]
        assert (await revoke(shop, await id_of(shop, "other"), key="admin"))["apiKey"]
        move_clock(monkeypatch, seconds=2)
        for key in ("reader", "other"):
            answer = await shop.graphql("{ scopes }", key=key)
            assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        assert await shop.data("{ scopes }", key="customer")


class TestApiKeys:
    async def test_newest_first_the_stopped_ones_too(self, shop: Shop) -> None:
        second = (await create(shop, name="second"))["apiKey"]
        third = (await create(shop, name="third"))["apiKey"]
        stopped = (await revoke(shop, second["id"]))["apiKey"]
        keys = (await shop.data(MINE))["me"]["apiKeys"]
        assert keys[:2] == [third, stopped]
        assert [key["id"] for key in keys[2:]] == [await id_of(shop, "customer")]

    async def test_any_key_lists_its_users(self, shop: Shop) -> None:
        for key in ("reader", "writer", "other"):
            [only] = (await shop.data(MINE, key=key))["me"]["apiKeys"]
            assert only["id"] == await id_of(shop, key)

    async def test_of_others_only_for_administrators(self, shop: Shop) -> None:
        query = "query ($id: ID!) { node(id: $id) { ... on User { apiKeys { id } } } }"
        found = await shop.data(query, {"id": OTHER}, key="admin")
        assert found == {"node": {"apiKeys": [{"id": await id_of(shop, "other")}]}}
        assert await shop.data(query, {"id": OTHER}) == {"node": None}

    async def test_of_many_users_in_one_statement(self, shop: Shop) -> None:
        for key in ("customer", "other", "admin", "other"):
            await shop.add(key=key)
        query = "{ orders { nodes { customer { apiKeys { id } } } } }"
        with counted_statements() as statements:
            nodes = (await shop.data(query, key="admin"))["orders"]["nodes"]
        assert len(statements) == 4  # the caller's key, the orders, the users, their keys
        found = [node["customer"]["apiKeys"][0]["id"] for node in nodes]
        assert found == [await id_of(shop, key) for key in ("other", "admin", "other", "customer")]

    async def test_what_works_is_never_cut_off(self, shop: Shop) -> None:
        for number in range(1, 151):
            await shop.execute(
                "INSERT INTO api_keys (id, user_id, name, prefix, sha256, scopes, created_at,"
                f" revoked_at) VALUES ('{number:024x}', '{CUSTOMER}', 'old', 'ofk_',"
                f" 'none {number}', 'admin', :at, :at)",
                at=datetime(2050, 1, 1, tzinfo=UTC) + timedelta(seconds=number),
            )
        keys = (await shop.data(MINE))["me"]["apiKeys"]
        assert len(keys) == 100
        assert [key["id"] for key in keys[:99]] == [f"{n:024x}" for n in range(150, 51, -1)]
        assert keys[99]["id"] == await id_of(shop, "customer")

    async def test_the_last_use_is_told_to_the_minute(self, database_url: str, shop: Shop) -> None:
        app = create_app(settings_for(database_url))
        async with LifespanManager(app) as manager:
            transport = httpx.ASGITransport(app=manager.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://b") as client:
                headers = {"Authorization": shop.keys["customer"]}
                await client.get("/orders/get_all", headers=headers)
        [key] = (await shop.data(MINE))["me"]["apiKeys"]
        assert key["lastUsedAt"].endswith(":00.000Z")
        used = datetime.fromisoformat(key["lastUsedAt"])
        assert timedelta() <= clock.now() - used < timedelta(minutes=2)
