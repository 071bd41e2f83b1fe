"""GraphQL over Server-Sent Events: the answers of one operation as one stream of events.

Source: GraphQL over Server-Sent Events Protocol, distinct connections mode. An operation that
can't be executed, or that ends with an error, says so in a last `next` event. The other mode, one
stream for many operations, is left out: HTTP/2 in front of the service and WebSockets do the same.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import orjson
import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from strawberry.http.streaming import SSETransport

from app.graphql.errors import presentable
from app.graphql.operations import RequestError

log = structlog.stdlib.get_logger()

_WRITE_TIMEOUT_S = 30
_TRANSPORT = SSETransport()


def _next(answer: Mapping[str, Any]) -> str:
    return _TRANSPORT.encode_event("next", orjson.dumps(answer).decode())


class EventStream(Response):
    """The answer that stays open: each of `answers` as it comes, and a comment in between.

    Args:
        answers: What to send.
        ping_interval_s: After how long a silence to send a comment, so that nobody in between
            takes the connection for dead.
    """

    def __init__(self, answers: AsyncGenerator[dict[str, Any]], ping_interval_s: float) -> None:
        super().__init__(headers={**_TRANSPORT.headers, "Vary": "Accept"})
        del self.headers["content-length"]
        self._answers = answers
        self._ping_interval_s = ping_interval_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the answers end or the reader is gone."""
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": self.raw_headers,
            }
        )
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body"})
            return
        sending = asyncio.create_task(self._send_all(send))
        leaving = asyncio.create_task(_disconnected(receive))
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.wait((sending, leaving))
            await self._answers.aclose()
        if sending.cancelled():
            return
        try:
            sending.result()
        except TimeoutError:
            log.info("a stream was cut: its reader took nothing", seconds=_WRITE_TIMEOUT_S)

    async def _send_all(self, send: Send) -> None:
        async def write(text: str, *, more: bool = True) -> None:
            body = {"type": "http.response.body", "body": text.encode(), "more_body": more}
            # Who has read nothing for so long is not kept waiting for: the connection is cut.
            async with asyncio.timeout(_WRITE_TIMEOUT_S):
                await send(body)

        await write(_TRANSPORT.encode_comment("ok"))
        waiting: asyncio.Task[dict[str, Any]] | None = None
        try:
            while True:
                if waiting is None:
                    waiting = asyncio.ensure_future(anext(self._answers))
                done, _ = await asyncio.wait((waiting,), timeout=self._ping_interval_s)
                if not done:
                    await write(_TRANSPORT.encode_comment("ping"))
                    continue
                answer, waiting = waiting.result(), None
                await write(_next(answer))
        except StopAsyncIteration:
            pass
        except RequestError as refused:
            errors = {"errors": [presentable(error).formatted for error in refused.errors]}
            await write(_next(errors))
        finally:
            if waiting is not None:
                waiting.cancel()
                await asyncio.wait((waiting,))
        await write(_TRANSPORT.encode_complete(), more=False)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
