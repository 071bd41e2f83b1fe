"""What the built pages ask the service for when they are opened.

In a demo there are keys in it. So it is for no other page to read, and for nobody to keep.
"""

from collections.abc import Awaitable, Callable, Mapping

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def routes(
    playground: Mapping[str, object] | None, keys: Mapping[str, str] | None
) -> list[BaseRoute]:
    """The addresses.

    Args:
        playground: What the playground begins with; None if there is none.
        keys: The demo's, by their kind; None where there is no demo.
    """
    contents: dict[str, object] = {"/web/demo.json": {"keys": keys}}
    if playground is not None:
        contents["/web/playground.json"] = playground
    return [Route(path, _answering(orjson.dumps(content))) for path, content in contents.items()]


def _answering(content: bytes) -> Callable[[Request], Awaitable[Response]]:
    async def answer(_request: Request) -> Response:
        return Response(content, headers=_HEADERS, media_type="application/json")

    return answer
