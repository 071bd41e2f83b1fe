"""One server for all tests of live events; limits and buffers are small, so that they are met."""

from collections.abc import Iterator

import pytest

from tests.live.listening import LiveServer, live_server


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(
        tmp_path_factory.mktemp("live"),
        live_poll_interval_s=0.05,
        live_buffer_events=10,
        live_ping_interval_s=0.4,
        live_max_per_connection=3,
        live_max_subscriptions=40,
    ) as server:
        yield server
