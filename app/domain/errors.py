"""Every failure that a caller can cause, and the one that the machine can.

    AppError
    ├── Unauthenticated      no key that we know
    │   ├── MissingKey       none was sent
    │   └── UnknownKey       one was sent: unknown, expired or revoked
    ├── Forbidden            the key lacks a scope
    ├── InvalidInput         something in the input was refused; nothing was changed
    ├── Throttled            the key's budget is used up for now
    ├── TimedOut             the operation took too long; what was under way is undone
    ├── Unavailable          the database can't answer now; try again later
    │   └── Contended        others changed the same at the same time; try again soon
    ├── TooManyStreams       the process has as many listeners as it may have
    └── StreamEnded          a stream of events ends before the listener wants it to
        ├── SlowConsumer     the listener takes nothing of what waits for it
        └── Stopping         the server stops

Services raise them; each door has one place that turns them into its own answers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.domain.ids import EventPosition


class ProblemCode(StrEnum):
    """Why an input was refused."""

    INVALID = "INVALID"
    NOT_FOUND = "NOT_FOUND"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    CONFLICT = "CONFLICT"
    IDEMPOTENCY_MISMATCH = "IDEMPOTENCY_MISMATCH"


@dataclass(frozen=True, slots=True)
class Problem:
    """One refused input.

    `path` leads to it from the use case's input, in the service's names and with list positions:
    `("items", 0, "quantity")`. Each door writes it in its own names. `message` is the rest of a
    sentence whose subject is that field: "must be 1 or more".
    """

    code: ProblemCode
    path: tuple[str | int, ...]
    message: str


class AppError(Exception):
    """A failure with a sentence that a caller may read."""


class Unauthenticated(AppError):
    """No key that we know came with the request."""


class MissingKey(Unauthenticated):
    """No key came with the request."""

    def __init__(self) -> None:
        super().__init__("This needs an API key in the Authorization header.")


class UnknownKey(Unauthenticated):
    """The key is unknown, expired or revoked; which of these is not told."""

    def __init__(self) -> None:
        super().__init__("The API key is not valid.")


class Forbidden(AppError):
    """The key is good, but lacks a scope."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"This needs a key with the scope {scope}.")
        self.scope = scope


class InvalidInput(AppError):
    """The input has at least one problem, and nothing was changed."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(describe(problem) for problem in problems))
        self.problems: Sequence[Problem] = problems

    @classmethod
    def single(
        cls, message: str, *path: str | int, code: ProblemCode = ProblemCode.INVALID
    ) -> "InvalidInput":
        """An error with one problem."""
        return cls(Problem(code, path, message))


class Throttled(AppError):
    """The key's budget does not hold what this costs. `retry_after_s` is when it will."""

    def __init__(self, cost: int, left: int, retry_after_s: int) -> None:
        super().__init__(
            f"This costs {cost} points, and the key's budget has {left} left."
            f" Try again in {retry_after_s} s."
        )
        self.cost = cost
        self.left = left
        self.retry_after_s = retry_after_s


class TimedOut(AppError):
    """The operation reached its time limit before this part of it was done."""

    def __init__(self, limit_s: float) -> None:
        super().__init__(
            f"An operation may take at most {limit_s:g} s; this part of it was not done by then."
        )
        self.limit_s = limit_s


@dataclass(frozen=True, slots=True)
class Fault:
    """Why the database can't be used. No part of it holds a password.

    `reason` is short and general, and may be told to whoever looks at a probe. The others are for
    who runs the service: where the database is, what the machine said, and what can be done.
    """

    place: str
    reason: str
    detail: str = ""
    advice: str = ""
    can_pass: bool = True
    """Whether it may be over in a moment, with nobody doing anything."""

    def __str__(self) -> str:
        """All of it, as a sentence without its end."""
        detail = f" ({self.detail})" if self.detail else ""
        advice = f"; {self.advice}" if self.advice else ""
        return f"the database at {self.place} can't be used: {self.reason}{detail}{advice}"


class Unavailable(AppError):
    """The database can't answer now: unreachable, busy for too long, or not set up.

    Callers get one message, whatever the fault is.
    """

    message = "The service is not ready. Try again in a moment."
    retry_after_s = 1

    def __init__(self, fault: Fault | None = None) -> None:
        super().__init__(self.message)
        self.fault = fault

    @property
    def reason(self) -> str:
        """What is wrong, for whoever runs the service: no password, statement or value."""
        return str(self.fault or self)


class Contended(Unavailable):
    """Others changed the same at the same time, again and again, and nothing was changed."""

    message = "Others are changing the same at this moment. Try again."


class TooManyStreams(AppError):
    """The process has as many listeners as it may have."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"A server process has at most {limit} subscriptions. Try again later.")


class StreamEnded(AppError):
    """A stream of events ends before the listener wants it to.

    `resume_after` is the position of the last event that was handed out, to go on from.
    """

    def __init__(self, message: str, resume_after: EventPosition) -> None:
        super().__init__(message)
        self.resume_after = resume_after


class SlowConsumer(StreamEnded):
    """The listener takes nothing, and more events wait than are kept for it."""

    def __init__(self, buffer_size: int, resume_after: EventPosition) -> None:
        super().__init__(
            f"The stream was not read: more than {buffer_size} events are waiting."
            " Subscribe again with `after` set to `resumeAfter`.",
            resume_after,
        )


class Stopping(StreamEnded):
    """The server stops."""

    def __init__(self, resume_after: EventPosition) -> None:
        super().__init__(
            "The server is stopping. Subscribe again with `after` set to `resumeAfter`.",
            resume_after,
        )


def describe(problem: Problem, rename: Callable[[str], str] = str) -> str:
    """A problem as a sentence that names the field: `items[0].quantity must be 1 or more.`.

    Args:
        problem: What was refused.
        rename: Gives the door's name for one of the service's.
    """
    path = ""
    for step in problem.path:
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            path += ("." if path else "") + rename(step)
    return f"{path} {problem.message}."
