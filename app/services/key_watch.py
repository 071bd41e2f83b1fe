"""Keys that are in use for long: whether each still works, asked for all of them at once."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import structlog

from app.db.database import Database
from app.domain import clock
from app.domain.errors import AppError, Forbidden, Unavailable, UnknownKey
from app.domain.principal import Principal, Scope
from app.services.auth import LEGACY_KEY_ID, current_scopes

log = structlog.stdlib.get_logger()

# A revoked key must stop within 2 seconds, the time of the look-up included.
_CHECK_EVERY_S = 1.5
_KEYS_PER_STATEMENT = 1_000


class KeyWatch:
    """Asks every 1.5 seconds about the keys in use, while there are any.

    And at once about a new one: it was looked up some time before it got here.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        # What to call when a key works no more. Many may use the same one.
        self._watches: dict[Principal, set[Callable[[AppError], None]]] = {}
        self._task: asyncio.Task[None] | None = None
        self._has_new = asyncio.Event()

    @contextmanager
    def watching(self, principal: Principal, on_end: Callable[[AppError], None]) -> Iterator[None]:
        """Meanwhile, call `on_end` once when the key is revoked, expires or loses a scope."""
        self._watches.setdefault(principal, set()).add(on_end)
        self._has_new.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._check_again_and_again())
        try:
            yield
        finally:
            if watches := self._watches.get(principal):
                watches.discard(on_end)
                if not watches:
                    del self._watches[principal]

    async def _check_again_and_again(self) -> None:
        while self._watches:
            with suppress(TimeoutError):
                async with asyncio.timeout(_CHECK_EVERY_S):
                    await self._has_new.wait()
            self._has_new.clear()
            try:
                await self._check()
            except Unavailable:
                log.warning("keys in use could not be checked; it will be tried again")

    async def _check(self) -> None:
        ids = sorted({principal.key_id for principal in self._watches})
        scopes: dict[str, frozenset[Scope]] = {}
        for start in range(0, len(ids), _KEYS_PER_STATEMENT):
            async with self._database.read() as connection:
                scopes |= await current_scopes(connection, ids[start : start + _KEYS_PER_STATEMENT])
        now = clock.now()
        asked = set(ids)
        for principal in [one for one in self._watches if one.key_id in asked]:
            # A legacy token has no record: it works until it expires.
            is_legacy = principal.key_id == LEGACY_KEY_ID
            at_hand = principal.scopes if is_legacy else scopes.get(principal.key_id)
            error: AppError
            if at_hand is None or (principal.expires_at and principal.expires_at <= now):
                error = UnknownKey()
            elif lost := principal.scopes - at_hand:
                error = Forbidden(min(lost))
            else:
                continue
            for on_end in self._watches.pop(principal):
                on_end(error)

    async def close(self) -> None:
        """Stop asking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
