"""Headers that tell REST callers until when these paths are there. Bodies stay as they are."""

from collections.abc import Collection
from datetime import UTC, datetime
from email.utils import format_datetime

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.rest.legacy import plain_path

_EXPLAINED_AT = "/docs"


def deprecation_headers(deprecation: datetime | None, sunset: datetime | None) -> dict[str, str]:
    """What to send: none for neither instant.

    Source: RFC 9745 (`Deprecation`, a date of structured fields), RFC 8594 (`Sunset`, an HTTP
    date), and the link relations that each of them defines.

    Args:
        deprecation: From when on callers should use GraphQL.
        sunset: From when on the paths may be gone.
    """
    headers = {}
    if deprecation is not None:
        headers["Deprecation"] = f"@{int(deprecation.timestamp())}"
    if sunset is not None:
        headers["Sunset"] = format_datetime(sunset.astimezone(UTC), usegmt=True)
    if headers:
        headers["Link"] = ", ".join(
            f'<{_EXPLAINED_AT}>; rel="{name.lower()}"; type="text/html"' for name in headers
        )
    return headers


class Deprecation:
    """Add headers to every answer of some paths, also where no route takes the method."""

    def __init__(self, app: ASGIApp, paths: Collection[str], headers: dict[str, str]) -> None:
        self._app = app
        self._paths = frozenset(paths)
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http" or plain_path(scope) not in self._paths:
            await self._app(scope, receive, send)
            return

        async def send_with_notice(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._headers)
            await send(message)

        await self._app(scope, receive, send_with_notice)
