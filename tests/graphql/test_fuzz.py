"""Two thousand generated operations: no failure of the server, and every answer fits the schema."""

from typing import Any, ClassVar

import pytest
from graphql import parse
from structlog.testing import capture_logs

from tests.databases import Databases
from tests.graphql.answers import well_formed
from tests.graphql.fuzzing import SCHEMA, fuzz, open_both_ways
from tests.shop import TABLE


@pytest.fixture(scope="session")
def databases(sqlite_databases: Databases) -> Databases:
    """One engine, and both ways: `tests/graphql/compiler` compares them on the other one, too."""
    return sqlite_databases


async def test_answers_to_generated_operations(database_url: str) -> None:
    """`python -m bench.fuzz` does this for as long as one likes."""
    async with open_both_ways(database_url) as (shop, plain):
        with capture_logs() as logs:
            found = await fuzz(shop, plain, each=15, fillings=8, start=1)
    assert {entry["log_level"] for entry in logs} == {"info"}
    assert found.operations > 2000
    assert found.compared > 1000
    assert found.refused_documents == 45
    # They get far enough: to nearly every field, to changes, and to most reasons to refuse one.
    assert found.with_data > 800
    assert found.changes > 80
    assert len(found.unseen) <= 5, found.unseen
    assert set(found.user_errors) >= {"INVALID", "NOT_FOUND", "OUT_OF_RANGE", "CONFLICT"}


class TestWellFormed:
    """The check itself: it must see what is wrong."""

    QUERY = """{ me { name mail: email isAdmin } scopes
        order(id: "x") { number createdAt total { amount } }
        node(id: "x") { __typename ... on Product { name } ... on Node { id } } }"""
    GOOD: ClassVar[dict[str, Any]] = {
        "me": {"name": "Ann", "mail": None, "isAdmin": False},
        "scopes": ["ADMIN"],
        "order": {
            "number": 1,
            "createdAt": "2024-11-30T09:15:00.000Z",
            "total": {"amount": "19.99"},
        },
        "node": {"__typename": "Product", "name": "table", "id": TABLE},
    }
    PROBLEM: ClassVar[dict[str, Any]] = {
        "message": "No.",
        "locations": [],
        "path": ["order", "total", "amount"],
        "extensions": {"code": "TIMEOUT"},
    }

    def test_good_answers(self) -> None:
        well_formed(SCHEMA, parse(self.QUERY), {"data": self.GOOD, "extensions": {}})
        user = {"__typename": "User", "id": TABLE}
        well_formed(SCHEMA, parse(self.QUERY), {"data": self.GOOD | {"node": user}})
        lost = {"data": self.GOOD | {"order": None}, "errors": [self.PROBLEM]}
        well_formed(SCHEMA, parse(self.QUERY), lost)
        nothing = {"data": None, "errors": [self.PROBLEM | {"path": ["me", "name"]}]}
        well_formed(SCHEMA, parse(self.QUERY), nothing)

    @pytest.mark.parametrize(
        ("change", "complaint"),
        [
            ({"me": None}, "data.me is null, but of type User!"),
            ({"me": []}, "data.me is no object"),
            ({"me": {"name": "Ann", "email": None, "isAdmin": False}}, "not ['name', 'mail',"),
            ({"me": {"mail": None, "name": "Ann", "isAdmin": False}}, "not ['name', 'mail',"),
            ({"me": {"name": 1, "mail": None, "isAdmin": False}}, "1, which is no String"),
            ({"me": {"name": "Ann", "mail": None, "isAdmin": 1}}, "1, which is no Boolean"),
            ({"scopes": ["admin"]}, "data.scopes[0] is 'admin', which is no Scope"),
            ({"scopes": [None]}, "data.scopes[0] is null, but of type Scope!"),
            ({"scopes": "ADMIN"}, "data.scopes is no list"),
            ({"order": GOOD["order"] | {"number": True}}, "True, which is no Int"),
            ({"order": GOOD["order"] | {"number": 2**31}}, "which is no Int"),
            ({"order": GOOD["order"] | {"createdAt": "2024-11-30"}}, "which is no DateTime"),
            ({"order": GOOD["order"] | {"total": {"amount": "1.5"}}}, "which is no Decimal"),
            ({"node": {"__typename": "Money", "id": TABLE}}, "is a Money, no Node"),
            ({"node": {"__typename": "User", "name": "x", "id": TABLE}}, "data.node has"),
            ({"node": {"__typename": "User", "id": TABLE.upper()}}, "which is no ID"),
        ],
    )
    def test_bad_data(self, change: dict[str, Any], complaint: str) -> None:
        with pytest.raises(AssertionError) as raised:
            well_formed(SCHEMA, parse(self.QUERY), {"data": self.GOOD | change})
        assert complaint in str(raised.value)

    @pytest.mark.parametrize(
        "answer",
        [
            {"data": None},
            {"data": None, "errors": []},
            {"data": GOOD, "errors": []},
            {"data": GOOD, "error": "x"},
            {"data": GOOD, "errors": [PROBLEM]},
            {"data": GOOD | {"order": None}, "errors": [{"message": "No."}]},
        ],
    )
    def test_bad_errors(self, answer: dict[str, Any]) -> None:
        with pytest.raises(AssertionError):
            well_formed(SCHEMA, parse(self.QUERY), answer)
