"""An order sent again to other processes, at once and after a restart, is placed once."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.server import Server, fill, running
from tests.shop import TABLE

REST = {
    "items": [{"product": TABLE, "quantity": 2, "shipping": "Regular"}],
    "address": "1 Main St",
}
GRAPHQL = {
    "query": """mutation ($input: AddOrderInput!) { addOrder(input: $input) {
      order { id number } userErrors { code } } }""",
    "variables": {
        "input": {
            "items": [{"productId": TABLE, "quantity": 2, "shipping": "REGULAR"}],
            "address": "1 Main St",
        }
    },
}


def test_processes_share_idempotency_keys(database_url: str, tmp_path: Path) -> None:
    headers = {"Authorization": fill(database_url)["customer"], "Idempotency-Key": "k"}
    folders = [tmp_path / name for name in ("first", "second", "third")]
    for folder in folders:
        folder.mkdir()

    @contextmanager
    def server(folder: Path) -> Iterator[Server]:
        with running(folder, ORDERS_DATABASE_URL=database_url) as started:
            yield started

    async def send(servers: list[Server]) -> list[Any]:
        async with httpx.AsyncClient(headers=headers, timeout=20) as client:
            answers = await asyncio.gather(
                *(
                    client.post(f"{server.url}{path}", json=body)
                    for server in servers * 3
                    for path, body in (("/orders/add", REST), ("/graphql", GRAPHQL))
                )
            )
        assert {answer.status_code for answer in answers} == {200}
        assert [answer.text for answer in answers[::2]] == ["ORDER SUCCESS"] * len(answers[::2])
        return [answer.json()["data"]["addOrder"] for answer in answers[1::2]]

    with server(folders[0]) as one, server(folders[1]) as other:
        placed = asyncio.run(send([one, other]))
        assert (
            placed
            == [{"order": {"id": placed[0]["order"]["id"], "number": 3}, "userErrors": []}] * 6
        )
        one.stop(signal.SIGTERM)
        with server(folders[2]) as restarted:
            assert asyncio.run(send([restarted])) == placed[:3]
