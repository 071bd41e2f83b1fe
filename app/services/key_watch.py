"""Keys that are in use for long: whether each still works, asked for all of them at once."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from app.db.engine import Database
from app.domain import clock
from app.domain.errors import AppError, Forbidden, Unavailable, UnknownKey
from app.domain.principal import Principal, Scope
from app.services.auth import current_scopes

log = structlog.stdlib.get_logger()

# A revoked key must stop within 2 seconds, the time of the look-up included.
_CHECK_EVERY_S = 1.5
_KEYS_PER_STATEMENT = 1_000


class _Watch:
    """Someone who uses a key, and what to call when it works no more."""

    __slots__ = ("on_end", "principal")

    def __init__(self, principal: Principal, on_end: Callable[[AppError], None]) -> None:
        self.principal = principal
        self.on_end = on_end


class KeyWatch:
    """Asks every 1.5 seconds about the keys in use, while there are any."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._watches: set[_Watch] = set()
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def watching(self, principal: Principal, on_end: Callable[[AppError], None]) -> Iterator[None]:
        """Meanwhile, call `on_end` once when the key is revoked, expires or loses a scope."""
        watch = _Watch(principal, on_end)
        self._watches.add(watch)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._check_again_and_again())
        try:
            yield
        finally:
            self._watches.discard(watch)

    async def _check_again_and_again(self) -> None:
        while self._watches:
            await asyncio.sleep(_CHECK_EVERY_S)
            try:
                await self._check()
            except Unavailable:
                log.warning("keys in use could not be checked; it will be tried again")

    async def _check(self) -> None:
        watches = list(self._watches)
        ids = sorted({watch.principal.key_id for watch in watches})
        scopes: dict[str, frozenset[Scope]] = {}
        for start in range(0, len(ids), _KEYS_PER_STATEMENT):
            async with self._database.read() as connection:
                scopes |= await current_scopes(connection, ids[start : start + _KEYS_PER_STATEMENT])
        now = clock.now()
        for watch in watches:
            principal = watch.principal
            at_hand = scopes.get(principal.key_id)
            error: AppError | None = None
            if at_hand is None or (principal.expires_at and principal.expires_at <= now):
                error = UnknownKey()
            elif lost := principal.scopes - at_hand:
                error = Forbidden(min(lost))
            if error is not None and watch in self._watches:
                self._watches.discard(watch)
                watch.on_end(error)

    async def close(self) -> None:
        """Stop asking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
