"""The pages that `web/` builds into `app/static`: files, their compressed siblings, their headers.

A built file that is under `assets` has a hash of its content in its name; the pages have not.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import orjson
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Scope

STATIC = Path(__file__).parent.parent / "static"

_PAGES = ("playground", "desk", "docs")
_ASSETS = "assets"
_DOCUMENTS = Path("desk", "documents.json")
_POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    " object-src 'none'"
)
# What a page needs beyond that, as it was seen in a browser: the editor makes styles and draws its
# squiggles from data: URLs, Swagger UI has its arrows in them.
_POLICIES = {
    "playground": f"{_POLICY}; style-src 'self' 'unsafe-inline'; img-src 'self' data:",
    "docs": f"{_POLICY}; img-src 'self' data:",
}
_EVERY_FILE = {
    "Vary": "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # The pages' own, and no other origin's.
    "Cross-Origin-Resource-Policy": "same-origin",
}
# As systems have ideas of their own, and a browser is told to believe it.
_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
    ".woff2": "font/woff2",
}
# The better one first. Both hold the content as it was when the pages were built.
_SIBLINGS = {"br": ".br", "gzip": ".gz"}


def find_built_pages(folder: Path = STATIC) -> "BuiltPages | None":
    """The pages, or None where they were not built."""
    files = [*(Path(page, "index.html") for page in _PAGES), _DOCUMENTS]
    if (folder / _ASSETS).is_dir() and all((folder / file).is_file() for file in files):
        return BuiltPages(folder)
    return None


class BuiltPages(StaticFiles):
    """The built files of a folder.

    Starlette's, which sees to paths, ranges, HEAD and dates; and on top of it the sibling that the
    browser can read, and what it may do with the file.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder)
        self._root = folder.resolve()

    async def page(self, name: str, request: Request) -> Response:
        """The page of that name."""
        return await self.get_response(f"{name}/index.html", request.scope)

    @property
    def documents(self) -> Mapping[str, str]:
        """The GraphQL documents that the desk sends, by the ids that it sends in their place."""
        documents: dict[str, str] = orjson.loads(self._root.joinpath(_DOCUMENTS).read_bytes())
        return documents

    def routes(self) -> list[BaseRoute]:
        """Where the desk and the REST reference are, and what all pages are made of."""

        async def desk(request: Request) -> Response:
            # The desk's own addresses have no dot; what has one is a file that is not there.
            if "." in request.url.path.rsplit("/", 1)[1]:
                raise HTTPException(404)
            return await self.page("desk", request)

        async def docs(request: Request) -> Response:
            return await self.page("docs", request)

        return [
            Route("/desk", desk),
            Route("/desk/{address:path}", desk),
            Route("/docs", docs),
            Mount(f"/{_ASSETS}", BuiltPages(self._root / _ASSETS)),
        ]

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        """The file in the form that the caller reads, or that it has not changed."""
        asked = Headers(scope=scope)
        file = Path(full_path)
        sent, encoding = _best(file, asked.get("accept-encoding", ""))
        headers = {**_EVERY_FILE, **self._headers(file, sent)}
        if encoding:
            headers["Content-Encoding"] = encoding
        response = FileResponse(
            sent,
            status_code,
            headers,
            _TYPES.get(file.suffix, "application/octet-stream"),
            stat_result=sent.stat() if encoding else stat_result,
        )
        if not self.is_not_modified(response.headers, asked):
            return response
        unchanged = NotModifiedResponse(response.headers)
        # A browser takes the headers of this answer for those that it has kept.
        unchanged.headers.update(_EVERY_FILE)
        return unchanged

    def _headers(self, file: Path, sent: Path) -> Mapping[str, str]:
        if self._root.name == _ASSETS:
            return {
                # A worker goes by the policy of its own file.
                "Content-Security-Policy": _POLICY,
                "Cache-Control": "public, max-age=31536000, immutable",
            }
        page = file.relative_to(self._root).parts[0]
        return {
            "Content-Security-Policy": _POLICIES.get(page, _POLICY),
            "Cache-Control": "no-cache",
            # Two builds may have pages of one size, and an installed file the date of no build.
            "ETag": f'"{hashlib.sha256(sent.read_bytes()).hexdigest()[:32]}"',
        }


def _best(file: Path, accepted: str) -> tuple[Path, str | None]:
    """The file to send for what a caller accepts, and how it is encoded."""
    read = {name for name, weight in map(_weighed, accepted.lower().split(",")) if weight > 0}
    for encoding, ending in _SIBLINGS.items():
        sibling = file.with_name(file.name + ending)
        if encoding in read and sibling.is_file():
            return sibling, encoding
    return file, None


def _weighed(part: str) -> tuple[str, float]:
    """An encoding and its weight, such as `gzip;q=0`."""
    name, _, parameter = part.partition(";")
    try:
        return name.strip(), float(parameter.partition("=")[2] or 1)
    except ValueError:
        return name.strip(), 0
