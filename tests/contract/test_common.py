"""What holds for all four paths: keys, methods, content types, sizes, CORS, path spelling."""

from typing import Any

import pytest

from tests.shop import TABLE, Shop

GET_ALL = ("GET", "/orders/get_all")
ADD = ("POST", "/orders/add")
CHANGE = ("POST", "/orders/change-status")
DELETE = ("POST", "/orders/delete")
PATHS = [GET_ALL, ADD, CHANGE, DELETE]
POSTS = [ADD, CHANGE, DELETE]
ORDER = {"items": [{"product": TABLE, "shipping": "Regular"}], "address": "1 Main St"}


@pytest.mark.parametrize(("method", "path"), PATHS)
class TestKey:
    async def test_no_key_is_401(self, shop: Shop, method: str, path: str) -> None:
        response = await shop.rest(method, path, key=None)
        assert (response.status_code, response.content) == (401, b'{"message":"Unauthorized"}')

    async def test_empty_key_is_401(self, shop: Shop, method: str, path: str) -> None:
        response = await shop.rest(method, path, key="")
        assert (response.status_code, response.content) == (401, b'{"message":"Unauthorized"}')

    @pytest.mark.parametrize(
        "spoil",
        [str.upper, str.lower, lambda key: key[:-1], "{}x".format],
        ids=["upper", "lower", "short", "long"],
    )
    async def test_almost_the_key_is_403(
        self, shop: Shop, method: str, path: str, spoil: Any
    ) -> None:
        response = await shop.rest(method, path, key=spoil(shop.keys["admin"]))
        assert (response.status_code, response.content) == (403, b'{"message":"Forbidden"}')

    async def test_bytes_that_are_no_text_are_a_wrong_key(
        self, shop: Shop, method: str, path: str
    ) -> None:
        headers = {b"Authorization": b"\xff\xfe\xe2\x82"}
        response = await shop.client.request(method, path, headers=headers)
        assert (response.status_code, response.content) == (403, b'{"message":"Forbidden"}')

    async def test_key_is_checked_before_the_body(self, shop: Shop, method: str, path: str) -> None:
        response = await shop.client.request(method, path, content=b"{" * 3_000_000)
        assert response.status_code == 401


async def test_key_after_bearer_is_accepted(shop: Shop) -> None:
    key = shop.keys["customer"]
    for header in (f"Bearer {key}", f"bearer {key}", f"  {key} "):
        response = await shop.rest(*GET_ALL, key=header)
        assert (response.status_code, response.json()) == (200, [])


async def test_revoked_and_expired_keys_are_403(shop: Shop) -> None:
    async with shop.database.transaction() as connection:
        for name, column in (("customer", "revoked_at"), ("other", "expires_at")):
            await connection.exec_driver_sql(
                f"UPDATE api_keys SET {column} = '2020-01-01T00:00:00.000000Z' WHERE prefix = ?",
                (shop.keys[name][:12],),
            )
    for name in ("customer", "other"):
        response = await shop.rest(*GET_ALL, key=name)
        assert (response.status_code, response.content) == (403, b'{"message":"Forbidden"}')


async def test_scopes_other_than_admin_are_named(shop: Shop) -> None:
    refused = await shop.rest(*GET_ALL, key="writer")
    assert refused.status_code == 403
    assert refused.json() == {"msg": "This needs a key with the scope orders:read."}
    refused = await shop.rest(*ADD, ORDER, key="reader")
    assert refused.status_code == 403
    assert refused.json() == {"msg": "This needs a key with the scope orders:write."}


@pytest.mark.parametrize(("method", "path"), PATHS)
async def test_wrong_method_is_405_in_json(shop: Shop, method: str, path: str) -> None:
    for wrong in {"GET", "POST", "PUT", "DELETE", "PATCH"} - {method}:
        response = await shop.rest(wrong, path)
        assert response.status_code == 405
        assert list(response.json()) == ["msg"]
        assert method in response.headers["allow"]


async def test_head_works_where_get_does(shop: Shop) -> None:
    await shop.add()
    head = await shop.rest("HEAD", "/orders/get_all")
    get = await shop.rest("GET", "/orders/get_all")
    assert head.status_code == 200
    assert head.headers["content-type"] == get.headers["content-type"]


@pytest.mark.parametrize(
    "path", ["/orders/get_all/", "/Orders/Get_All", "/ORDERS/GET_ALL/", "/orders/get_all?page=2"]
)
async def test_paths_match_as_express_matches_them(shop: Shop, path: str) -> None:
    response = await shop.rest("GET", path)
    assert (response.status_code, response.content) == (200, b"[]")


@pytest.mark.parametrize("path", ["/orders", "/orders/get_all//", "/orders/get-all", "/stats/all"])
async def test_other_paths_are_404_in_json(shop: Shop, path: str) -> None:
    response = await shop.rest("GET", path)
    assert (response.status_code, response.json()) == (404, {"msg": "There is nothing here."})


@pytest.mark.parametrize(("method", "path"), POSTS)
class TestBody:
    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"{",
            b'{"items":[NaN]}',
            b'{"items":[Infinity]}',
            b'{"address":"\xff"}',
            rb'{"address":"\ud800"}',
            b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            b"{} {}",
        ],
    )
    async def test_what_is_no_json_is_400(
        self, shop: Shop, method: str, path: str, content: bytes
    ) -> None:
        before = await shop.everything()
        response = await shop.rest(
            method,
            path,
            key="admin",
            content=content,
            headers={"Content-Type": "application/json"},
        )
        assert response.status_code == 400
        assert response.json() == {"msg": "The request body is not valid JSON."}
        assert await shop.everything() == before

    @pytest.mark.parametrize("content", [b"null", b"1", b'"x"', b"[]", b"true"])
    async def test_what_is_no_object_is_400(
        self, shop: Shop, method: str, path: str, content: bytes
    ) -> None:
        response = await shop.rest(
            method,
            path,
            key="admin",
            content=content,
            headers={"Content-Type": "application/json"},
        )
        assert response.status_code == 400
        assert response.json() == {"msg": "The request body must be a JSON object."}

    @pytest.mark.parametrize(
        "content_type", ["text/plain", "application/x-www-form-urlencoded", "", "json"]
    )
    async def test_another_content_type_is_415(
        self, shop: Shop, method: str, path: str, content_type: str
    ) -> None:
        response = await shop.rest(
            method, path, key="admin", content=b"{}", headers={"Content-Type": content_type}
        )
        assert response.status_code == 415
        assert response.json() == {"msg": "The Content-Type must be application/json."}

    async def test_two_megabytes_are_413(self, shop: Shop, method: str, path: str) -> None:
        for content in (b" " * 2_000_000, _chunks(b" " * 100_000, 20)):
            response = await shop.rest(
                method,
                path,
                key="admin",
                content=content,
                headers={"Content-Type": "application/json"},
            )
            assert response.status_code == 413
            assert list(response.json()) == ["msg"]


async def _chunks(chunk: bytes, count: int) -> Any:
    for _ in range(count):
        yield chunk


@pytest.mark.parametrize(
    "content_type",
    ["application/json; charset=utf-8", "Application/JSON", "application/json;charset=UTF-8"],
)
async def test_content_type_may_have_parameters(shop: Shop, content_type: str) -> None:
    response = await shop.rest(
        "POST",
        "/orders/delete",
        content=b'\r\n {"orderId" :\t[] }\r\n',
        headers={"Content-Type": content_type},
    )
    assert (response.status_code, response.json()["deletedCount"]) == (200, 0)


class TestCors:
    @pytest.mark.parametrize(("method", "path"), PATHS)
    async def test_preflight(self, shop: Shop, method: str, path: str) -> None:
        response = await shop.client.options(
            path,
            headers={
                "Origin": "https://shop.example",
                "Access-Control-Request-Method": method,
                "Access-Control-Request-Headers": "authorization,content-type,x-requested-with",
            },
        )
        assert response.status_code == 204
        assert response.headers["access-control-allow-origin"] == "*"
        assert {"GET", "POST"} <= set(response.headers["access-control-allow-methods"].split(", "))
        allowed = response.headers["access-control-allow-headers"].split(", ")
        assert allowed == ["Authorization", "Content-Type", "Idempotency-Key", "x-requested-with"]

    async def test_every_answer_may_be_read_by_any_origin(self, shop: Shop) -> None:
        answers = [
            await shop.rest(*GET_ALL),
            await shop.rest(*GET_ALL, key=None),
            await shop.rest(*ADD, {}),
            await shop.rest("PUT", "/orders/add"),
            await shop.rest("GET", "/nowhere"),
            await shop.rest("POST", "/graphql", {"query": "{ __typename }"}),
        ]
        assert [a.status_code for a in answers] == [200, 401, 400, 405, 404, 200]
        assert {a.headers["access-control-allow-origin"] for a in answers} == {"*"}


async def test_request_id_is_kept_or_made(shop: Shop) -> None:
    kept = await shop.rest(*GET_ALL, headers={"X-Request-Id": "trace-1.2_3"})
    assert kept.headers["x-request-id"] == "trace-1.2_3"
    for bad in ("a b", "x" * 65, 'x"y'):
        made = await shop.rest(*GET_ALL, headers={"X-Request-Id": bad})
        assert len(made.headers["x-request-id"]) == 32
