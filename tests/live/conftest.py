"""A server for all tests of live events, on each engine; small limits and buffers, to be met."""

from collections.abc import Iterator

import pytest

from tests.databases import Databases
from tests.live.listening import LiveServer, live_server

# Nobody waits for this in a test, so what other processes have done was told of.
_SELDOM_S = 60
_OFTEN_S = 0.05


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def live(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """A server that polls; after the engine's name, " by LISTEN" has it wait to be told instead."""
    engine, _, listens = request.param.partition(" by ")
    databases: Databases = request.getfixturevalue(f"{engine}_databases")
    with live_server(
        databases,
        tmp_path_factory.mktemp("live"),
        listens=bool(listens),
        live_poll_interval_s=_SELDOM_S if listens else _OFTEN_S,
        live_buffer_events=10,
        live_ping_interval_s=0.4,
        live_max_per_connection=3,
        live_max_subscriptions=40,
    ) as server:
        yield server
