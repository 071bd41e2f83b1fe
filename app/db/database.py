"""What every engine offers: a way in for reads, one for changes, and word of what others commit."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import stamina
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.deadline import Deadline
from app.db.prepared import Bound
from app.db.steps import Steps, drive
from app.domain.errors import Contended

T = TypeVar("T")

_ATTEMPTS = 5
_FIRST_WAIT_S = 0.02
_LONGEST_WAIT_S = 0.5


@dataclass(frozen=True, slots=True)
class PoolUse:
    """A pool's connections: how many it may have, how many are open, and how many are in use."""

    size: int
    open: int
    in_use: int


class Database(ABC):
    """A database, whichever engine it is on. It is connected to when it is used first."""

    engine: str
    """Its kind: `sqlite` or `postgresql`."""
    reads_at_once: ClassVar[bool] = False
    """Whether `at_once` may have rows."""

    def __init__(self) -> None:
        self.on_commit: Callable[[], None] | None = None
        """Called after each commit of this process, and of others where they tell of theirs."""

    @property
    @abstractmethod
    def place(self) -> str:
        """Where it is, for a person: without a password."""

    @property
    @abstractmethod
    def companion(self) -> Path:
        """A path on this machine; files of ours that belong to the database lie beside it."""

    @property
    @abstractmethod
    def pools(self) -> Mapping[str, PoolUse]:
        """This process's connections now: those for `reading`, and those for `changes`."""

    @abstractmethod
    async def exists(self, until: Deadline | None = None) -> bool:
        """Whether there is a database, with tables or without.

        Raises:
            Unavailable: that can't be told now, or somebody has to make it first.
            TimedOut: it was not told by the deadline.
        """

    @abstractmethod
    async def take_changes(self, until: Deadline) -> None:
        """Wait until a change could begin.

        Raises:
            Unavailable: none can now.
            TimedOut: none could by the deadline.
        """

    @abstractmethod
    async def remarks(self, processes: int) -> Sequence[str]:
        """What whoever runs the service should know about how it is set up, a sentence each.

        Args:
            processes: How many of them use the database so, on this machine.

        Raises:
            Unavailable: as for `read`.
        """

    @abstractmethod
    def read(self, until: Deadline | None = None) -> AbstractAsyncContextManager[AsyncConnection]:
        """A connection for reading; each statement sees the latest commit.

        Raises:
            Unavailable: the database is missing, not set up, can't be reached, or is too busy.
            TimedOut: it was not done by the deadline.
        """

    async def query(
        self, work: Callable[[AsyncConnection], Awaitable[T]], until: Deadline | None = None
    ) -> T:
        """Do work that only reads what anybody asks for; on a replica, where there is one.

        It sees whatever was committed before this was called. It is not for the event log as a
        whole: how far that is complete, only the primary can tell.

        Args:
            work: What to do. It may be called twice, if a replica fails in the middle.
            until: When to give up.

        Raises:
            Unavailable: as for `read`.
            TimedOut: as for `read`.
        """
        async with self.read(until) as connection:
            return await work(connection)

    async def fetch(
        self, reads: Sequence[Bound], until: Deadline | None = None, *, short: bool = False
    ) -> list[Sequence[Sequence[Any]]]:
        """The rows of some statements, as the driver has them, each with the latest commit.

        As for `query`, they may come from a replica.

        Args:
            reads: The statements, for this engine.
            until: When to give up.
            short: They are expected to take a few milliseconds at the most.

        Raises:
            Unavailable: as for `read`.
            TimedOut: as for `read`.
        """

        async def work(connection: AsyncConnection) -> list[Sequence[Sequence[Any]]]:
            return [await self.rows(connection, read) for read in reads]

        return await self.query(work, until)

    async def latest(self, read: Bound, until: Deadline | None = None) -> Sequence[Sequence[Any]]:
        """The rows of a statement, as the driver has them; never from a replica.

        Raises:
            Unavailable: as for `read`.
            TimedOut: as for `read`.
        """
        async with self.read(until) as connection:
            return await self.rows(connection, read)

    def at_once(self, reads: Sequence[Bound]) -> list[Sequence[Sequence[Any]]] | None:
        """The rows of some short statements, read while whoever asks waits; None if that can't be.

        Nothing is wrong then: `fetch` has them, or a word for why not.
        """
        return None

    async def rows(self, connection: AsyncConnection, read: Bound) -> Sequence[Sequence[Any]]:
        """The rows of a statement by a connection that one has, as the driver has them."""
        driver = (await connection.get_raw_connection()).driver_connection
        return await self._fetched(driver, read)

    @abstractmethod
    async def _fetched(self, driver: Any, read: Bound) -> Sequence[Sequence[Any]]:
        """The rows of a statement, by a connection of the driver."""

    @abstractmethod
    def snapshot(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A connection for reading, also for streams: all statements see the same moment.

        Raises:
            Unavailable: as for `read`.
        """

    @abstractmethod
    def transaction(
        self, until: Deadline | None = None
    ) -> AbstractAsyncContextManager[AsyncConnection]:
        """A connection in a transaction: committed on leaving, rolled back on an error.

        Raises:
            Unavailable: as for `read`. If the database is lost during the commit, nobody knows
                whether the change was made; whoever sends an idempotency key may send it again.
            Contended: others were in the way, and nothing was changed; see `write`.
            TimedOut: it was not done by the deadline, and nothing was changed. A commit that has
                begun is not interrupted, so a change is made and told, or not made.
        """

    async def write(
        self, work: Callable[[AsyncConnection], Awaitable[T]], until: Deadline | None = None
    ) -> T:
        """Do work in a transaction; all of it again, a few times, where others were in the way.

        Args:
            work: What to do. It may be called several times, and each time is the first one for
                the database.
            until: When to give up.

        Raises:
            Contended: others were in the way each time; nothing was changed.
            Unavailable: as for `transaction`.
            TimedOut: as for `transaction`.
        """

        async def attempt() -> T:
            async with self.transaction(until) as connection:
                return await work(connection)

        return await self._persistently(attempt, until)

    async def perform(
        self, make: Callable[[], Steps[T]], until: Deadline | None = None, *, short: bool = True
    ) -> T:
        """Carry out a change in a transaction; a few short steps are the fast way to write.

        It is done or not done as a whole, as by `write`, and tried again like there.

        Args:
            make: Makes the change. It may be called several times, and each time is the first one
                for the database.
            until: When to give up.
            short: Its steps are expected to take a few milliseconds at the most.

        Raises:
            Contended: as for `write`.
            Unavailable: as for `transaction`.
            TimedOut: as for `transaction`.
        """
        if short:
            return await self._persistently(lambda: self._perform(make, until), until)
        return await self.write(lambda connection: drive(connection, make()), until)

    @abstractmethod
    async def _perform(self, make: Callable[[], Steps[T]], until: Deadline | None) -> T:
        """Carry out a change, once."""

    async def _persistently(self, attempt: Callable[[], Awaitable[T]], until: Deadline | None) -> T:
        """Try a few times, for as long as others are in the way."""
        try:
            return await attempt()
        except Contended as error:
            failed: Contended | None = error

        def is_worth_another(error: Exception) -> bool:
            return isinstance(error, Contended) and not (until is not None and until.is_past)

        # Made only now, as it takes longer than a short change does.
        attempts = stamina.retry_context(
            on=is_worth_another,
            attempts=_ATTEMPTS,
            timeout=None,
            wait_initial=_FIRST_WAIT_S,
            wait_max=_LONGEST_WAIT_S,
            wait_jitter=_FIRST_WAIT_S,
        )
        async for again in attempts:
            with again:
                if failed is not None:
                    first, failed = failed, None
                    raise first
                return await attempt()
        raise AssertionError("the last attempt raises")

    @abstractmethod
    async def expect_bulk(self) -> None:
        """Prepare for large transactions, one after the other.

        Raises:
            Unavailable: as for `read`.
        """

    @abstractmethod
    async def log_version(self) -> int:
        """A number that is another one when more of the event log can be read. Cheap to ask for.

        Raises:
            Unavailable: as for `read`.
        """

    @abstractmethod
    async def create(self) -> None:
        """Make an empty database where there is none, if that is for us to do.

        Raises:
            Unavailable: it can't be made or reached.
        """

    @abstractmethod
    async def dispose(self) -> None:
        """Close every connection."""
