"""Both ways to answer an operation, and one of them alone where a test is of how it works."""

import pytest

from tests.databases import Databases

_PLAIN = "postgresql, field by field"


@pytest.fixture(scope="session", params=["sqlite", _PLAIN])
def databases(request: pytest.FixtureRequest) -> Databases:
    """Each engine in turn: compiled on one, and field by field on the other.

    `tests/graphql/compiler` compares both ways on both engines; all four would take too long.
    """
    engine = request.param.partition(",")[0]
    found: Databases = request.getfixturevalue(f"{engine}_databases")
    return found


@pytest.fixture(autouse=True)
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is compiled where the parameter says so."""
    call = getattr(request.node, "callspec", None)
    if call is not None and call.params.get("databases") == _PLAIN:
        request.getfixturevalue("plain")


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every operation is executed field by field."""
    monkeypatch.setenv("ORDERS_COMPILED_OPERATIONS", "false")
