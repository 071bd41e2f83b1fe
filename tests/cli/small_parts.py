"""A copy in small parts, to be broken off between them. Light, as its process imports it."""

from app.services import copying


def in_small_parts() -> None:
    """What `Terminal.start` has the process do first."""
    copying.ROWS_AT_ONCE = 20
