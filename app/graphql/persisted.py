"""Documents that requests name instead of sending them.

Two kinds: those of a manifest, made when a client is built and read when the server starts, and
those that a client sent once together with their SHA-256 ("automatic persisted queries").

Sources: GraphQL over HTTP, appendix Persisted Documents; Apollo's protocol for automatic ones.
"""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import structlog
from graphql import GraphQLError

from app.db.database import Database
from app.domain.errors import Unavailable
from app.graphql.operations import Operations, RequestError
from app.graphql.requests import GraphQLRequest
from app.services.persisted_operations import find_operation, note_use, store_operation

log = structlog.stdlib.get_logger()

_SHA256 = re.compile(r"[0-9a-f]{64}\Z", re.ASCII)
_SHA256_PREFIX = "sha256:"
_APOLLO_FORMAT = "apollo-persisted-query-manifest"
_MAX_IN_MEMORY = 300


@dataclass(frozen=True, slots=True)
class Named:
    """A request's document; `new_sha256` is set if it should be remembered under that hash."""

    text: str
    new_sha256: str | None = None


class PersistedOperations:
    """Finds the document that a request means, and remembers new ones.

    Args:
        database: Where automatic ones are kept.
        manifest: The trusted documents by their ids.
        only: Take nothing but the manifest's.
        at_most: How many automatic ones are kept; 0 for none.
    """

    def __init__(
        self, database: Database, manifest: Mapping[str, str], *, only: bool, at_most: int
    ) -> None:
        self._database = database
        self._only = only
        self._at_most = 0 if only else at_most
        self._manifest = {
            **{f"{_SHA256_PREFIX}{_hash(text)}": text for text in manifest.values()},
            **manifest,
        }
        self._recent: OrderedDict[str, str] = OrderedDict()

    @property
    def takes_any(self) -> bool:
        """Whether a request may send any document, and not only name one."""
        return not self._only

    async def document(self, request: GraphQLRequest) -> Named:
        """The document of a request.

        Raises:
            RequestError: it names one that we don't have, or sends one where it must not.
        """
        if request.document_id is not None:
            if (text := await self._find(request.document_id)) is None:
                raise _error("PERSISTED_DOCUMENT_NOT_FOUND", "There is no document of this id.")
            return Named(text)
        if (sha256 := _wanted_hash(request.extensions)) is not None:
            return await self._automatic(sha256, request.query)
        if request.query is None:
            raise AssertionError("a request has a document or names one")
        if self._only:
            raise _only_persisted()
        return Named(request.query)

    async def remember(self, named: Named) -> None:
        """Keep a new document that has shown to be good, for all processes."""
        sha256 = named.new_sha256
        if sha256 is None:
            return
        try:
            await self._database.write(
                lambda connection: store_operation(
                    connection, sha256, named.text, at_most=self._at_most
                )
            )
        except Unavailable:
            log.warning("an operation could not be remembered; its client will send it again")
            return
        self._keep(sha256, named.text)

    async def _automatic(self, sha256: str, text: str | None) -> Named:
        if text is None:
            text = await self._find(sha256)
            if text is None:
                if self._only:
                    raise _only_persisted()
                # Clients of Apollo's protocol know this by its message or its code.
                raise _error("PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound")
            return Named(text)
        if self._only:
            raise _only_persisted()
        if _hash(text) != sha256:
            raise _error(
                "PERSISTED_QUERY_HASH_MISMATCH",
                "extensions.persistedQuery.sha256Hash is not the SHA-256 of query.",
                status=400,
            )
        known = not self._at_most or await self._find(sha256) is not None
        return Named(text, None if known else sha256)

    async def _find(self, document_id: str) -> str | None:
        if (text := self._manifest.get(document_id)) is not None:
            return text
        sha256 = document_id.removeprefix(_SHA256_PREFIX)
        if (text := self._manifest.get(_SHA256_PREFIX + sha256)) is not None:
            return text
        if not self._at_most or not _SHA256.match(sha256):
            return None
        if (text := self._recent.get(sha256)) is not None:
            self._recent.move_to_end(sha256)
            return text
        try:
            async with self._database.read() as connection:
                found = await find_operation(connection, sha256)
            if found is None:
                return None
            text, is_stale = found
            if is_stale:
                await self._database.write(lambda connection: note_use(connection, sha256))
        except Unavailable as error:
            raise RequestError([GraphQLError(str(error), original_error=error)]) from error
        self._keep(sha256, text)
        return text

    def _keep(self, sha256: str, text: str) -> None:
        self._recent[sha256] = text
        if len(self._recent) > _MAX_IN_MEMORY:
            self._recent.popitem(last=False)


def read_manifest(path: str, operations: Operations) -> Mapping[str, str]:
    """The documents of a manifest by id, each checked against the schema and the limits.

    Args:
        path: A JSON file: ids and documents as Relay writes them, or Apollo's manifest; empty for
            no manifest.
        operations: Checks the documents.

    Raises:
        RuntimeError: the file can't be read or a document can't be executed; the message says why.
    """
    if not path:
        return {}
    where = f"ORDERS_PERSISTED_MANIFEST: {path}"
    try:
        content = orjson.loads(Path(path).read_bytes())
    except OSError as error:
        raise RuntimeError(f"{where}: {error.strerror or error}") from error
    except orjson.JSONDecodeError as error:
        raise RuntimeError(f"{where} is not valid JSON: {error}") from error
    manifest: dict[str, str] = {}
    for id_, text in _pairs(content, where):
        if not isinstance(id_, str) or not id_ or not isinstance(text, str):
            raise RuntimeError(
                f"{where}: each operation must have an id and a document, as strings"
            )
        if manifest.setdefault(id_, text) != text:
            raise RuntimeError(f"{where}: {id_} stands for two documents")
        try:
            operations.check(text)
        except RequestError as error:
            raise RuntimeError(f"{where}: {id_}: {error.errors[0].message}") from error
    return manifest


def usable_documents(documents: Mapping[str, str], operations: Operations) -> Mapping[str, str]:
    """Those of a page of ours that this server can execute, by id.

    It may be set to lower limits than the page needs. Then the rest of the page still works.
    """
    usable = {}
    for id_, text in documents.items():
        try:
            operations.check(text)
        except RequestError as error:
            log.warning(
                "an operation of the desk can't be executed here",
                operation=text.partition("(")[0].partition("{")[0].strip(),
                reason=error.errors[0].message,
            )
        else:
            usable[id_] = text
    return usable


def _pairs(content: Any, where: str) -> list[tuple[object, object]]:
    if not isinstance(content, dict):
        raise RuntimeError(f"{where}: must be a JSON object")  # noqa: TRY004 (a user's mistake)
    if content.get("format") != _APOLLO_FORMAT:
        return list(content.items())
    if content.get("version") != 1 or not isinstance(content.get("operations"), list):
        raise RuntimeError(f"{where}: must be version 1 of {_APOLLO_FORMAT}, with operations")
    return [
        (one.get("id"), one.get("body")) if isinstance(one, dict) else (None, None)
        for one in content["operations"]
    ]


def _wanted_hash(extensions: Mapping[str, Any]) -> str | None:
    wanted = extensions.get("persistedQuery")
    if wanted is None:
        return None
    if not isinstance(wanted, dict) or wanted.get("version") != 1:
        raise _error(
            "PERSISTED_QUERY_NOT_SUPPORTED",
            "extensions.persistedQuery must be an object with version 1.",
            status=400,
        )
    sha256 = wanted.get("sha256Hash")
    if not isinstance(sha256, str) or not sha256:
        raise _error(
            "BAD_REQUEST", "extensions.persistedQuery.sha256Hash must be a string.", status=400
        )
    return sha256


def _only_persisted() -> RequestError:
    return _error(
        "PERSISTED_QUERY_ONLY",
        "This server executes only the documents of its manifest: name one by its id.",
        status=400,
    )


def _error(code: str, message: str, *, status: int | None = None) -> RequestError:
    return RequestError([GraphQLError(message, extensions={"code": code})], status)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
