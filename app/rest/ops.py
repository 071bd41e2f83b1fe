"""Probes for whoever runs the service: is the process alive, can it do its work."""

import asyncio
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from app.db import migrations
from app.db.database import Database
from app.domain.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Probes:
    """`/healthz` and `/readyz`.

    Attributes:
        database: What the service can't work without.
        draining: Set when this process is about to stop.
    """

    database: Database
    draining: asyncio.Event

    def routes(self) -> list[BaseRoute]:
        """The two probes."""
        return [Route("/healthz", self.alive), Route("/readyz", self.ready)]

    async def alive(self, _request: Request) -> Response:
        """200 while the process answers at all."""
        return JSONResponse({"status": "ok"})

    async def ready(self, _request: Request) -> Response:
        """200 when requests should be sent here; else 503 and why not.

        They should when the database answers and is at the newest migration, and the process is
        not about to stop.
        """
        if self.draining.is_set():
            return _not_ready("The server is stopping.")
        try:
            at = await migrations.current(self.database)
        except Unavailable:
            return _not_ready("The database can't be reached.")
        if at != migrations.newest():
            return _not_ready(
                f"The database is at migration {at or 'none'}, not {migrations.newest()}:"
                " run `orders migrate`."
            )
        return JSONResponse({"status": "ok"})


def _not_ready(reason: str) -> Response:
    return JSONResponse({"status": "unavailable", "reason": reason}, 503)
