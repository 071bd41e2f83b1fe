"""Each engine: what is compiled is compared with what is executed field by field."""

import pytest

from tests.databases import Databases


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def databases(request: pytest.FixtureRequest) -> Databases:
    """Each engine in turn."""
    found: Databases = request.getfixturevalue(f"{request.param}_databases")
    return found
