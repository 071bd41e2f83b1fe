"""How large an answer gets while it is made, and how long others wait for it.

Before execution only page sizes are known. How many items an order has, and how long a text is,
shows when they are read: so the same limit is held again then, before what was read is made a part
of the answer. A large answer is made in parts, between which everybody else has their turn.
"""

import asyncio
from collections import deque
from collections.abc import Iterable

from app.domain.order import Order
from app.graphql.limits import LimitExceeded, Limits

TEXT_LENGTH = 100
"""So many characters of a text count as one more value."""
OWN_TURN = 20
"""Fewer values do not wait for a turn: that would take longer than they do."""
# Some 10 ms of work.
_VALUES_PER_TURN = 2_500


class Turns:
    """Turns of all large answers of a process: so many values, then the event loop goes round."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._taken = 0

    def take(self, values: int) -> None:
        """Count what is made at once."""
        if not self._taken and values:
            asyncio.get_running_loop().call_soon(self._go_on)
        self._taken += values

    def next(self, values: int) -> asyncio.Future[None] | None:
        """What to wait for before so many values are made; None when they can be made at once."""
        if not self._waiting and self._taken < _VALUES_PER_TURN:
            self.take(values)
            return None
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((values, turn))
        return turn

    def _go_on(self) -> None:
        # What is woken here runs before this is called again: both stand in the loop's queue.
        self._taken = 0
        while self._waiting and self._taken < _VALUES_PER_TURN:
            values, turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                self.take(values)


class AnswerSize:
    """The size of one answer so far, held against the limit `values`."""

    def __init__(self, limits: Limits, turns: Turns) -> None:
        self._limit = limits.values
        self._turns = turns
        self.restart()

    def restart(self) -> None:
        """Begin again: each event of a subscription is an answer of its own."""
        self._values = 0
        self._read = 0
        self._made = 0

    @property
    def is_exceeded(self) -> bool:
        """Whether it was more than it may be."""
        return max(self._values, self._read) > self._limit

    def check(self) -> None:
        """Go on only within the limit.

        Raises:
            LimitExceeded: the answer has too many values, or orders with too many items were read.
        """
        if self.is_exceeded:
            raise LimitExceeded(
                "values",
                "a number of values",
                self._limit,
                max(self._values, self._read),
                advice=" Ask for smaller pages.",
            )

    def add(self, values: int, *, limited: bool = True) -> None:
        """Count values, before they are made. Those of introspection have limits of their own.

        Raises:
            LimitExceeded: they are too many.
        """
        self._made += values
        if limited:
            self._values += values
            self.check()

    def add_read(self, orders: Iterable[Order]) -> None:
        """Count what was read with orders, whether or not it is asked for.

        Raises:
            LimitExceeded: it is too much.
        """
        self._read += sum(len(order.items) + len(order.address) // TEXT_LENGTH for order in orders)
        self.check()

    def turn(self, values: int) -> asyncio.Future[None] | None:
        """What to wait for before so many values are made; small answers never wait."""
        if values >= OWN_TURN and self._made > _VALUES_PER_TURN:
            return self._turns.next(values)
        self._turns.take(values)
        return None
