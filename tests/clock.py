"""Moving the one source of time, so that nothing has to wait for a day to pass."""

from datetime import timedelta

import pytest

from app.domain import clock


def move_clock(monkeypatch: pytest.MonkeyPatch, *, seconds: float) -> None:
    """Put the clock forward from where it stands, until the test ends; it goes on running."""
    before = clock.now
    monkeypatch.setattr(clock, "now", lambda: before() + timedelta(seconds=seconds))
