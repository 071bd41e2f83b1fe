"""What listeners cost: the memory and CPU time of one server process with many idle subscriptions.

    .venv/bin/python -m bench.subscribers [--subscribers 1000] [--seconds 60]

Each is a connection of its own, over WebSocket and then over Server-Sent Events. After the silence
one order is placed, and the time is taken until the last of them has been told.
"""

import argparse
import asyncio
import os
import resource
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import orjson
import websockets

from bench.loading import make_shop, sqlite_url
from bench.memory import held_mib
from bench.requests import start_server
from bench.shop import BenchShop

SUBSCRIPTION = "subscription { orderEvents { cursor node { type orderId toStatus createdAt } } }"

# Begins to listen, and returns what waits for the next event.
Listen: TypeAlias = Callable[[int, str], Coroutine[Any, Any, Coroutine[Any, Any, None]]]


async def listen_by_websocket(port: int, key: str) -> Coroutine[Any, Any, None]:
    socket = await websockets.connect(
        f"ws://127.0.0.1:{port}/graphql",
        subprotocols=[websockets.Subprotocol("graphql-transport-ws")],
        ping_interval=None,
        compression=None,
    )
    start: dict[str, object] = {"type": "connection_init", "payload": {"Authorization": key}}
    await socket.send(orjson.dumps(start).decode())
    await socket.recv()
    start = {"id": "1", "type": "subscribe", "payload": {"query": SUBSCRIPTION}}
    await socket.send(orjson.dumps(start).decode())

    async def event() -> None:
        assert b"CREATED" in (await socket.recv(decode=False))
        await socket.close()

    return event()


async def listen_by_sse(port: int, key: str) -> Coroutine[Any, Any, None]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = orjson.dumps({"query": SUBSCRIPTION})
    writer.write(
        f"POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\n"
        "Accept: text/event-stream\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    await reader.readuntil(b": ok\r\n\r\n")

    async def event() -> None:
        await reader.readuntil(b"CREATED")
        writer.close()

    return event()


def cpu_s(pid: int) -> float:
    """CPU time that a process has used, in user and kernel mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(
    pid: int, port: int, shop: BenchShop, listen: Listen, subscribers: int, seconds: float
) -> list[str]:
    """The figures of one transport, ready for a table."""
    order = {
        "items": [{"product": shop.product_ids[0], "quantity": 1, "shipping": "Regular"}],
        "address": "1 Main St, Carlton",
    }
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", headers={"Authorization": shop.key}
    ) as client:
        # So that what is loaded once is not counted as a subscriber's.
        first = await listen(port, shop.key)
        await asyncio.sleep(0.5)
        await client.post("/orders/add", json=order)
        await first
        before_mb = held_mib(pid)
        started = time.perf_counter()
        waiting = [await listen(port, shop.key) for _ in range(subscribers)]
        joined_s = time.perf_counter() - started
        await asyncio.sleep(3)
        after_mb = held_mib(pid)
        used_s = cpu_s(pid)
        await asyncio.sleep(seconds)
        cpu_percent = (cpu_s(pid) - used_s) / seconds * 100
        events = [asyncio.create_task(one) for one in waiting]
        await asyncio.sleep(0.5)
        started = time.perf_counter()
        await client.post("/orders/add", json=order)
        await asyncio.gather(*events)
        told_s = time.perf_counter() - started
    return [
        f"{after_mb - before_mb:.0f}",
        f"{(after_mb - before_mb) * 1024 / subscribers:.0f}",
        f"{cpu_percent:.2f}",
        f"{joined_s:.1f}",
        f"{told_s * 1000:.0f}",
    ]


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subscribers", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    # A connection is an open file, on either side; the server inherits the limit.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print(
        "| transport | memory, MB | a subscriber, kB | CPU while idle, % of a core | all joined, s"
        " | all told of an event, ms |\n|---|---:|---:|---:|---:|---:|"
    )
    transports: dict[str, Listen] = {
        "WebSocket": listen_by_websocket,
        "Server-Sent Events": listen_by_sse,
    }
    for transport, listen in transports.items():
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            shop = make_shop(sqlite_url(folder / "orders.db"))
            server, port = start_server(folder, shop.url)
            try:
                figures = asyncio.run(
                    measure(server.pid, port, shop, listen, options.subscribers, options.seconds)
                )
            finally:
                server.terminate()
                server.wait(30)
        print(f"| {transport} | {' | '.join(figures)} |", flush=True)


if __name__ == "__main__":
    main()
