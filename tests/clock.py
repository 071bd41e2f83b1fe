"""Moving the one source of time, so that nothing has to wait for a day to pass."""

from datetime import timedelta

import pytest

from app.domain import clock


def move_clock(monkeypatch: pytest.MonkeyPatch, *, seconds: float) -> None:
    """Put both clocks forward from where they stand, until the test ends; they go on running."""
    before = clock.now
    monkeypatch.setattr(clock, "now", lambda: before() + timedelta(seconds=seconds))
    before_s = clock.monotonic_s
    monkeypatch.setattr(clock, "monotonic_s", lambda: before_s() + seconds)
