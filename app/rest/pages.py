"""Plain pages for people who open the service in a browser."""

from functools import cache
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

# The pages have styles of their own and nothing else: no script, nothing from elsewhere.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"


def routes(schema: str | None) -> list[BaseRoute]:
    """The start page, the REST reference, and the schema as text unless it is kept back."""

    async def start(_request: Request) -> Response:
        return _page("start.html")

    async def reference(_request: Request) -> Response:
        return _page("rest.html")

    async def sdl(_request: Request) -> Response:
        return PlainTextResponse(schema)

    shown: list[BaseRoute] = [Route("/", start), Route("/docs", reference)]
    if schema is not None:
        shown.append(Route("/schema.graphql", sdl))
    return shown


def _page(name: str) -> Response:
    return HTMLResponse(_text(name), headers={"Content-Security-Policy": _POLICY})


@cache
def _text(name: str) -> str:
    return (files("app.rest") / "html" / name).read_text("utf-8")
