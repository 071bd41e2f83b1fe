"""What must be true of a database's orders whatever happened to those who wrote them."""

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, TypeAlias

ITEMS = 3
"""How many items an order has, where nobody says otherwise."""

Rows: TypeAlias = Callable[[str], Awaitable[Sequence[tuple[Any, ...]]]]
"""Executes a statement and returns what it finds."""


async def violations(
    rows: Rows, users: Collection[str], *, items: int = ITEMS, engine: str = ""
) -> list[str]:
    """What is wrong with the users' orders, which were placed and never changed since.

    Each is there whole, with so many items, and the numbers of each user are 1, 2, 3 and so on.
    Tables that the engine can check by itself are checked as well.
    """
    found: list[str] = []
    whose = f"WHERE user_id IN ({', '.join(repr(user) for user in users)})"
    orders = await rows(f"SELECT id, user_id, order_number, status, version FROM orders {whose}")
    ids = {row[0] for row in orders}
    for table in ("order_items", "order_words", "order_events", "idempotency_keys"):
        orphans = {row[0] for row in await rows(f"SELECT order_id FROM {table} {whose}")} - ids
        found += [f"{table} has rows of {id_}, which is no order" for id_ in sorted(orphans)]
    for table, expected in (("order_items", items), ("order_words", 1), ("order_events", 1)):
        there = Counter(row[0] for row in await rows(f"SELECT order_id FROM {table} {whose}"))
        found += [
            f"{id_} has {there[id_]} rows in {table}, not {expected}"
            for id_ in sorted(ids)
            if there[id_] != expected
        ]
    columns = "order_id, user_id, order_version, type, to_status"
    events = await rows(f"SELECT {columns} FROM order_events {whose}")
    placed = {(id_, user, version, "created", status) for id_, user, _, status, version in orders}
    found += [f"an event tells another thing: {event}" for event in sorted({*events} - placed)]
    numbers: dict[str, list[int]] = defaultdict(list)
    for _, user, number, _, _ in orders:
        numbers[user].append(number)
    for user, given in numbers.items():
        if sorted(given) != list(range(1, len(given) + 1)):
            found.append(f"the numbers of {user} have gaps or twins: {sorted(given)}")
    last: dict[str, int] = dict(
        await rows(f"SELECT user_id, last_order_number FROM order_counters {whose}")
    )
    found += [
        f"the counter of {user} is at {last.get(user)}, with {len(given)} orders"
        for user, given in numbers.items()
        if last.get(user) != len(given)
    ]
    if engine == "sqlite":
        found += [
            f"integrity_check: {row}"
            for row in await rows("PRAGMA integrity_check")
            if row != ("ok",)
        ]
        found += [f"foreign_key_check: {row}" for row in await rows("PRAGMA foreign_key_check")]
    return found
