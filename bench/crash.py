"""Kills servers under a load of writes, and looks for orders that are lost, doubled or half there.

    .venv/bin/python -m bench.crash [--rounds 10] [--engine both] [--seconds 1.5]

In each round clients place orders through two server processes, half of them with an idempotency
key, until both processes are killed at a moment that chance chooses; or PostgreSQL is, with all of
its processes, in every other round with it. What was killed is started again. Then each order that
was acknowledged must be there once and whole, numbers must have neither gaps nor twins, and what
got no answer is sent again with its key, which must make one order of it, not two.

A process that is killed leaves to the system what it has written; that a disk keeps what it was
told to keep when the power goes is not tried.
"""

import argparse
import asyncio
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from app.db import migrations
from app.rest.bodies import ORDER_SUCCESS
from bench.loading import sqlite_url
from tests.e2e.server import Server
from tests.races.processes import (
    clients_of,
    eventually,
    filled,
    new_customers,
    opened,
    processes,
    rows_of,
)
from tests.races.wholeness import ITEMS, violations
from tests.servers import PostgresServer
from tests.shop import LAMP, STOOL, TABLE

ENGINES = ("sqlite", "postgresql")
POSTGRESQL, SERVERS = "PostgreSQL", "servers"
KEYED = ", with a key"
_WRITERS, _CUSTOMERS = 16, 3
_ADDRESSES = "SELECT address FROM orders"
_BOUGHT = [{"product": p, "quantity": 2, "shipping": "Regular"} for p in (TABLE, STOOL, LAMP)]
_SOON_S = 0.02


@dataclass
class Round:
    """What the clients know of the orders that they have sent."""

    killed: str
    acknowledged: list[str] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)

    async def goes_on(self) -> None:
        """Wait until some more orders are acknowledged."""
        enough = len(self.acknowledged) + _WRITERS

        async def are_there() -> bool:
            return len(self.acknowledged) >= enough or bool(self.strange)

        await eventually(are_there)


@dataclass
class Crashes:
    """A database that is written to while servers are killed."""

    url: str
    engine: str
    folder: Path
    postgres: PostgresServer | None
    customers: dict[str, str]
    chance: random.Random
    servers: int
    rounds: list[Round] = field(default_factory=list)

    async def run(self, victim: str, seconds: float) -> list[str]:
        """One more round, and its line of the table.

        Args:
            victim: What is killed, `POSTGRESQL` or `SERVERS`.
            seconds: How long the clients write at the most before that.

        Returns:
            What is wrong afterwards, a line for each thing.
        """
        number = len(self.rounds) + 1
        this = Round(victim)
        self.rounds.append(this)
        moment = self.chance.uniform(0.2, 1) * seconds
        with self._servers(number) as servers:
            await self._write(number, this, servers, moment)
            if victim == POSTGRESQL:
                found, again = await self._look(this, servers)
        if victim != POSTGRESQL:
            with self._servers(number) as servers:
                found, again = await self._look(this, servers)
        wrong = await self._wrong(this)
        print(
            f"| {self.engine} | {number} | {victim} | {len(this.acknowledged)}"
            f" | {len(this.unanswered)} | {found} | {again} | {len(wrong)} |",
            flush=True,
        )
        return wrong

    def _servers(self, number: int) -> AbstractContextManager[Sequence[Server]]:
        return processes(self.servers, self.folder / str(number), self.url)

    async def _write(
        self, number: int, this: Round, servers: Sequence[Server], moment: float
    ) -> None:
        stopping = asyncio.Event()

        async def write(place: int, client: httpx.AsyncClient) -> None:
            sent = 0
            while not stopping.is_set():
                sent += 1
                address = f"round {number}, client {place}, order {sent}"
                if place % 2:
                    address += KEYED
                answer = await self._send(client, address)
                if answer == "acknowledged":
                    this.acknowledged.append(address)
                elif answer == "unanswered":
                    this.unanswered.append(address)
                    await asyncio.sleep(_SOON_S)
                else:
                    this.strange.append(answer)

        async with clients_of(servers) as clients:
            writers = [
                asyncio.create_task(write(place, clients[place % len(clients)]))
                for place in range(_WRITERS)
            ]
            await this.goes_on()
            await asyncio.sleep(moment)
            if this.killed == POSTGRESQL:
                await self._restart_postgres()
                # The servers find it again by themselves.
                await this.goes_on()
            else:
                for server in servers:
                    server.process.kill()
                    await asyncio.sleep(self.chance.uniform(0, 0.1))
            stopping.set()
            await asyncio.gather(*writers)

    async def _restart_postgres(self) -> None:
        assert self.postgres
        await asyncio.to_thread(self.postgres.kill)
        await asyncio.sleep(self.chance.uniform(0, 0.3))
        await asyncio.to_thread(self.postgres.start)

    async def _send(self, client: httpx.AsyncClient, address: str) -> str:
        """Send an order: `acknowledged`, `unanswered`, or the answer that it should not get."""
        keys = list(self.customers.values())
        headers = {"Authorization": keys[len(address) % len(keys)]}
        if address.endswith(KEYED):
            headers["Idempotency-Key"] = address.replace(" ", "_")
        try:
            answer = await client.post(
                "/orders/add", json={"items": _BOUGHT, "address": address}, headers=headers
            )
        except httpx.TransportError:
            return "unanswered"
        if answer.status_code == 503:
            return "unanswered"
        if (answer.status_code, answer.text) == (200, ORDER_SUCCESS):
            return "acknowledged"
        return f"{answer.status_code} {answer.text}"

    async def _look(self, this: Round, servers: Sequence[Server]) -> tuple[int, int]:
        """How many of the unanswered are there, and how many of them are sent again: twice."""
        async with opened(self.url) as database:
            there = {address for (address,) in await rows_of(database)(_ADDRESSES)}
        again = [address for address in this.unanswered if address.endswith(KEYED)]
        async with clients_of(servers) as clients:
            for client in clients:
                answers = await asyncio.gather(*(self._send(client, one) for one in again))
                this.strange += [one for one in answers if one != "acknowledged"]
        return len(there.intersection(this.unanswered)), len(again)

    async def _wrong(self, this: Round) -> list[str]:
        wrong = [f"an answer that nobody should get: {answer}" for answer in this.strange]
        must = {address for one in self.rounds for address in one.acknowledged}
        may = {address for one in self.rounds for address in one.unanswered}
        must |= {address for address in may if address.endswith(KEYED)}
        async with opened(self.url) as database:
            rows = rows_of(database)
            there = Counter(address for (address,) in await rows(_ADDRESSES))
            wrong += [f"lost: {address}" for address in sorted(must - set(there))]
            wrong += [f"{times} times: {address}" for address, times in there.items() if times > 1]
            wrong += [f"never sent: {address}" for address in sorted(set(there) - must - may)]
            return wrong + await violations(
                rows, self.customers, items=len(_BOUGHT), engine=self.engine
            )


@contextmanager
def crashes(engine: str, seed: int, *, servers: int = 2) -> Iterator[Crashes]:
    """A new database of that engine, on a server of its own where it needs one."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = None
        url = sqlite_url(folder / "orders.db")
        if engine == "postgresql":
            server = stack.enter_context(PostgresServer.create(durable=True))
            server.run_sql("CREATE DATABASE shop")
            url = server.url("shop")
        asyncio.run(migrations.migrate(url))
        filled(url)
        customers = asyncio.run(new_customers(url, _CUSTOMERS))
        yield Crashes(url, engine, folder, server, customers, random.Random(seed), servers)


def main() -> None:
    """Print a Markdown table; exit with 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--engine", choices=[*ENGINES, "both"], default="both")
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    options = parser.parse_args()
    assert len(_BOUGHT) == ITEMS
    print(
        f"{_WRITERS} clients; moments by the seed {options.seed}.\n\n"
        "| engine | round | killed | acknowledged | unanswered | there of these | sent again"
        " | violations |\n|---|---:|---|---:|---:|---:|---:|---:|"
    )
    wrong: list[str] = []
    for engine in ENGINES if options.engine == "both" else [options.engine]:
        with crashes(engine, options.seed) as shop:
            for number in range(options.rounds):
                victim = POSTGRESQL if shop.postgres and number % 2 else SERVERS
                wrong += asyncio.run(shop.run(victim, options.seconds))
        done = shop.rounds
        print(
            f"| {engine} | all | | {sum(len(one.acknowledged) for one in done)}"
            f" | {sum(len(one.unanswered) for one in done)} | | | |"
        )
    for line in wrong:
        print(line, file=sys.stderr)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
