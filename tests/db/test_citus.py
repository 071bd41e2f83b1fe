"""Spread over servers by customer: the script that does it, and what each statement must name.

Citus itself is not here. Two functions stand in for it, which check what it demands of a table.
Everything else that the script does is done.
"""

import re
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Iterator, Sequence
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from app.db import citus, tables
from app.services import idempotency
from tests.databases import PostgreSQLDatabases
from tests.e2e.server import ROOT
from tests.servers import postgres_binaries
from tests.shop import LAMP, STOOL, TABLE, Shop, counted_statements, open_shop

STAND_IN = """
CREATE TABLE spread (place serial, name text, kind text, together text);

CREATE FUNCTION refuse_foreign_keys(name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM pg_constraint WHERE contype = 'f'
             AND name::regclass IN (conrelid, confrelid)) THEN
    RAISE EXCEPTION '% has a foreign key with a table that is elsewhere', name;
  END IF;
END $$;

CREATE FUNCTION create_reference_table(name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM refuse_foreign_keys(name);
  INSERT INTO spread (name, kind) VALUES (name, 'reference');
END $$;

CREATE FUNCTION create_distributed_table(name text, by text, colocate_with text)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM refuse_foreign_keys(name);
  IF EXISTS (
    SELECT FROM pg_index WHERE indrelid = name::regclass AND indisunique AND NOT EXISTS (
      SELECT FROM pg_attribute
      WHERE attrelid = indrelid AND attname = by AND attnum = ANY (indkey))
  ) THEN
    RAISE EXCEPTION '% has a key without %', name, by;
  END IF;
  IF colocate_with <> 'none' AND NOT EXISTS (SELECT FROM spread s WHERE s.name = colocate_with) THEN
    RAISE EXCEPTION '% is not distributed', colocate_with;
  END IF;
  INSERT INTO spread (name, kind, together) VALUES (name, by, colocate_with);
END $$;
"""


@pytest.fixture
def url(postgresql_databases: PostgreSQLDatabases) -> Iterator[str]:
    with postgresql_databases.fresh(spoilt=True) as url:
        yield url


def printed() -> str:
    command = [sys.executable, "-m", "app", "scale", "citus"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def psql(url: str, script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    file = folder / "script.sql"
    file.write_text(script)
    return subprocess.run(
        [postgres_binaries() / "psql", "-X", "-f", file, url.replace("+asyncpg", "")],
        capture_output=True,
        text=True,
        check=False,
    )


class TestTheScript:
    def test_has_a_place_for_each_table(self) -> None:
        placed = [*citus.DISTRIBUTED, *citus.REFERENCE, *citus.LOCAL]
        assert sorted(table.name for table in placed) == sorted(tables.metadata.tables)

    def test_does_all_but_what_citus_does(
        self, postgresql_databases: PostgreSQLDatabases, url: str, tmp_path: Path
    ) -> None:
        run = postgresql_databases.run
        foreign_keys = (
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE contype = 'f' ORDER BY 1"
        )
        before = run(url, foreign_keys)
        assert psql(url, STAND_IN, tmp_path).returncode == 0
        done = psql(url, printed(), tmp_path)
        assert done.returncode == 0, done.stderr
        assert run(url, "SELECT name, kind, together FROM spread ORDER BY place") == [
            *(
                (name, "reference", None)
                for name in ("persisted_operations", "products", "users", "api_keys")
            ),
            ("orders", "user_id", "none"),
            *(
                (name, "user_id", "orders")
                for name in (
                    *("order_items", "order_words", "order_events"),
                    *("order_counters", "idempotency_keys"),
                )
            ),
        ]
        assert run(url, foreign_keys) == before

    def test_changes_nothing_if_a_step_fails(
        self, postgresql_databases: PostgreSQLDatabases, url: str, tmp_path: Path
    ) -> None:
        keys = "SELECT pg_get_constraintdef(oid) FROM pg_constraint ORDER BY 1"
        before = postgresql_databases.run(url, keys)
        done = psql(url, printed(), tmp_path)
        assert done.returncode != 0
        assert "create_reference_table" in done.stderr
        assert postgresql_databases.run(url, keys) == before

    def test_is_for_its_own_version_of_the_tables(
        self, postgresql_databases: PostgreSQLDatabases, url: str, tmp_path: Path
    ) -> None:
        postgresql_databases.run(url, "UPDATE alembic_version SET version_num = 'old'; SELECT 1")
        assert psql(url, STAND_IN, tmp_path).returncode == 0
        done = psql(url, printed(), tmp_path)
        assert done.returncode != 0
        assert 'run "orders migrate" first' in done.stderr


@pytest.fixture
async def spread_shop(url: str, tmp_path: Path) -> AsyncGenerator[Shop]:
    """A shop whose tables are as the script leaves them."""
    assert psql(url, STAND_IN, tmp_path).returncode == 0
    assert psql(url, printed(), tmp_path).returncode == 0
    async with open_shop(url) as shop:
        yield shop


async def test_orders_live_on_tables_that_are_spread(spread_shop: Shop) -> None:
    shop = spread_shop
    await shop.add(TABLE, STOOL)
    await shop.add(LAMP, address="7 Elm Road")
    await shop.add(LAMP, key="other")
    first, second = await shop.order_ids()
    found = await shop.data('{ orders(filter: { search: "elm lamp" }) { nodes { id } } }')
    assert found["orders"]["nodes"] == [{"id": second}]
    assert await shop.data(change_address(first)) == {
        "changeOrderAddress": {"order": {"address": "9 Oak Street"}}
    }
    for order_id, status in ((first, "delivery"), (second, "completed")):
        body = {"items": [{"orderId": order_id, "status": status}]}
        assert (await shop.rest("POST", "/orders/change-status", body, key="admin")).is_success
    deleted = await shop.rest("POST", "/orders/delete", {"orderId": [first]})
    assert deleted.json()["deletedCount"] == 1
    assert await shop.order_ids() == [second]
    restored = await shop.data(
        f'mutation {{ restoreOrders(input: {{ ids: ["{first}"] }})'
        " { orders { number items { name } } } }",
        key="admin",
    )
    assert restored["restoreOrders"]["orders"] == [
        {"number": 1, "items": [{"name": "brown table"}, {"name": "stool"}]}
    ]
    log = await shop.data("{ events(first: 100) { nodes { type orderId } } }", key="admin")
    assert [(event["type"], event["orderId"]) for event in log["events"]["nodes"]][:2] == [
        ("CREATED", first),
        ("CREATED", second),
    ]
    assert [event["type"] for event in log["events"]["nodes"]][3:] == [
        *("ADDRESS_CHANGED", "STATUS_CHANGED", "STATUS_CHANGED", "DELETED", "RESTORED"),
    ]


def change_address(order_id: str) -> str:
    return (
        f'mutation {{ changeOrderAddress(input: {{ orderId: "{order_id}",'
        ' address: "9 Oak Street" }) { order { address } } }'
    )


SPREAD = {table.name for table in citus.DISTRIBUTED}
SCOPES = (exp.Select, exp.Update, exp.Delete)
VALUES = (exp.Parameter, exp.Placeholder, exp.Literal)

# A table in a part of a statement: the part, and what the table is called there.
Place = tuple[int, str]


def unnamed(statement: str) -> set[str]:
    """The tables that are spread and read or written without saying for which customers."""
    tree = sqlglot.parse_one(statement, dialect="postgres")
    if isinstance(tree, exp.Insert):
        target = tree.this
        columns = {column.name for column in target.expressions}
        missing = target.this.name in SPREAD and citus.CUSTOMER not in columns
        return {target.this.name} if missing else set()
    names = {_place(table): table.name for table in tree.find_all(exp.Table)}
    named: set[Place] = set()
    same: set[tuple[Place, Place]] = set()
    for scope in tree.find_all(*SCOPES):
        for condition in _conditions(scope):
            left, *right = _compared(condition)
            column = _customer(left)
            if column is None:
                continue
            others = [_customer(one) for one in right]
            if right and all(isinstance(one, VALUES) for one in right):
                named.add(column)
            elif len(others) == 1 and others[0] is not None:
                same |= {(column, others[0]), (others[0], column)}
    while more := {there for here, there in same if here in named} - named:
        named |= more
    return {name for place, name in names.items() if name in SPREAD and place not in named}


def _place(table: exp.Table) -> Place:
    return id(table.find_ancestor(*SCOPES)), table.alias_or_name


def _conditions(scope: exp.Expr) -> Iterator[exp.Expr]:
    """What must hold for each row: parts of an OR are none."""
    clauses = [scope.args.get("where"), *(scope.args.get("joins") or ())]
    for clause in clauses:
        whole = clause and (clause.args.get("on") or clause.this)
        if isinstance(whole, exp.And):
            yield from (part.unnest() for part in whole.flatten())
        elif whole is not None:
            yield whole.unnest()


def _compared(condition: exp.Expr) -> Sequence[exp.Expr | None]:
    """What is the same as one of what else. None where there is nothing of the kind."""
    if isinstance(condition, exp.EQ):
        found = [_bare(condition.this), _bare(condition.expression)]
        return found if isinstance(found[0], exp.Column) else found[::-1]
    if isinstance(condition, exp.In):
        query = condition.args.get("query")
        if query is None:
            return [_bare(condition.this), *(_bare(one) for one in condition.expressions)]
        if isinstance(condition.this, exp.Tuple):
            return [condition.this.expressions[0], query.unnest().selects[0]]
    return [None]


def _bare(expression: exp.Expr) -> exp.Expr:
    while isinstance(expression, exp.Cast | exp.Collate | exp.Paren):
        expression = expression.this
    return expression


def _customer(expression: exp.Expr | None) -> Place | None:
    """The table whose customer it is, if it is one."""
    if not isinstance(expression, exp.Column) or expression.name != citus.CUSTOMER:
        return None
    scope = expression.find_ancestor(*SCOPES)
    while scope is not None:
        if any(
            table.alias_or_name == expression.table and table.find_ancestor(*SCOPES) is scope
            for table in scope.find_all(exp.Table)
        ):
            return id(scope), expression.table
        scope = scope.find_ancestor(*SCOPES)
    return None


@pytest.mark.parametrize(
    ("statement", "missing"),
    [
        ("SELECT 1 FROM orders WHERE orders.id = $1", {"orders"}),
        ("SELECT 1 FROM orders WHERE orders.user_id = $1 OR orders.id = $2", {"orders"}),
        ("SELECT 1 FROM orders WHERE NOT orders.user_id = $1", {"orders"}),
        ("SELECT 1 FROM orders WHERE orders.user_id = users.id", {"orders"}),
        ('SELECT 1 FROM orders WHERE orders.user_id = $1::VARCHAR COLLATE "C" FOR UPDATE', set()),
        ("SELECT 1 FROM orders WHERE orders.user_id IN ($1, $2) AND orders.id = $3", set()),
        (
            "SELECT (SELECT 1 FROM order_items WHERE order_items.order_id = orders.id)"
            " FROM orders WHERE orders.user_id = $1",
            {"order_items"},
        ),
        (
            "SELECT (SELECT 1 FROM order_items WHERE order_items.user_id = orders.user_id)"
            " FROM orders WHERE orders.user_id = $1",
            set(),
        ),
        (
            "SELECT (SELECT 1 FROM order_items WHERE order_items.user_id = orders.user_id)"
            " FROM orders WHERE orders.id = $1",
            {"orders", "order_items"},
        ),
        (
            "SELECT 1 FROM orders JOIN order_items ON order_items.user_id = orders.user_id"
            " WHERE orders.user_id = $1",
            set(),
        ),
        ("UPDATE orders SET user_id = $1 WHERE orders.id = $2", {"orders"}),
        ("UPDATE orders SET status = $1 WHERE orders.user_id = $2 RETURNING orders.id", set()),
        ("DELETE FROM orders WHERE orders.id = $1", {"orders"}),
        ("DELETE FROM orders WHERE orders.user_id = $1", set()),
        ("INSERT INTO orders (id) VALUES ($1)", {"orders"}),
        ("INSERT INTO orders (user_id, id) VALUES ($1, $2)", set()),
        ("SELECT 1 FROM users WHERE users.id = $1", set()),
    ],
)
def test_the_check_sees_who_is_not_named(statement: str, missing: set[str]) -> None:
    assert unnamed(statement) == missing


# Whoever may see all orders names some by their ids alone, or none at all.
CROSSING = {
    "whose are the orders with these ids?": (
        r"FROM orders WHERE (\$\d+::BOOLEAN AND orders.id IN|orders.id = ANY)"
    ),
    "the orders of all": r"FROM orders (WHERE true )?ORDER BY",
    "how many are there of all?": r"FROM orders (WHERE true )?GROUP BY",
    "what was deleted under these ids?": r"FROM order_events WHERE order_events.seq IN",
    "the log": r"FROM order_events WHERE order_events.seq >",
    "keys past their time": r"DELETE FROM idempotency_keys",
}


class TestEachStatement:
    @pytest.fixture
    async def shop(
        self, postgresql_databases: PostgreSQLDatabases, url: str
    ) -> AsyncGenerator[Shop]:
        # By this the application knows that it has Citus before it.
        postgresql_databases.run(url, "CREATE TABLE pg_dist_partition ()")
        async with open_shop(url) as shop:
            await shop.add(TABLE, STOOL)
            await shop.add(LAMP)
            await shop.add(LAMP, key="other")
            yield shop

    async def crossing(self, work: Awaitable[object], touched: set[str]) -> list[str]:
        """Which of the statements of some work are for all customers; the tables of the others.

        Those that are not in the list above count by their text.
        """
        with counted_statements(beside=True) as statements:
            await work
        found = []
        reached: set[str] = set()
        for statement in statements:
            tree = sqlglot.parse_one(statement, dialect="postgres")
            reached |= {table.name for table in tree.find_all(exp.Table)} & SPREAD
            if unnamed(statement):
                flat = " ".join(statement.split())
                why = [why for why, pattern in CROSSING.items() if re.search(pattern, flat)]
                found.append(why[0] if why else flat)
        assert reached == touched
        return found

    async def test_of_a_customer_names_the_customer(self, shop: Shop) -> None:
        newest, oldest = (await shop.order_ids())[::-1]
        body = {"items": [{"product": LAMP, "quantity": 1, "shipping": "Regular"}], "address": "x"}
        order, changed = {"orders", "order_items"}, {"orders", "order_items", "order_events"}
        added = changed | {"order_words", "order_counters"}
        repeatable = {"Idempotency-Key": "once"}
        add = ("POST", "/orders/add", body)
        for work, touched in (
            (shop.rest("GET", "/orders/get_all"), order),
            (
                shop.data(f'{{ order(id: "{newest}") {{ items {{ id product {{ id }} }} }} }}'),
                order,
            ),
            (shop.data("{ me { order(number: 1) { items { id } } } }"), order),
            (shop.data("{ orders(first: 50) { totalCount nodes { items { id } } } }"), order),
            (
                shop.data('{ orders(filter: { search: "lamp" }) { nodes { items { id } } } }'),
                order | {"order_words"},
            ),
            (
                shop.data(f'{{ orders(filter: {{ productIds: ["{LAMP}"] }}) {{ totalCount }} }}'),
                order,
            ),
            (shop.data("{ orders(filter: { shipping: [REGULAR] }) { nodes { id } } }"), order),
            (shop.data("{ stats { orderCount } }"), {"orders"}),
            (shop.data("{ stats { topProducts { name } } }"), order),
            (
                shop.data(f'{{ order(id: "{newest}") {{ events {{ nodes {{ type }} }} }} }}'),
                changed,
            ),
            (shop.rest(*add), added),
            (shop.rest(*add, headers=repeatable), added | {"idempotency_keys"}),
            (shop.rest(*add, headers=repeatable), order | {"idempotency_keys"}),
            (shop.data(change_address(newest)), changed | {"order_words"}),
            (shop.rest("POST", "/orders/delete", {"orderId": [oldest]}), changed),
        ):
            assert await self.crossing(work, touched) == []

    async def test_of_an_administrator_finds_out_the_customer_once(self, shop: Shop) -> None:
        first, second = await shop.order_ids()
        body = {"items": [{"orderId": first, "status": "delivery"}]}
        changed = {"orders", "order_items", "order_events"}
        whose = ["whose are the orders with these ids?"]
        for work, touched, crossing in (
            (shop.rest("POST", "/orders/change-status", body, key="admin"), changed, whose),
            (shop.data(change_address(second), key="admin"), changed | {"order_words"}, whose),
            (
                shop.rest("POST", "/orders/delete", {"orderId": [first]}, key="admin"),
                changed,
                whose,
            ),
            (
                shop.data(
                    f'mutation {{ restoreOrders(input: {{ ids: ["{first}"] }})'
                    " { orders { id } } }",
                    key="admin",
                ),
                changed | {"order_words"},
                # Once more when they are back, and nobody else can change them.
                2 * ["what was deleted under these ids?"],
            ),
        ):
            assert await self.crossing(work, touched) == crossing

    async def test_of_all_customers_is_one_of_a_few(self, shop: Shop) -> None:
        order = {"orders", "order_items"}
        for work, touched, crossing in (
            (
                shop.data("{ orders { nodes { items { id } } } }", key="admin"),
                order,
                "the orders of all",
            ),
            (
                shop.data("{ stats { orderCount } }", key="admin"),
                {"orders"},
                "how many are there of all?",
            ),
            (
                shop.data("{ events { nodes { type } } }", key="admin"),
                {"order_events"},
                "the log",
            ),
            (
                shop.database.write(idempotency.purge),
                {"idempotency_keys"},
                "keys past their time",
            ),
        ):
            assert await self.crossing(work, touched) == [crossing]
