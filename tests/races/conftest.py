"""Servers that the tests of this folder share, as each takes a second to start."""

from collections.abc import Iterator

import pytest

from tests.databases import Databases
from tests.races.processes import Fleet, filled, processes


@pytest.fixture(scope="module")
def fleet(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Four servers over one database."""
    with databases.fresh() as url:
        keys = filled(url)
        with processes(4, tmp_path_factory.mktemp("fleet"), url) as servers:
            yield Fleet(servers, url, keys)
