"""The environment as one frozen object; an unknown or wrong setting stops the program at once.

Every setting is an environment variable `ORDERS_<NAME>`, or a line of `.env` in the current folder.
"""

import io
import json
import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import parse_qs, urlsplit

from dotenv.parser import parse_stream
from jwt.algorithms import HMACAlgorithm
from jwt.exceptions import InvalidKeyError
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

_PREFIX = "ORDERS_"
_NOT_OURS = "ORDERS_TEST_"  # what the tests of this project go by
_DOTENV = ".env"
_SQLITE = "sqlite+aiosqlite:///"
# A name, an address, or a folder with a socket written as %2Frun; and a port.
_HOST = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^\[\]:]*)(:[0-9]*)?")
_MISREAD = (
    "can't be read: must be postgresql://user:password@host:port/name, with / ? # @ % in a user,"
    " password or name written as %2F %3F %23 %40 %25"
)
_POSTGRESQL_CHOICES = {
    "sslmode": ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"],
    "target_session_attrs": [
        "any",
        "primary",
        "standby",
        "prefer-standby",
        "read-write",
        "read-only",
    ],
}
_POSTGRESQL = ("postgresql://", "postgres://", "postgresql+asyncpg://")


class SettingsError(Exception):
    """The settings can't be used; the message names each wrong one, a line each."""


class Settings(BaseSettings):
    """Everything that can be configured, with its default."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, extra="ignore", frozen=True)

    database_url: str = Field(
        "sqlite+aiosqlite:///data/orders.db",
        repr=False,
        description="Where the data is: a file of SQLite (a relative path counts from the current"
        " folder), or postgresql://user:password@host/name with TLS options of libpq.",
    )
    database_pool_size: int = Field(
        5,
        ge=1,
        le=100,
        description="PostgreSQL: a process's connections for reading, and as many for writing.",
    )
    database_pool_wait_s: float = Field(
        10.0, gt=0, description="PostgreSQL: how long a request waits for a free connection."
    )
    database_connect_timeout_s: float = Field(
        5.0, gt=0, description="PostgreSQL: how long connecting may take."
    )
    database_connect_wait_s: float = Field(
        30.0,
        ge=0,
        le=3_600,
        description="PostgreSQL: how long `serve` and `migrate` wait for a server that starts.",
    )
    database_statement_timeout_s: float = Field(
        15.0,
        gt=0,
        description="PostgreSQL: how long a server's statement may take; a transaction twice that.",
    )
    database_pgbouncer: bool = Field(
        False, description="PostgreSQL: whether the URL leads to PgBouncer in transaction mode."
    )
    database_listen_url: str = Field(
        "",
        repr=False,
        description="PostgreSQL: the server reached directly, to hear of others' events at once;"
        " empty to look every now and then.",
    )
    database_replica_url: str = Field(
        "",
        description="PostgreSQL: a replica, for what callers read; empty for none.",
    )
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    workers: int = Field(1, ge=1, le=64, description="Server processes.")
    demo: bool = Field(False, description="Put the demo keys into the web pages.")
    playground: bool = Field(True, description="Serve GraphiQL at /graphql to browsers.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe log lines to write."
    )
    log_format: Literal["auto", "console", "json"] = Field(
        "auto", description="How log lines look; auto is console on a terminal, else json."
    )
    body_limit_bytes: int = Field(
        1_000_000, ge=102_400, lt=2_000_000, description="Largest request body accepted."
    )
    max_header_bytes: int = Field(
        65_536,
        ge=32_768,
        le=1_048_576,
        description="Largest address and headers of a request, taken together.",
    )
    max_query_depth: int = Field(12, ge=1, description="Deepest nesting of a GraphQL operation.")
    max_query_tokens: int = Field(
        2_000, ge=100, description="Most tokens in a GraphQL document (comments not counted)."
    )
    max_query_aliases: int = Field(
        100, ge=1, description="Most aliases in a GraphQL operation, its fragments included."
    )
    max_query_nodes: int = Field(
        20_000,
        ge=100,
        description="Most list elements that a GraphQL operation may ask for, by page sizes.",
    )
    live_poll_interval_s: float = Field(
        0.25, gt=0, le=60, description="How often to look for events of other processes."
    )
    live_buffer_events: int = Field(
        500, ge=1, description="How many events may wait for a slow subscriber."
    )
    live_ping_interval_s: float = Field(
        25, gt=0, description="After how long a silence subscribers get a ping."
    )
    live_max_subscriptions: int = Field(
        2_000, ge=1, description="Most subscriptions of a server process, and WebSockets."
    )
    live_max_per_connection: int = Field(
        50, ge=1, description="Most operations at a time on a WebSocket."
    )
    max_query_length: int = Field(
        50_000, ge=1_000, description="Most characters in a GraphQL document."
    )
    max_query_operations: int = Field(
        20, ge=1, description="Most operations in a GraphQL document, of which one is executed."
    )
    max_query_fields: int = Field(
        500, ge=100, description="Most fields in a GraphQL operation, its fragments included."
    )
    max_query_root_fields: int = Field(
        20, ge=1, description="Most fields at the root of a GraphQL operation."
    )
    max_query_directives: int = Field(
        50, ge=0, description="Most directives in a GraphQL operation, its fragments included."
    )
    max_query_values: int = Field(
        100_000,
        ge=1_000,
        description="Most values that the answer to a GraphQL operation may have, by page sizes.",
    )
    max_query_cost: int = Field(
        10_000, ge=100, description="Most points that a GraphQL operation may cost."
    )
    max_page_size: int = Field(
        100, ge=20, le=100, description="Most elements on a page of a GraphQL list."
    )
    max_variables_bytes: int = Field(
        100_000, ge=1_000, description="Largest variables of a GraphQL request, in bytes of JSON."
    )
    max_json_depth: int = Field(
        100, ge=8, le=500, description="Deepest nesting of a JSON body, of either door."
    )
    max_json_values: int = Field(
        10_000, ge=1_000, description="Most values in the JSON of a GraphQL request."
    )
    max_batch: int = Field(
        1, ge=1, le=100, description="Most GraphQL operations in one request; 1 for no batches."
    )
    operation_timeout_s: float = Field(
        10.0, gt=0, description="How long a GraphQL operation may take, in seconds."
    )
    cost_budget: int = Field(
        1_000_000, ge=0, description="Points that a key can save up; 0 for no budget."
    )
    cost_restore_per_s: int = Field(
        20_000, ge=1, description="Points that a key gets back in a second, up to its budget."
    )
    compiled_operations: bool = Field(
        True,
        description=(
            "Answer what can be compiled to SQL that way; without it every operation is executed"
            " field by field, with the same answers."
        ),
    )
    introspection: bool = Field(
        True, description="Let callers ask for the schema, also at /schema.graphql."
    )
    max_persisted_operations: int = Field(
        10_000,
        ge=0,
        le=1_000_000,
        description="Most operations remembered by their SHA-256; 0 for none.",
    )
    persisted_manifest: str = Field(
        "", description="A JSON file of trusted GraphQL documents by id; empty for none."
    )
    persisted_only: bool = Field(
        False, description="Execute the documents of the manifest and of the desk, and no others."
    )
    compress_from_bytes: int = Field(
        1_000,
        ge=0,
        description="Smallest answer to compress if the client can read it; 0 for none.",
    )
    drain_s: float = Field(
        2.0,
        ge=0,
        le=3_600,
        description="How long to go on after SIGTERM, with 503 on /readyz; a demo stops at once.",
    )
    shutdown_timeout_s: int = Field(
        30, ge=1, description="How long a stopping server waits for requests in flight."
    )
    legacy_jwt_secret: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (),
        description="What the legacy shop signs its tokens with; a JSON list of several.",
    )
    rest_deprecation: datetime | None = Field(
        None, description="From when on callers of the REST paths should use GraphQL."
    )
    rest_sunset: datetime | None = Field(
        None, description="From when on the REST paths may be gone."
    )

    @field_validator("database_url")
    @classmethod
    def _database_is_supported(cls, url: str) -> str:
        return checked_database_url(url)

    @field_validator("database_listen_url", "database_replica_url")
    @classmethod
    def _is_on_on_postgresql(cls, url: str) -> str:
        if url and not url.startswith(_POSTGRESQL):
            raise ValueError(f"must begin with {_POSTGRESQL[0]}")
        if url:
            _check_postgresql(url)
        return url

    @field_validator("legacy_jwt_secret", mode="before")
    @classmethod
    def _secrets_can_be_used(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        secrets = [value]
        # Whatever begins otherwise is one secret as it stands: it may hold commas and quotes.
        if value.lstrip().startswith("["):
            try:
                secrets = json.loads(value)
            except ValueError:
                secrets = []
            if not secrets or not all(isinstance(secret, str) for secret in secrets):
                raise ValueError('must be a secret, or a JSON list such as ["new", "old"]')
        if not all(secret.strip() for secret in secrets):
            raise ValueError("must not be empty")
        try:
            for secret in secrets:
                HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(secret)
        except InvalidKeyError:
            raise ValueError("must be a shared secret, not a public key or certificate") from None
        return secrets

    @field_validator("rest_deprecation", "rest_sunset", mode="before")
    @classmethod
    def _is_an_instant(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            instant = datetime.fromisoformat(value)
            # A day begins, and a time without a zone is meant, in UTC.
            return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            raise ValueError(
                "must be a date or time such as 2027-06-30 or 2027-06-30T12:00Z"
            ) from None

    @model_validator(mode="after")
    def _a_file_has_no_replica(self) -> Self:
        if self.database_replica_url and self.database_url.startswith(_SQLITE):
            raise ValueError("ORDERS_DATABASE_REPLICA_URL: SQLite has no replicas")
        return self

    @model_validator(mode="after")
    def _sunset_follows_deprecation(self) -> Self:
        if self.rest_deprecation and self.rest_sunset and self.rest_sunset < self.rest_deprecation:
            raise ValueError("ORDERS_REST_SUNSET: must not be earlier than ORDERS_REST_DEPRECATION")
        return self

    @model_validator(mode="after")
    def _limits_go_together(self) -> Self:
        if 0 < self.cost_budget < self.max_query_cost:
            raise ValueError("ORDERS_COST_BUDGET: must not be less than ORDERS_MAX_QUERY_COST")
        return self

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Settings from the environment and `.env`; an override that is not None wins.

        Raises:
            SettingsError: a value is wrong, a name that begins with `ORDERS_` is unknown, or a line
                of `.env` can't be read.
        """
        environment = _named(_environment())
        file = {name: v for name, v in _named(_dotenv()).items() if name not in environment}
        unknown = sorted({*environment, *file} - {*cls.model_fields})
        if unknown:
            names = ", ".join(f"{_PREFIX}{name.upper()}" for name in unknown)
            raise SettingsError(f"unknown setting {names}")
        given = {name: value for name, value in overrides.items() if value is not None}
        try:
            return cls(**{**file, **given})
        except ValidationError as error:
            raise SettingsError("\n".join(_sentence(dict(e)) for e in error.errors())) from None


def checked_database_url(url: str) -> str:
    """The URL of a database, if it is one that is supported.

    Raises:
        ValueError: it is not. No part of it is repeated.
    """
    if not url.startswith((_SQLITE, *_POSTGRESQL)):
        raise ValueError(f"must begin with {_SQLITE} or {_POSTGRESQL[0]}")
    if url.startswith(_SQLITE):
        path = url.removeprefix(_SQLITE)
        if path in {"", ":memory:"} or "?" in path:
            raise ValueError("must name a database file, without parameters")
    else:
        _check_postgresql(url)
        if not urlsplit(url).path.strip("/"):
            raise ValueError("must name a database after the host: postgresql://host/orders")
    return url


def _check_postgresql(url: str) -> None:
    """Refuse what the driver would misread; a part of a password could come to light so.

    Raises:
        ValueError: the URL can't be read. No part of it is repeated.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(_MISREAD) from None  # its own message repeats the password
    user, _, hosts = parts.netloc.rpartition("@")
    if (
        "@" in user
        or "@" in parts.path
        or parts.fragment
        or not all(_HOST.fullmatch(host) for host in hosts.split(","))
    ):
        raise ValueError(_MISREAD)
    try:
        given = parse_qs(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise ValueError("must have parameters of the form name=value after its ?") from None
    if "ssl" in given:
        raise ValueError("must have TLS options of libpq: sslmode=require in place of ssl=")
    for name, choices in _POSTGRESQL_CHOICES.items():
        if not {*given.get(name, ())} <= {*choices}:
            raise ValueError(f"must have one of these as {name}: {', '.join(choices)}")


def _environment() -> Mapping[str, str]:
    return os.environ  # noqa: TID251 (the one place that reads the environment)


def _named(variables: Mapping[str, str]) -> dict[str, str]:
    """Those of the variables that are settings, by the name of their field."""
    return {
        name[len(_PREFIX) :].lower(): value
        for name, value in variables.items()
        if name.upper().startswith(_PREFIX) and not name.upper().startswith(_NOT_OURS)
    }


def _dotenv() -> dict[str, str]:
    """The lines of `.env`, other programs' too; nothing stands in for `${...}` in a value.

    Raises:
        SettingsError: it is not in UTF-8, or a line can't be read; none is passed over, because
            a quote that is not closed may hide the lines after it.
    """
    file = Path(_DOTENV)
    if not (file.is_file() or file.is_fifo()):
        return {}  # some call a folder so
    try:
        text = file.read_bytes().decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:  # UTF-16, which PowerShell writes, has it beside each letter
        raise SettingsError(f"{_DOTENV} is not in UTF-8")
    values: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(text)):
        statement = binding.original.string.lstrip()
        is_ours = (binding.key or "").upper().startswith(_PREFIX)
        if binding.error or (is_ours and binding.value is None):
            blank = len(binding.original.string) - len(statement)
            number = binding.original.line + binding.original.string[:blank].count("\n")
            raise SettingsError(
                f"{_DOTENV}: line {number} can't be read: write NAME=value, and close each quote"
            )
        if binding.key is not None and binding.value is not None:
            values[binding.key] = binding.value
    return values


def _sentence(error: dict[str, Any]) -> str:
    reason = str(error["msg"]).removeprefix("Value error, ")
    if not error["loc"]:
        return reason
    name = str(error["loc"][0])
    return f"{_PREFIX}{name.upper()}: {reason}"
