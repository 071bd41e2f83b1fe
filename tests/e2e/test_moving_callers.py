"""Over a socket: tokens of the legacy shop, and what outlives a server that was killed."""

import json
import signal
from pathlib import Path

import httpx

from tests.cli.test_commands import DatabaseTerminal
from tests.contract.test_legacy_tokens import claims, signed
from tests.databases import Databases, Home
from tests.e2e.server import running
from tests.shop import CUSTOMER, TABLE

SETTINGS = """ORDERS_LEGACY_JWT_SECRET=["a newer one", "shh"]
ORDERS_REST_DEPRECATION=2027-01-31
ORDERS_REST_SUNSET=2027-06-30
"""
ORDER = {
    "items": [{"product": TABLE, "quantity": 2, "shipping": "Regular"}],
    "address": "1 Main St",
}


def test_a_repeated_order_is_one_order_after_a_crash(databases: Databases, tmp_path: Path) -> None:
    with databases.for_folder(tmp_path) as home:
        _place_again_and_again(tmp_path, home)


def _place_again_and_again(folder: Path, home: Home) -> None:
    orders = DatabaseTerminal(folder, home).ok
    (folder / ".env").write_text(SETTINGS)
    (folder / "products.csv").write_text(f"id,name,price\n{TABLE},table,30\n")
    orders("users", "add", "ann@shop.example", "--id", CUSTOMER)
    orders("products", "import", "products.csv")
    token = signed(claims(admin=False))
    headers = {"Authorization": token, "Idempotency-Key": '"order-1"'}
    for last in (signal.SIGKILL, signal.SIGTERM, signal.SIGTERM):
        with running(folder, **home.environment) as server:
            added = httpx.post(f"{server.url}/orders/add", json=ORDER, headers=headers)
            assert (added.status_code, added.content) == (200, b"ORDER SUCCESS")
            found = httpx.get(f"{server.url}/orders/get_all", headers=headers)
            assert [row["orderNum"] for row in found.json()] == [1]
            assert found.headers["deprecation"] == "@1801353600"
            assert found.headers["sunset"] == "Wed, 30 Jun 2027 00:00:00 GMT"
            server.stop(last)
            log = server.log.read_text()
            assert token not in log
            assert "Traceback" not in log
            assert "Warning" not in log
    # The counts of the server that was killed are lost, those of the two others are together.
    used = json.loads(orders("usage", "--json"))
    assert [(u["caller"], u["key"], u["path"], u["calls"], u["replacedBy"]) for u in used] == [
        ("ann@shop.example", "legacy JWT", "/orders/add", 2, "addOrder"),
        ("ann@shop.example", "legacy JWT", "/orders/get_all", 2, "me { orders }"),
    ]
