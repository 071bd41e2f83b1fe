"""Plain pages for people who open the service in a browser, also where `web/` was not built."""

from functools import cache
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

# The pages have styles of their own and nothing else: no script, nothing from elsewhere.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"


def routes(schema: str | None) -> list[BaseRoute]:
    """The start page, and the schema as text unless it is kept back."""

    async def start(_request: Request) -> Response:
        return _page("start.html")

    async def sdl(_request: Request) -> Response:
        return PlainTextResponse(schema)

    shown: list[BaseRoute] = [Route("/", start)]
    if schema is not None:
        shown.append(Route("/schema.graphql", sdl))
    return shown


def stand_ins() -> list[BaseRoute]:
    """What is at the addresses of the desk and the REST reference until they are built."""

    async def desk(_request: Request) -> Response:
        return _page("unbuilt.html", 404)

    async def reference(_request: Request) -> Response:
        return _page("rest.html")

    return [Route("/desk", desk), Route("/desk/{address:path}", desk), Route("/docs", reference)]


def _page(name: str, status: int = 200) -> Response:
    return HTMLResponse(_text(name), status, {"Content-Security-Policy": _POLICY})


@cache
def _text(name: str) -> str:
    return (files("app.web") / "html" / name).read_text("utf-8")
