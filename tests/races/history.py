"""Whether what happened to an order is one history: the log, replayed, and the row it ends in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple


class Logged(NamedTuple):
    """A row of the log."""

    seq: int
    order_id: str
    version: int
    type: str
    from_status: str | None
    to_status: str | None
    data: dict[str, Any] | None


@dataclass(frozen=True)
class State:
    """An order after an event; None for all of it while it is deleted."""

    version: int
    status: str | None
    address: str | None

    @property
    def exists(self) -> bool:
        return self.status is not None


def replay(address: str, events: Sequence[Logged]) -> list[State]:
    """The states of an order after each of its events; fails where one does not follow another."""
    states: list[State] = []
    deleted: State | None = None
    for position, event in enumerate(events):
        assert event.version == position, events
        before = states[-1] if states else None
        data = event.data or {}
        match event.type:
            case "created":
                assert before is None, events
                assert event.from_status is None, events
                after = State(event.version, event.to_status, address)
            case "status_changed":
                assert before, events
                assert before.status == event.from_status != event.to_status, events
                after = State(event.version, event.to_status, before.address)
            case "address_changed":
                assert before, events
                assert before.status == event.from_status == event.to_status == "pending", events
                assert before.address == data["from_address"], events
                after = State(event.version, before.status, data["to_address"])
            case "deleted":
                assert before, events
                assert before.exists, events
                assert (before.status, None) == (event.from_status, event.to_status), events
                kept = data["order"]
                assert State(kept["version"], kept["status"], kept["address"]) == before, events
                deleted, after = before, State(event.version, None, None)
            case "restored":
                assert before, events
                assert deleted, events
                assert not before.exists, events
                assert (None, deleted.status) == (event.from_status, event.to_status), events
                after = State(event.version, deleted.status, deleted.address)
            case other:
                raise AssertionError(other)
        states.append(after)
    return states
