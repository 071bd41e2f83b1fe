"""The SQL of compiled operations, as it stands beside them, and along which indexes it is run."""

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from app.db.database import Database
from app.db.prepared import Bound, Prepared
from app.domain.order import Order, OrderStatus
from app.graphql.pagination import encode_cursor
from app.services.order_queries import OrderSort, position_of
from tests.databases import Databases
from tests.graphql.compiler.nasty import ORDERS, fill
from tests.graphql.compiler.test_never_different import counted
from tests.shop import CUSTOMER, TABLE, Shop, open_shop

OPERATIONS = sorted((Path(__file__).parent / "operations").glob("*.graphql"))


@contextmanager
def _noted_reads() -> Iterator[list[Bound]]:
    """The statements that compiled operations read by meanwhile."""
    noted: list[Bound] = []

    def noting(kind: Any) -> Any:
        fetch = kind.fetch

        async def fetched(self: Database, reads: Sequence[Bound], *more: Any, **how: Any) -> Any:
            noted.extend(reads)
            return await fetch(self, reads, *more, **how)

        return fetched

    with pytest.MonkeyPatch.context() as patch:
        for kind in Database.__subclasses__():
            patch.setattr(kind, "reads_at_once", False)
            if "fetch" in vars(kind):
                patch.setattr(kind, "fetch", noting(kind))
        patch.setattr(Database, "fetch", noting(Database))
        yield noted


@contextmanager
def _noted_steps() -> Iterator[list[Bound]]:
    """The statements of changes meanwhile, those of the service along with the compiled one."""
    noted: list[Bound] = []
    bind, bind_rows = Prepared.bind, Prepared.bind_rows

    def binding(self: Prepared, *of: Any) -> Bound:
        noted.append(bind(self, *of))
        return noted[-1]

    def binding_rows(self: Prepared, *of: Any) -> tuple[str, list[tuple[Any, ...]]]:
        text, rows = bind_rows(self, *of)
        noted.append(Bound(text, rows[0]))
        return text, rows

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Prepared, "bind", binding)
        patch.setattr(Prepared, "bind_rows", binding_rows)
        yield noted


def _may_be_changed(order: Order) -> bool:
    is_pending = order.status is OrderStatus.PENDING
    return order.user_id == CUSTOMER and is_pending and order.version < 2


# Each caller changes orders that nobody has changed yet.
_TO_BE_CHANGED = {
    caller: [order.id for order in ORDERS if _may_be_changed(order)][n : n + 2]
    for n, caller in ((0, "customer"), (2, "admin"))
}


def _callers(path: Path) -> Sequence[str]:
    """Who may do it."""
    return ("admin",) if "changeOrderStatus" in path.read_text() else ("customer", "admin")


def _asked(path: Path, caller: str) -> dict[str, Any]:
    """An operation with its variables, which stand in its first line if it has any."""
    text = path.read_text()
    if not text.startswith("# "):
        return {"query": text}
    line, _, text = text.partition("\n")
    for name, value in (
        ("first", ORDERS[0].id),
        ("second", ORDERS[1].id),
        ("created_at", _cursor(OrderSort.CREATED_AT_DESC)),
        ("total_minor", _cursor(OrderSort.TOTAL_ASC)),
        ("product", TABLE),
        ("changed", _TO_BE_CHANGED[caller][0]),
        ("changed_too", _TO_BE_CHANGED[caller][1]),
    ):
        line = line.replace(f"{{{name}}}", value)
    return {"query": text, "variables": orjson.loads(line.removeprefix("# "))}


def _cursor(sort: OrderSort) -> str:
    return encode_cursor(position_of(ORDERS[3], sort), sort)


async def _statements(shop: Shop, path: Path, caller: str) -> list[Bound]:
    changes = "mutation" in path.read_text()
    before = counted()
    with _noted_steps() if changes else _noted_reads() as reads:
        response = await shop.rest("POST", "/graphql", _asked(path, caller), key=caller)
        assert "rrors" not in response.text, response.text
    assert (counted() - before)["compiled"] == 1
    # Each once: what SQLite does not read in the event loop is asked for again, in a thread.
    kept = {read.text: read for read in reads if "FROM api_keys" not in read.text}
    found = list(kept.values())
    if shop.database.engine == "postgresql":
        # What is asked for along with others, too.
        found += [read.for_several.bind([read, read]) for read in found if read.for_several]
    return found


@pytest.fixture
async def filled(database_url: str) -> AsyncGenerator[Shop]:
    async with open_shop(database_url) as shop:
        await fill(shop, ORDERS)
        yield shop


async def test_the_sql_of_each_operation(
    filled: Shop, databases: Databases, request: pytest.FixtureRequest
) -> None:
    """`--renew-sql` writes the files anew: read what changed before it is committed."""
    for path in OPERATIONS:
        found = {
            caller: "".join(
                f"{read.text.strip()};\n\n" for read in await _statements(filled, path, caller)
            )
            for caller in _callers(path)
        }
        if len(found) > 1 and found["customer"] == found["admin"]:
            found = {"anybody": found["admin"]}
        text = "".join(f"-- {caller}\n{sql}" for caller, sql in found.items()).rstrip() + "\n"
        kept = path.with_suffix(f".{databases.name}.sql")
        if request.config.getoption("--renew-sql"):
            kept.write_text(text)
        assert kept.read_text() == text, f"{kept.name} is stale: see CONTRIBUTING.md"


async def test_each_statement_has_its_index(filled: Shop, databases: Databases) -> None:
    check = {"sqlite": _check_sqlite, "postgresql": _check_postgresql}[databases.name]
    for path in OPERATIONS:
        for caller in _callers(path):
            for read in await _statements(filled, path, caller):
                await check(filled, path.stem, caller, read)


# What is looked up by a list, and sorted. A page is walked along.
_SORTED = {"looked_up", "products"}
# The items of one order, which the step before has looked up; and lists of ids.
_SCANS_OF_FEW = ("SCAN CONSTANT ROW", "SCAN i", "SCAN (subquery-", "SCAN json_each VIRTUAL TABLE")
_FIRST_PRODUCTS = "SCAN p USING INDEX ix_products_name_id"


async def _check_sqlite(shop: Shop, name: str, caller: str, read: Bound) -> None:
    async with shop.database.read() as connection:
        found = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {read.text}", read.parameters)
        steps = [str(step) for *_, step in found]
    about = (name, caller, read.text, steps)
    for step in steps:
        assert "TEMP B-TREE" not in step or name in _SORTED, about
        if step.startswith("SCAN ") and not step.startswith((*_SCANS_OF_FEW, _FIRST_PRODUCTS)):
            # Only administrators walk along the orders of all, in the order of the page.
            assert caller == "admin", about
            assert step.startswith("SCAN orders USING"), about
            assert " INDEX ix_orders_" in step, about


async def _check_postgresql(shop: Shop, name: str, caller: str, read: Bound) -> None:
    async with shop.database.transaction() as connection:
        # Of so few rows it would read all. Whether there is another way is what counts.
        for way in ("seqscan", "sort", "bitmapscan"):
            await connection.exec_driver_sql(f"SET LOCAL enable_{way} = off")
        plan = await connection.exec_driver_sql(f"EXPLAIN {read.text}", read.parameters)
        steps = [step.strip() for (step,) in plan]
    about = (name, caller, read.text, steps)
    # The sequence of events is a row.
    scanned = [step for step in steps if "Seq Scan" in step and "order_events_seq_seq" not in step]
    assert not scanned, about
    if name not in _SORTED:
        assert not [step for step in steps if step.startswith(("->  Sort", "Sort "))], about
