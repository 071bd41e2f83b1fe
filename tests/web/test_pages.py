"""How the web pages are served: built ones, from a folder here, and what stands in for them."""

import gzip
import os
import shutil
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from app.db.engine import open_database
from app.main import create_app
from app.services.demo import ensure_demo, keys_file
from tests.databases import SQLiteDatabases
from tests.shop import UNBUILT, settings_for

PAGES = ("playground", "desk", "docs")
ADDRESSES = {"/graphql": "playground", "/desk": "desk", "/desk/orders/x": "desk", "/docs": "docs"}
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Encoding": "identity"}
SCRIPT = b"console.log('the desk');" * 100
NEVER = ("unsafe-eval", "http:", "https:", "ws:", "blob:", "*")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Built pages, small ones; all files of one date, as installing them may leave them."""
    built = tmp_path / "static"
    for page in PAGES:
        (built / page).mkdir(parents=True)
        (built / page / "index.html").write_text(f"<!doctype html><title>{page}</title>")
    (built / "desk" / "documents.json").write_text("{}")
    (built / "assets").mkdir()
    script = built / "assets" / "desk-Ab3.js"
    script.write_bytes(SCRIPT)
    (built / "assets" / "desk-Ab3.js.gz").write_bytes(gzip.compress(SCRIPT))
    # The tests can't read brotli; what matters is which file is sent.
    (built / "assets" / "desk-Ab3.js.br").write_bytes(b"brotli")
    (built / "assets" / "icon.svg").write_text("<svg/>")
    (built / "assets" / "letters.ttf").write_bytes(SCRIPT)
    (tmp_path / "secret.txt").write_text("secret")
    for file in built.rglob("*"):
        os.utime(file, (1_580_601_600, 1_580_601_600))
    return built


@asynccontextmanager
async def opened(app: Starlette) -> AsyncGenerator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.example") as client:
        yield client


@pytest.fixture
async def client(folder: Path, migrated: Path) -> AsyncGenerator[httpx.AsyncClient]:
    settings = settings_for(f"sqlite+aiosqlite:///{migrated}")
    async with opened(create_app(settings, static=folder)) as client:
        yield client


async def raw(client: httpx.AsyncClient, path: str, accepted: str) -> tuple[httpx.Response, bytes]:
    """An answer and its body as it was sent."""
    async with client.stream("GET", path, headers={"Accept-Encoding": accepted}) as response:
        return response, b"".join([part async for part in response.aiter_raw()])


class TestPages:
    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    @pytest.mark.parametrize("address", ADDRESSES)
    async def test_each_address_has_its_page(
        self, client: httpx.AsyncClient, address: str, method: str
    ) -> None:
        page = await client.request(method, address, headers=BROWSER)
        assert page.status_code == 200
        content = f"<!doctype html><title>{ADDRESSES[address]}</title>"
        assert page.text == (content if method == "GET" else "")
        assert page.headers["content-length"] == str(len(content))
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert page.headers["cache-control"] == "no-cache"
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["referrer-policy"] == "no-referrer"
        assert page.headers["cross-origin-resource-policy"] == "same-origin"
        assert not [name for name in page.headers if name.startswith("access-control")]
        assert ("Accept" in page.headers["vary"].split(", ")) == (address == "/graphql")
        assert "Accept-Encoding" in page.headers["vary"].split(", ")

    @pytest.mark.parametrize("address", ADDRESSES)
    async def test_each_page_has_a_policy(self, client: httpx.AsyncClient, address: str) -> None:
        page = await client.get(address, headers=BROWSER)
        policy = page.headers["content-security-policy"]
        directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
        assert directives["default-src"] == "'self'"
        for name in ("base-uri", "form-action", "frame-ancestors", "object-src"):
            assert directives[name] == "'none'"
        assert not [word for word in NEVER if word in policy]
        assert "script-src" not in directives
        # Only the editor makes styles.
        assert ("unsafe-inline" in policy) == (address == "/graphql")

    async def test_graphql_is_still_answered_there(self, client: httpx.AsyncClient) -> None:
        asked = {"query": "{ __typename }"}
        for answer in (
            await client.post("/graphql", json=asked),
            await client.get("/graphql", params=asked, headers=BROWSER),
        ):
            assert answer.json()["data"] == {"__typename": "Query"}

    async def test_a_page_changes_with_the_build(
        self, client: httpx.AsyncClient, folder: Path
    ) -> None:
        before = await client.get("/desk", headers=BROWSER)
        known = {**BROWSER, "If-None-Match": before.headers["etag"]}
        assert (await client.get("/desk", headers=known)).status_code == 304
        file = folder / "desk" / "index.html"
        dates = file.stat().st_mtime
        file.write_text(before.text.replace("desk", "next"))
        os.utime(file, (dates, dates))
        after = await client.get("/desk", headers=known)
        assert (after.status_code, "next" in after.text) == (200, True)

    @pytest.mark.parametrize("changes", [{"playground": False}, {"persisted_only": True}])
    async def test_without_a_playground_there_is_none(
        self, folder: Path, migrated: Path, tmp_path: Path, changes: Mapping[str, bool]
    ) -> None:
        manifest = tmp_path / "manifest.json"
        manifest.write_text("{}")
        settings = settings_for(
            f"sqlite+aiosqlite:///{migrated}", persisted_manifest=str(manifest), **changes
        )
        async with opened(create_app(settings, static=folder)) as client:
            assert (await client.get("/graphql", headers=BROWSER)).status_code == 400
            assert (await client.get("/web/playground.json")).status_code == 404
            assert (await client.get("/desk", headers=BROWSER)).status_code == 200


class TestAssets:
    @pytest.mark.parametrize(
        ("accepted", "encoding"),
        [
            ("gzip, deflate, br, zstd", "br"),
            ("gzip", "gzip"),
            ("br;q=0, gzip;q=0.5", "gzip"),
            ("GZIP", "gzip"),
            ("identity", None),
            ("gzip;q=0", None),
            ("gzip;q=x", None),
            ("", None),
        ],
    )
    async def test_are_sent_as_they_can_be_read(
        self, client: httpx.AsyncClient, folder: Path, accepted: str, encoding: str | None
    ) -> None:
        answer, body = await raw(client, "/assets/desk-Ab3.js", accepted)
        ending = {None: "", "gzip": ".gz", "br": ".br"}[encoding]
        assert answer.status_code == 200
        assert body == (folder / "assets" / f"desk-Ab3.js{ending}").read_bytes()
        assert answer.headers.get("content-encoding") == encoding
        assert answer.headers["content-length"] == str(len(body))
        assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
        assert answer.headers["vary"] == "Accept-Encoding"
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("default-src 'self'")
        assert not [name for name in answer.headers if name.startswith("access-control")]

    async def test_without_a_sibling_they_are_sent_plain(self, client: httpx.AsyncClient) -> None:
        answer, body = await raw(client, "/assets/icon.svg", "br, gzip")
        assert (answer.headers["content-type"], body) == ("image/svg+xml", b"<svg/>")
        assert "content-encoding" not in answer.headers

    @pytest.mark.parametrize("accepted", ["br", "gzip", "identity"])
    async def test_that_a_browser_has_are_not_sent_again(
        self, client: httpx.AsyncClient, accepted: str
    ) -> None:
        first, _ = await raw(client, "/assets/desk-Ab3.js", accepted)
        for name, value in (
            ("If-None-Match", first.headers["etag"]),
            ("If-None-Match", f'"other", W/{first.headers["etag"]}'),
            ("If-Modified-Since", first.headers["last-modified"]),
        ):
            for method in ("GET", "HEAD"):
                again = await client.request(
                    method,
                    "/assets/desk-Ab3.js",
                    headers={"Accept-Encoding": accepted, name: value},
                )
                assert (again.status_code, again.content) == (304, b"")
                for kept in ("etag", "vary", "cache-control"):
                    assert again.headers[kept] == first.headers[kept]
                assert not [name for name in again.headers if name.startswith("access-control")]

    @pytest.mark.parametrize(
        "headers",
        [
            {"If-None-Match": '"other"'},
            {"If-Modified-Since": "Thu, 01 Jan 2015 00:00:00 GMT"},
            # The date counts for nothing beside it.
            {"If-None-Match": '"other"', "If-Modified-Since": "Thu, 01 Jan 2099 00:00:00 GMT"},
        ],
    )
    async def test_that_changed_are_sent(
        self, client: httpx.AsyncClient, headers: Mapping[str, str]
    ) -> None:
        answer = await client.get("/assets/desk-Ab3.js", headers=headers)
        assert (answer.status_code, answer.content) == (200, SCRIPT)

    async def test_each_form_has_a_tag_of_its_own(self, client: httpx.AsyncClient) -> None:
        tags = [
            (await raw(client, "/assets/desk-Ab3.js", accepted))[0].headers["etag"]
            for accepted in ("br", "gzip", "identity")
        ]
        assert len(set(tags)) == 3

    async def test_a_part_is_sent_as_it_stands_in_the_file(self, client: httpx.AsyncClient) -> None:
        asked = {"Range": "bytes=0-1999", "Accept-Encoding": "gzip"}
        part = await client.get("/assets/letters.ttf", headers=asked)
        assert (part.status_code, part.content) == (206, SCRIPT[:2000])
        assert "content-encoding" not in part.headers

    @pytest.mark.parametrize(
        "path",
        [
            "/assets/../../secret.txt",
            "/assets/..%2f..%2fsecret.txt",
            "/assets/%2e%2e/%2e%2e/secret.txt",
            "/assets/..%5c..%5csecret.txt",
            "/assets//etc/passwd",
            "/assets/%00",
            "/assets/" + "x" * 5_000,
            "/assets/",
            "/assets/gone.js",
            "/desk/gone.js",
            "/desk/..%2f..%2fsecret.txt",
            "/static/desk/index.html",
        ],
    )
    async def test_nothing_else_is_there(self, client: httpx.AsyncClient, path: str) -> None:
        answer = await client.get(
            httpx.URL("http://shop.example").copy_with(raw_path=path.encode())
        )
        assert (answer.status_code, "secret" in answer.text) == (404, False)

    async def test_they_are_only_read(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/assets/desk-Ab3.js")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


class TestBeginnings:
    @pytest.fixture
    async def demo(
        self, folder: Path, sqlite_databases: SQLiteDatabases
    ) -> AsyncGenerator[httpx.AsyncClient]:
        with sqlite_databases.fresh() as url:
            database = open_database(url)
            await ensure_demo(database)
            app = create_app(settings_for(url, demo=True), static=folder)
            async with opened(app) as client:
                yield client
            keys_file(database.companion).unlink()
            await database.dispose()
            await app.state.database.dispose()

    async def test_a_demo_has_its_keys_in_them(self, demo: httpx.AsyncClient) -> None:
        keys = (await demo.get("/web/demo.json")).json()["keys"]
        assert set(keys) == {"customer", "admin"}
        assert all(key.startswith("ofk_") for key in keys.values())
        start = (await demo.get("/web/playground.json")).json()
        assert keys["admin"] in start["defaultHeaders"]
        assert all(keys["admin"] in tab["headers"] for tab in start["defaultTabs"])
        for page in ADDRESSES:
            assert "ofk_" not in (await demo.get(page, headers=BROWSER)).text

    @pytest.mark.parametrize("path", ["/web/demo.json", "/web/playground.json"])
    async def test_they_are_for_the_pages_alone(self, demo: httpx.AsyncClient, path: str) -> None:
        answer = await demo.get(path, headers={"Origin": "https://elsewhere.example"})
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert not [name for name in answer.headers if name.startswith("access-control")]

    async def test_others_have_none(self, client: httpx.AsyncClient) -> None:
        assert (await client.get("/web/demo.json")).json() == {"keys": None}
        start = (await client.get("/web/playground.json")).json()
        assert "your API key" in start["defaultHeaders"]


class TestUnbuilt:
    @pytest.fixture
    async def bare(self, migrated: Path) -> AsyncGenerator[httpx.AsyncClient]:
        app = create_app(settings_for(f"sqlite+aiosqlite:///{migrated}"), static=UNBUILT)
        async with opened(app) as client:
            yield client

    @pytest.mark.parametrize("address", ["/desk", "/desk/orders/x"])
    async def test_the_desk_says_how_to_build_it(
        self, bare: httpx.AsyncClient, address: str
    ) -> None:
        page = await bare.get(address, headers=BROWSER)
        assert (page.status_code, "make web" in page.text) == (404, True)

    async def test_the_reference_is_there_to_read(self, bare: httpx.AsyncClient) -> None:
        page = await bare.get("/docs", headers=BROWSER)
        assert (page.status_code, "make web" in page.text) == (200, True)
        assert "/orders/change-status" in page.text

    async def test_the_playground_comes_from_elsewhere(self, bare: httpx.AsyncClient) -> None:
        page = await bare.get("/graphql", headers=BROWSER)
        assert (page.status_code, "const startState" in page.text) == (200, True)

    @pytest.mark.parametrize("missing", [*PAGES, "assets"])
    async def test_half_a_build_is_none(self, folder: Path, migrated: Path, missing: str) -> None:
        shutil.rmtree(folder / missing)
        app = create_app(settings_for(f"sqlite+aiosqlite:///{migrated}"), static=folder)
        async with opened(app) as client:
            assert (await client.get("/desk", headers=BROWSER)).status_code == 404
