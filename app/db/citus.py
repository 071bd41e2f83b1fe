"""The SQL that spreads the tables over a cluster of Citus, each customer's rows on one server.

It is made from the tables themselves, so that it is never behind them. Citus lets a key be unique
only among the rows of one customer, so keys without the customer in them are changed.

Source: Citus 13, "Creating and Modifying Distributed Objects" and "SQL support and workarounds".
"""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from sqlalchemy import Constraint, Dialect, PrimaryKeyConstraint, Table, UniqueConstraint
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import AddConstraint, DropConstraint, ExecutableDDLElement

from app.db import tables
from app.db.migrations import NEWEST

Key = TypeVar("Key", bound=Constraint)

CUSTOMER = "user_id"
"""What the rows are spread by."""

_TABLES = tables.metadata.tables

DISTRIBUTED = tuple(
    _TABLES[name]
    for name in (
        "orders",  # first: the others lie with it
        "order_items",
        "order_words",
        "order_events",
        "order_counters",
        "idempotency_keys",
    )
)
"""A customer's rows of these lie on one server."""

REFERENCE = tuple(
    _TABLES[name] for name in ("users", "api_keys", "products", "persisted_operations")
)
"""Each server has these whole: every request reads one of them, and few change them."""

LOCAL = tuple(_TABLES[name] for name in ("rest_usage", "legacy_records"))
"""These stay on the coordinator: nothing that is distributed is joined with them."""

_DIALECT: Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]

_BEGINNING = """\
-- Spreads the tables of orders-graphql over a Citus cluster, by customer ({customer}).
-- Printed by `orders scale citus`, for a database at migration {migration}.
--
-- Run it once, on the coordinator, after `orders migrate` and while nobody writes:
--   psql -X -f this-file "postgresql://..."
-- Before it: CREATE EXTENSION citus, citus_set_coordinator_host() and citus_add_node() for each
-- worker. It is one transaction: if a statement fails, everything is as before.

\\set ON_ERROR_STOP on
BEGIN;
-- All steps on one connection for each worker, or they would not see each other's.
SET LOCAL citus.multi_shard_modify_mode TO 'sequential';

DO $$ BEGIN
  IF (SELECT version_num FROM alembic_version) IS DISTINCT FROM '{migration}' THEN
    RAISE EXCEPTION 'this is for a database at migration {migration}: run "orders migrate" first';
  END IF;
END $$;"""


def distribution_script() -> str:
    """The whole of it, for psql."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _BEGINNING.format(customer=CUSTOMER, migration=NEWEST)
    foreign_keys = [
        key
        for table in tables.metadata.sorted_tables
        for key in _sorted(table.foreign_key_constraints)
    ]
    yield "\n-- 1. Foreign keys wait until both of their ends are where they belong."
    for key in foreign_keys:
        yield _sql(DropConstraint(key, isolate_from_table=False))

    yield f"\n-- 2. Keys without {CUSTOMER}. Ids are unique by the way they are made."
    for table in DISTRIBUTED:
        yield from _keys_within_customers(table)

    yield "\n-- 3. What each server has whole."
    for table in _by_reference(REFERENCE):
        yield f"SELECT create_reference_table('{table.name}');"

    yield "\n-- 4. What is spread, all of a customer's rows to the same server."
    first, *others = DISTRIBUTED
    yield f"SELECT create_distributed_table('{first.name}', '{CUSTOMER}', colocate_with => 'none');"
    for table in others:
        yield (
            f"SELECT create_distributed_table('{table.name}', '{CUSTOMER}',"
            f" colocate_with => '{first.name}');"
        )

    yield "\n-- 5. The foreign keys again."
    for key in foreign_keys:
        yield _sql(AddConstraint(key, isolate_from_table=False))

    local = ", ".join(table.name for table in LOCAL)
    yield f"\n-- These stay on the coordinator, as they are: {local}, alembic_version."
    yield "COMMIT;"


def _keys_within_customers(table: Table) -> Iterator[str]:
    """Put the customer into the primary key; have plain indexes in place of unique ones."""
    for key in _sorted(table.constraints):
        if not isinstance(key, PrimaryKeyConstraint | UniqueConstraint) or CUSTOMER in key.columns:
            continue
        columns = [column.name for column in key.columns]
        if isinstance(key, PrimaryKeyConstraint):
            name = _name(key)
            yield (
                f"ALTER TABLE {table.name} DROP CONSTRAINT {name},"
                f" ADD CONSTRAINT {name} PRIMARY KEY ({', '.join([CUSTOMER, *columns])});"
            )
        else:
            yield _sql(DropConstraint(key, isolate_from_table=False))
        # Whatever was looked up by the key goes on to be.
        name = "_".join(["ix", table.name, *columns])
        yield f"CREATE INDEX {name} ON {table.name} ({', '.join(columns)});"
    for index in sorted(table.indexes, key=lambda index: str(index.name)):
        if index.unique and CUSTOMER not in index.columns:
            raise RuntimeError(f"{index.name} is unique over all customers, which Citus refuses")


def _by_reference(chosen: Iterable[Table]) -> list[Table]:
    """What others refer to comes before them."""
    places = {table: place for place, table in enumerate(tables.metadata.sorted_tables)}
    return sorted(chosen, key=places.__getitem__)


def _sorted(keys: Iterable[Key]) -> list[Key]:
    return sorted(keys, key=_name)


def _name(key: Constraint) -> str:
    return _DIALECT.identifier_preparer.format_constraint(key) or ""


def _sql(element: ExecutableDDLElement) -> str:
    return " ".join(str(element.compile(dialect=_DIALECT)).split()) + ";"
