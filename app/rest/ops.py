"""For whoever runs the service: is the process alive, can it do its work, what has it done."""

import asyncio
from dataclasses import dataclass, field

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from app.db import migrations
from app.db.database import Database
from app.db.deadline import Deadline
from app.domain.errors import TimedOut, Unavailable

# Whoever asks has a time limit too, and takes none of the answer when it is over.
_PATIENCE_S = 2.0


@dataclass(frozen=True, slots=True)
class Probes:
    """`/healthz`, `/readyz` and `/metrics`.

    Attributes:
        database: What the service can't work without.
        draining: Set when this process is about to stop.
    """

    database: Database
    draining: asyncio.Event
    _looking: set[asyncio.Task[str | None]] = field(default_factory=set)

    def routes(self) -> list[BaseRoute]:
        """The probes and the metrics."""
        return [
            Route("/healthz", self.alive),
            Route("/readyz", self.ready),
            Route("/metrics", self.metrics),
        ]

    async def metrics(self, _request: Request) -> Response:
        """What this process has counted, as Prometheus reads it."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    async def alive(self, _request: Request) -> Response:
        """200 while the process answers at all."""
        return JSONResponse({"status": "ok"})

    async def ready(self, _request: Request) -> Response:
        """200 when requests should be sent here; else 503 and why not.

        They should when the database can be used and is at the newest migration, and the process
        is not about to stop.
        """
        if self.draining.is_set():
            reason: str | None = "The server is stopping."
        else:
            reason = await self._reason_against()
        if reason is not None:
            return JSONResponse({"status": "unavailable", "reason": reason}, 503)
        return JSONResponse({"status": "ok", "database": self._health()})

    async def _reason_against(self) -> str | None:
        # To be done with a server that hangs takes longer than to know that it does.
        looking = asyncio.create_task(self._look())
        self._looking.add(looking)
        looking.add_done_callback(self._looking.discard)
        await asyncio.wait([looking], timeout=_PATIENCE_S)
        return looking.result() if looking.done() else self._what_took_long()

    async def _look(self) -> str | None:
        until = Deadline(_PATIENCE_S)
        try:
            at = await migrations.current(self.database, until)
            await self.database.take_changes(until)
        except TimedOut:
            return self._what_took_long()
        except Unavailable as error:
            reason = f": {error.fault.reason}" if error.fault else ""
            return f"The database can't be reached{reason}."
        if at != migrations.NEWEST:
            return (
                f"The database is at migration {at or 'none'}, not {migrations.NEWEST}:"
                " run `orders migrate`."
            )
        return None

    def _what_took_long(self) -> str:
        for purpose, pool in self.database.pools.items():
            if pool.in_use >= pool.size:
                return (
                    f"All {pool.size} connections for {purpose} have been in use for"
                    f" {_PATIENCE_S:g} s."
                )
        return f"The database has not answered for {_PATIENCE_S:g} s."

    def _health(self) -> object:
        return {
            "engine": self.database.engine,
            "pools": {
                purpose: {"size": pool.size, "open": pool.open, "inUse": pool.in_use}
                for purpose, pool in self.database.pools.items()
            },
        }
