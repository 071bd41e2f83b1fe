"""A deadline for what one operation does in the database, however many times it goes there."""

import asyncio

from app.domain.errors import TimedOut


class Deadline:
    """A time of the running event loop.

    Args:
        limit_s: How many seconds from now it is.
    """

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self._loop = asyncio.get_running_loop()
        self.at_s = self._loop.time() + limit_s

    @property
    def is_past(self) -> bool:
        """Whether it has passed."""
        return self._loop.time() >= self.at_s

    def left_s(self, most_s: float | None = None) -> float:
        """How many seconds are left until then, or a number of them, if that is less."""
        left_s = max(self.at_s - self._loop.time(), 0)
        return left_s if most_s is None else min(left_s, most_s)

    def check(self) -> None:
        """Go on only before it.

        Raises:
            TimedOut: it has passed.
        """
        if self.is_past:
            raise TimedOut(self.limit_s)
