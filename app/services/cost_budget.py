"""How much a key may ask for: a budget of points that refills by the second.

It is kept in memory, so each server process has budgets of its own. What is remembered is bounded:
past that, the keys that were not heard of for longest start again with a full budget.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass

from app.domain import clock
from app.domain.errors import Throttled
from app.domain.principal import Principal

_MAX_KEYS = 10_000


@dataclass(slots=True)
class _Bucket:
    left: float
    at_s: float


@dataclass(frozen=True, slots=True)
class Standing:
    """A key's budget at the moment, in points; `restore_per_s` is what it gets back a second."""

    maximum: int
    left: int
    restore_per_s: int


class CostBudget:
    """The budgets of all keys.

    Args:
        maximum: The points of a full budget; 0 for no budget at all.
        restore_per_s: The points that come back in a second.
    """

    def __init__(self, maximum: int, restore_per_s: int) -> None:
        self._maximum = maximum
        self._restore_per_s = restore_per_s
        self._buckets: OrderedDict[tuple[str, str], _Bucket] = OrderedDict()

    @property
    def is_on(self) -> bool:
        """Whether there is a budget."""
        return self._maximum > 0

    def spend(self, principal: Principal, cost: int) -> None:
        """Take points from the budget of the caller's key.

        Raises:
            Throttled: it does not hold as many; nothing was taken.
        """
        if not self._maximum:
            return
        bucket = self._bucket(principal)
        if bucket.left < cost:
            wait_s = math.ceil((cost - bucket.left) / self._restore_per_s)
            raise Throttled(cost, int(bucket.left), max(1, wait_s))
        bucket.left -= cost

    def settle(self, principal: Principal, cost: int) -> Standing:
        """Give points back, or take what was not known before: then the budget may go below 0.

        What came back meanwhile counts from the next time on, so that the figures of one operation
        go together.
        """
        bucket = self._buckets.get(_key_of(principal)) or self._bucket(principal)
        bucket.left = min(self._maximum, bucket.left + cost)
        return Standing(self._maximum, max(0, int(bucket.left)), self._restore_per_s)

    def _bucket(self, principal: Principal) -> _Bucket:
        now_s = clock.monotonic_s()
        key = _key_of(principal)
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(self._maximum, now_s)
            if len(self._buckets) > _MAX_KEYS:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
            restored = (now_s - bucket.at_s) * self._restore_per_s
            bucket.left = min(self._maximum, bucket.left + restored)
            bucket.at_s = now_s
        return bucket


def _key_of(principal: Principal) -> tuple[str, str]:
    # With the user: keys that are no records of ours, such as tokens, share an id.
    return principal.user_id, principal.key_id
