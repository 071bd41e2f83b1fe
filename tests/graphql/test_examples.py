"""docs/examples.md: each operation is executed on the demo shop and answers what is shown."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from graphql import parse

from app.db.engine import open_database
from app.graphql.schema import build_schema
from app.services.demo import ensure_demo
from tests.e2e.server import ROOT
from tests.shop import Shop, open_client

TEXT = (ROOT / "docs" / "examples.md").read_text()
BLOCK = re.compile(r"```(graphql|json variables|json)\n(.*?)```", re.DOTALL)
PLACEHOLDER = re.compile(r'"<([^>]+)>"')


@dataclass
class Example:
    """An operation, the text of its variables, and of the data of its answer."""

    operation: str
    variables: str = "{}"
    data: str = ""

    @property
    def key(self) -> str:
        return (
            "admin" if self.operation.startswith("# with the administrator's key") else "customer"
        )


def examples() -> list[Example]:
    found: list[Example] = []
    for kind, content in BLOCK.findall(TEXT):
        if kind == "graphql":
            found.append(Example(content))
        elif kind == "json":
            found[-1].data = content
        else:
            found[-1].variables = content
    return found


def matched(shown: Any, given: Any, placeholders: dict[str, str]) -> Any:
    """What was given, with a placeholder wherever one is shown; what it stands for is noted."""
    if isinstance(shown, dict) and isinstance(given, dict):
        return {
            name: matched(shown.get(name), value, placeholders) for name, value in given.items()
        }
    if isinstance(shown, list) and isinstance(given, list) and len(shown) == len(given):
        return [matched(*pair, placeholders) for pair in zip(shown, given, strict=True)]
    if isinstance(shown, str) and isinstance(given, str):
        name = re.fullmatch("<([^>]+)>", shown)
        if name and placeholders.setdefault(name[1], given) == given:
            return shown
    return given


async def test_they_answer_what_is_shown(database_url: str) -> None:
    database = open_database(database_url)
    keys = (await ensure_demo(database)).keys
    placeholders: dict[str, str] = {}
    async with open_client(database_url) as client:
        shop = Shop(client, database, {"customer": keys.customer, "admin": keys.admin})
        for example in examples():
            variables = orjson.loads(
                PLACEHOLDER.sub(lambda name: f'"{placeholders[name[1]]}"', example.variables)
            )
            given = await shop.data(example.operation, variables, key=example.key)
            shown = orjson.loads(example.data)
            assert matched(shown, given, placeholders) == shown, example.operation
    await database.dispose()


def roots(documents: Iterator[str]) -> set[str]:
    return {
        field.name.value
        for text in documents
        for definition in parse(text).definitions
        for field in definition.selection_set.selections  # type: ignore[attr-defined]
    }


@pytest.mark.parametrize("kind", ["query_type", "mutation_type"])
def test_they_have_every_field_of_the_root(kind: str) -> None:
    fields = set(getattr(build_schema().core, kind).fields)
    assert fields <= roots(example.operation for example in examples())
