"""A load generator: as many connections as asked, each sending its next request at once.

Where there are several requests, each connection takes its share of them, over and over.

It runs in a process of its own and reads no more of an answer than its status and its length, so
that it is not what is measured.
"""

import asyncio
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import cycle
from typing import cast

import orjson
import uvloop

_PATIENCE_S = 30


class _Client(asyncio.Protocol):
    """One connection with one request under way."""

    def __init__(
        self, requests: Iterator[bytes], latencies: list[float], wrong: list[bytes]
    ) -> None:
        self._requests = requests
        self._latencies = latencies
        self._wrong = wrong
        self._received = bytearray()
        self._transport: asyncio.Transport
        self._sent_at = 0.0
        self.running = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transport is one in all but its class.
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def _send(self) -> None:
        request = next(self._requests)
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        received = self._received
        received += data
        end = received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(received[:end]).lower()
        length = int(head.split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
        if len(received) < end + 4 + length:
            return
        self._latencies.append(time.perf_counter() - self._sent_at)
        if not head.startswith(b"http/1.1 200") or b'"errors"' in received[end : end + 60]:
            self._wrong.append(bytes(received[:500]))
        received.clear()
        if self.running:
            self._send()
        else:
            self._transport.close()


def _same(client: _Client) -> _Client:
    return client


async def measure(
    host: str,
    port: int,
    requests: Sequence[bytes],
    connections: int,
    warm_up_s: float,
    run_s: float,
) -> dict[str, float]:
    """Requests per second, and latencies in milliseconds; `in_all` counts the warm-up's, too.

    Raises:
        RuntimeError: an answer was not a success, or there was none.
    """
    latencies: list[float] = []
    wrong: list[bytes] = []
    loop = asyncio.get_running_loop()
    clients = []
    for number in range(connections):
        client = _Client(cycle(requests[number::connections] or requests), latencies, wrong)
        await loop.create_connection(partial(_same, client), host=host, port=port)
        clients.append(client)
    await asyncio.sleep(warm_up_s)
    before = len(latencies)
    latencies.clear()
    started = time.perf_counter()
    await asyncio.sleep(run_s)
    # On a machine that is busy with something else it may take longer to have anything to tell.
    for _ in range(_PATIENCE_S):
        if len(latencies) < connections:
            await asyncio.sleep(1)
    took = time.perf_counter() - started
    done = sorted(latencies)
    for client in clients:
        client.running = False
    await asyncio.sleep(0.2)
    if wrong:
        raise RuntimeError(f"{len(wrong)} answers were no success: {wrong[0]!r}")
    if not done:
        raise RuntimeError(f"nothing was answered within {run_s + _PATIENCE_S} s")
    return {
        "requests": len(done),
        "in_all": before + len(latencies),
        "per_second": round(len(done) / took, 1),
        "p50_ms": round(done[len(done) // 2] * 1000, 2),
        "p99_ms": round(done[len(done) * 99 // 100] * 1000, 2),
        "max_ms": round(done[-1] * 1000, 2),
    }


if __name__ == "__main__":
    job = orjson.loads(sys.stdin.buffer.read())
    job["requests"] = [request.encode() for request in job["requests"]]
    sys.stdout.buffer.write(orjson.dumps(uvloop.run(measure(**job))))
