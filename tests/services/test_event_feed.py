"""The moments that a listener's changing from the log to the live feed must survive."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from app.domain.ids import EventPosition
from app.domain.principal import Principal
from app.services import event_feed
from app.services.auth import Authenticator
from app.services.event_feed import EventFeed
from app.services.events import EventFilter, EventPage, events_after, last_position, visible_events
from tests.shop import LAMP, InsideShop, counted_statements


async def _principal(shop: InsideShop, key: str) -> Principal:
    return await Authenticator(shop.database).authenticate(shop.keys[key])


async def _end(shop: InsideShop) -> EventPosition:
    async with shop.database.read() as connection:
        return await last_position(connection)


def _feed(shop: InsideShop) -> EventFeed:
    feed: EventFeed = shop.app.state.feed
    return feed


async def test_what_is_committed_between_reading_and_joining_is_not_lost(
    shop: InsideShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin, customer = await _principal(shop, "admin"), await _principal(shop, "customer")
    feed = _feed(shop)
    async with (
        aclosing(feed.events(admin, visible_events(admin), None)) as all_events,
        aclosing(feed.events(customer, visible_events(customer), None)) as own_events,
    ):
        first = asyncio.create_task(anext(all_events))
        while not first.done():
            await shop.add(LAMP, key="other")
            await asyncio.wait([first], timeout=0.02)
        placed: list[str] = []

        async def read_and_wait(
            connection: Any,
            position: EventPosition,
            wanted: EventFilter,
            size: int,
            **more: Any,
        ) -> EventPage:
            page = await events_after(connection, position, wanted, size, **more)
            if wanted.owner == customer.user_id and not placed:
                # The page is read; now the follower, who serves the other listener, passes on.
                await shop.add(LAMP)
                placed.extend(await shop.order_ids())
                async for event in all_events:
                    if event.order_id == placed[0]:
                        break
            return page

        monkeypatch.setattr(event_feed, "events_after", read_and_wait)
        event = await asyncio.wait_for(anext(own_events), 10)
        assert [event.order_id] == placed
        # And once only: what comes next is the next.
        await shop.add(LAMP)
        event = await asyncio.wait_for(anext(own_events), 10)
        assert event.order_id == (await shop.order_ids())[-1]


async def test_the_log_is_read_once_for_all_listeners(shop: InsideShop) -> None:
    admin = await _principal(shop, "admin")
    feed = _feed(shop)
    position = await _end(shop)
    streams = [feed.events(admin, visible_events(admin), position) for _ in range(20)]

    async def reads_until_told() -> int:
        with counted_statements() as statements:
            waiting = [asyncio.create_task(anext(stream)) for stream in streams]
            # Who reads the log by itself finds nothing new, and joins the others.
            seen = -1
            while seen < len(statements):
                seen = len(statements)
                await asyncio.sleep(0.02)
            await shop.add(LAMP)
            heard = {event.position for event in await asyncio.gather(*waiting)}
        assert len(heard) == 1
        return sum("FROM order_events" in statement for statement in statements)

    # Until they have all joined, each reads the log by itself.
    assert min([await reads_until_told() for _ in range(6)]) <= 2
    for stream in streams:
        await stream.aclose()
