"""How far a long piece of work is, for whoever waits for it."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """Told how far something is: what it does, how much of it is done, and how much there is."""

    tell: Callable[[str, int, int], None]

    def counter(self, what: str, total: int) -> Callable[[int], None]:
        """Something to tell each step to."""
        done = 0

        def step(size: int) -> None:
            nonlocal done
            done += size
            self.tell(what, done, total)

        return step
