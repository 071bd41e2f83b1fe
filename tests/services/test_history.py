"""Racing changes end in one serial history, and the log tells it."""

import asyncio
import random
from itertools import pairwise

from app.services.auth import Authenticator
from tests.shop import LAMP, Shop


async def test_racing_changes_are_one_after_the_other(shop: Shop) -> None:
    chance = random.Random(7)  # noqa: S311 (a fixed order of calls)
    for _ in range(6):
        await shop.add(LAMP)
    ids = await shop.order_ids()
    calls = []
    for _ in range(60):
        some = chance.sample(ids, 3)
        if chance.random() < 0.15:
            calls.append(shop.rest("POST", "/orders/delete", {"orderId": some[:1]}))
        else:
            status = chance.choice(["pending", "delivery", "completed"])
            items = [{"orderId": id_, "status": status} for id_ in some]
            calls.append(shop.rest("POST", "/orders/change-status", {"items": items}, key="admin"))
    answers = await asyncio.gather(*calls)
    assert {answer.status_code for answer in answers} == {200}
    for id_ in ids:
        events = await shop.rows(
            "SELECT type, from_status, to_status, order_version FROM order_events"
            f" WHERE order_id = '{id_}' ORDER BY seq"
        )
        assert [version for *_, version in events] == list(range(len(events)))
        assert events[0][0] == "created"
        for before, after in pairwise(events):
            assert before[2] == after[1]  # each change starts from where the last one ended
            assert before[0] != "deleted"
        left = await shop.rows(f"SELECT status, version FROM orders WHERE id = '{id_}'")
        last = events[-1]
        assert left == ([] if last[0] == "deleted" else [(last[2], last[3])])


async def test_last_use_of_keys_is_written_to_the_minute(shop: Shop) -> None:
    authenticator = Authenticator(shop.database)
    await authenticator.authenticate(shop.keys["customer"])
    await authenticator.write_use()
    used = await shop.rows("SELECT last_used_at FROM api_keys WHERE last_used_at IS NOT NULL")
    assert len(used) == 1
    assert used[0][0].endswith(":00.000000Z")
