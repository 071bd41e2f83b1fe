"""The clients that others use: graphql-ws and graphql-sse from npm, and Python's gql."""

import asyncio
import re
import shutil
from typing import Any

import orjson
import pytest
from gql import Client, gql
from gql.transport.exceptions import TransportQueryError
from gql.transport.websockets import WebsocketsTransport

from tests.e2e.server import ROOT
from tests.live.listening import EVENTS, LiveServer

SCRIPTS = ROOT / "tests" / "node"
COUNT = 5


async def _node(*arguments: str, **environment: str) -> asyncio.subprocess.Process:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed, so the reference clients were not run.")
    if not (SCRIPTS / "node_modules").is_dir():
        pytest.skip("The reference clients were not run: `npm ci` in tests/node installs them.")
    return await asyncio.create_subprocess_exec(
        node,
        *arguments,
        cwd=SCRIPTS,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def _run(live: LiveServer, script: str, url: str) -> tuple[dict[str, Any], list[str]]:
    """What the script printed, and the cursors of the orders placed while it ran."""
    process = await _node(script, url, live.customer, await live.now(), str(COUNT))
    cursors = []
    async with live.client(live.customer) as client:
        for _ in range(COUNT):
            await live.add(client)
            cursors.append(await live.now())
            await asyncio.sleep(0.1)
    output, errors = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 0, errors.decode()
    return orjson.loads(output), cursors


async def test_graphql_ws(live: LiveServer) -> None:
    seen, cursors = await _run(live, "websocket.mjs", live.url.replace("http", "ws", 1))
    assert seen["cursors"] == cursors
    assert seen["acks"] == 2
    assert seen["query"] == {"results": [{"data": {"scopes": ["ORDERS_READ", "ORDERS_WRITE"]}}]}
    assert seen["invalid"] == {"errors": ["GRAPHQL_VALIDATION_FAILED"]}
    assert seen["refused"] == 4403


async def test_graphql_sse(live: LiveServer) -> None:
    seen, cursors = await _run(live, "event_stream.mjs", live.url)
    assert seen["cursors"] == cursors
    assert seen["query"] == [{"data": {"scopes": ["ORDERS_READ", "ORDERS_WRITE"]}}]
    (invalid,) = seen["invalid"]
    assert invalid["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    (refused,) = seen["refused"]
    assert refused["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_the_readmes_listener(live: LiveServer) -> None:
    block = re.search(r"```js\n(.*?)```", (ROOT / "docs" / "live.md").read_text(), re.DOTALL)
    assert block
    environment = {"URL": live.server.url, "KEY": live.customer, "AFTER": await live.now()}
    process = await _node("--input-type=module", "--eval", block[1], **environment)
    assert process.stdout
    async with live.client(live.customer) as client:
        await live.add(client)
        line = await asyncio.wait_for(process.stdout.readline(), 20)
    process.kill()
    await process.communicate()
    assert re.fullmatch(rb"CREATED [0-9a-f]{24}\n", line)


async def test_gql(live: LiveServer) -> None:
    transport = WebsocketsTransport(
        url=live.url.replace("http", "ws", 1),
        init_payload={"Authorization": live.customer},
        subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
        ping_interval=1,
    )
    start = await live.now()
    async with Client(transport=transport) as session, live.client(live.customer) as client:
        events = gql(EVENTS)
        events.variable_values = {"after": start}
        stream = session.subscribe(events)
        heard, cursors = [], []
        for _ in range(COUNT):
            await live.add(client)
            cursors.append(await live.now())
            heard.append((await anext(stream))["orderEvents"]["cursor"])
        assert heard == cursors
        await stream.aclose()
        assert await session.execute(gql("{ scopes }")) == {
            "scopes": ["ORDERS_READ", "ORDERS_WRITE"]
        }
        with pytest.raises(TransportQueryError, match="nothing"):
            await anext(session.subscribe(gql("subscription { nothing }")))
