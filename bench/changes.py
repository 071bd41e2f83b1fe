"""Changes of orders per second by GraphQL: compiled, and field by field.

    .venv/bin/python -m bench.changes [--engine both] [--seconds 2] [--rounds 3] [--connections 32]
        [--beside FOLDER]

Each request changes another order. The server has one core, and the load the last one. They take
turns in each round, each with a copy of the shop of its own; the medians are printed. Beside them
may be measured what is in another checkout of the service, which needs the same tables.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path

from bench.requests import ROOT, graphql, load, medians, start_listening
from bench.shop import BenchShop
from bench.writes import a_shop

_SHOWN = "{ id status version address total { amount } items { name quantity } }"
STATUS = f"""mutation ($input: ChangeOrderStatusInput!) {{ changeOrderStatus(input: $input) {{
  orders {_SHOWN} userErrors {{ code message }} }} }}"""
ADDRESS = f"""mutation ($input: ChangeOrderAddressInput!) {{ changeOrderAddress(input: $input) {{
  order {_SHOWN} userErrors {{ code message }} }} }}"""
DELETE = """mutation ($input: DeleteOrdersInput!) { deleteOrders(input: $input) {
  deletedIds userErrors { code message } } }"""
_CUSTOMERS = range(2, 160)
# The numbers of each customer's orders that are changed in one way and in another one.
_MOVED, _CORRECTED, _DELETED = range(1, 20), range(20, 30), range(30, 90)
_AT_ONCE = 100


def _ids(shop: BenchShop, numbers: range) -> Sequence[str]:
    """Some orders of many customers, each of another one than the one before."""
    return [shop.order_id_of(customer, number) for number in numbers for customer in _CUSTOMERS]


def _to_status(shop: BenchShop, status: str, *ids: str) -> bytes:
    changes = [{"orderId": id_, "status": status} for id_ in ids]
    return graphql(shop.admin_key, STATUS, {"input": {"changes": changes}})


def make_pending(shop: BenchShop) -> Sequence[bytes]:
    """The orders whose addresses are corrected afterwards: only then they can be."""
    ids = _ids(shop, _CORRECTED)
    parts = [ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE)]
    return [_to_status(shop, "PENDING", *some) for some in parts]


def change_status(shop: BenchShop) -> Sequence[bytes]:
    """Each order gets each status in turn."""
    return [
        _to_status(shop, status, id_)
        for status in ("DELIVERY", "COMPLETED", "PENDING")
        for id_ in _ids(shop, _MOVED)
    ]


def change_address(shop: BenchShop) -> Sequence[bytes]:
    """Each order gets one address, and then the other one."""
    return [
        graphql(shop.admin_key, ADDRESS, {"input": {"orderId": id_, "address": address}})
        for address in ("1 Elm Ave, Carlton", "2 Oak Rd, Carlton")
        for id_ in _ids(shop, _CORRECTED)
    ]


def delete(shop: BenchShop) -> Sequence[bytes]:
    """One order after the other."""
    return [
        graphql(shop.admin_key, DELETE, {"input": {"ids": [id_]}}) for id_ in _ids(shop, _DELETED)
    ]


_SCENARIOS: Mapping[str, Callable[[BenchShop], Sequence[bytes]]] = {
    "changeOrderStatus": change_status,
    "changeOrderAddress": change_address,
    "deleteOrders": delete,
}


def measure(
    engine: str, checkout: Path, compiled: str, seconds: float, connections: int
) -> dict[str, dict[str, float]]:
    """The figures of each scenario, with a server of its own."""
    environment = {
        "ORDERS_LOG_LEVEL": "warning",
        "ORDERS_COST_BUDGET": "0",
        "ORDERS_COMPILED_OPERATIONS": compiled,
        "PYTHONPATH": str(checkout),
    }
    found = {}
    with a_shop(engine) as shop, tempfile.TemporaryDirectory() as name:
        server, port = start_listening(
            [sys.executable, "-m", "app", "serve", "--port", "0", "--workers", "1"],
            Path(name),
            {**environment, "ORDERS_DATABASE_URL": shop.url},
            cores=frozenset({0}),
        )
        try:
            load(port, make_pending(shop), 1, seconds)
            for scenario, requests in _SCENARIOS.items():
                found[scenario] = load(port, requests(shop), connections, seconds)
        finally:
            server.terminate()
            server.wait(30)
    return found


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--beside", type=Path)
    options = parser.parse_args()
    engines = ["sqlite", "postgresql"] if options.engine == "both" else [options.engine]
    ways = [("compiled", ROOT, "true"), ("field by field", ROOT, "false")]
    if options.beside:
        ways.append(("beside", options.beside.resolve(), "true"))
    rounds: dict[tuple[str, str, str], list[dict[str, float]]] = {}
    for _ in range(options.rounds):
        for engine, (way, checkout, compiled) in product(engines, ways):
            figures = measure(engine, checkout, compiled, options.seconds, options.connections)
            for scenario, one in figures.items():
                rounds.setdefault((engine, scenario, way), []).append(one)
    print(
        "| engine | mutation | way | requests/s | p50, ms | p99, ms |\n|---|---|---|---:|---:|---:|"
    )
    for (engine, scenario, way), some in rounds.items():
        found = medians(some)
        print(
            f"| {engine} | `{scenario}` | {way} | {found['per_second']:g} | {found['p50_ms']:g}"
            f" | {found['p99_ms']:g} |"
        )


if __name__ == "__main__":
    main()
