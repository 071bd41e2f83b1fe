"""Tokens of the legacy shop in long use: they have no record, and end when they expire."""

import asyncio

import pytest

from app.domain.errors import AppError
from app.services import key_watch
from app.services.auth import Authenticator
from app.services.key_watch import KeyWatch
from tests.clock import move_clock
from tests.contract.test_legacy_tokens import HOURS_10, SHARED, claims, signed
from tests.shop import Shop


async def test_a_legacy_token_works_until_it_expires(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_watch, "_CHECK_EVERY_S", 0.02)
    authenticator = Authenticator(shop.database, [SHARED])
    for_ten_hours = claims()
    longer = claims() | {"exp": for_ten_hours["exp"] + HOURS_10}
    watch = KeyWatch(shop.database)
    ended: asyncio.Queue[tuple[str, AppError]] = asyncio.Queue()
    with (
        watch.watching(
            await authenticator.authenticate(signed(for_ten_hours)),
            lambda error: ended.put_nowait(("for ten hours", error)),
        ),
        watch.watching(
            await authenticator.authenticate(signed(longer)),
            lambda error: ended.put_nowait(("longer", error)),
        ),
    ):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ended.get(), 0.2)
        move_clock(monkeypatch, seconds=HOURS_10 + 1)
        token, error = await asyncio.wait_for(ended.get(), 10)
        assert (token, str(error)) == ("for ten hours", "The API key is not valid.")
        move_clock(monkeypatch, seconds=HOURS_10)
        assert (await asyncio.wait_for(ended.get(), 10))[0] == "longer"
    await watch.close()
