"""What listeners are told when the server stops."""

import asyncio
import signal
from collections.abc import Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from tests.databases import Databases
from tests.live.listening import listening, live_server, stream


@pytest.mark.parametrize(
    ("engine", "settings", "number"),
    # One process needs no polling; of several, another one may have taken the order.
    [
        ("sqlite", {"workers": 1, "live_poll_interval_s": 60}, signal.SIGINT),
        ("sqlite", {"workers": 2, "live_poll_interval_s": 0.05}, signal.SIGTERM),
        ("postgresql", {"workers": 1, "live_poll_interval_s": 60}, signal.SIGINT),
        (
            "postgresql",
            {"workers": 2, "live_poll_interval_s": 60, "listens": True},
            signal.SIGTERM,
        ),
    ],
)
async def test_a_stopping_server_ends_streams_at_once(
    sqlite_databases: Databases,
    postgresql_databases: Databases,
    tmp_path: Path,
    engine: str,
    settings: Mapping[str, Any],
    number: int,
) -> None:
    databases = {"sqlite": sqlite_databases, "postgresql": postgresql_databases}[engine]
    with live_server(databases, tmp_path, **settings) as live:
        async with listening(live, live.customer) as busy, listening(live, live.customer) as idle:
            await busy.subscribe("1", {"after": await live.now()})
            async with (
                live.client(live.customer) as client,
                aclosing(stream(client, {"after": await live.now()})) as events,
            ):
                await live.add(client)
                cursor = (await busy.event("1"))["cursor"]
                heard: list[Any] = [await anext(events), await anext(events)]
                live.server.process.send_signal(number)
                heard += [one async for one in events if one[0] != "comment"]
            assert heard[1][1]["data"]["orderEvents"]["cursor"] == cursor
            (kind, data), complete = heard[2:]
            assert (kind, complete) == ("next", ("complete", None))
            assert data["errors"][0]["message"].startswith("The server is stopping.")
            assert data["errors"][0]["extensions"] == {
                "code": "SERVICE_UNAVAILABLE",
                "resumeAfter": cursor,
            }
            # No error, which a client would take for final: after this code it comes back.
            assert (await busy.closed())[0] == 1012
            assert (await idle.closed())[0] == 1012
        # A stream that nobody ends would keep the server up for half a minute.
        status = await asyncio.to_thread(live.server.process.wait, 10)
        assert status in {0, -number}
        log = live.server.log.read_text()
        assert "Traceback" not in log
        assert "exceeded" not in log
