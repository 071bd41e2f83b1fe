"""Tests, by the layer whose door they use."""

# First of all, so that tests have the SQLite library that the service has: two in a process would
# not see each other's locks on a file.
import app.db  # noqa: F401
