"""A round of what `bench.crash` does ten times: servers are killed while orders are placed."""

import asyncio

import pytest

from bench.crash import POSTGRESQL, SERVERS, crashes


@pytest.mark.parametrize(
    ("engine", "victim"),
    [("sqlite", SERVERS), ("postgresql", SERVERS), ("postgresql", POSTGRESQL)],
)
def test_no_order_is_lost_doubled_or_half_there(engine: str, victim: str) -> None:
    with crashes(engine, seed=7, servers=1) as shop:
        assert asyncio.run(shop.run(victim, 1)) == []
        (done,) = shop.rounds
    assert done.acknowledged
    assert done.unanswered
