"""What is wrong with a PostgreSQL server, in words, for whoever runs the service.

By the server's code where it has one. Its own words come along as a detail: they name users, hosts
and tables, but no password and no statement.
"""

import socket
import ssl

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.db.dsn import missing_file, place_of
from app.domain.errors import Fault

_SETTING = "ORDERS_DATABASE_URL"
_CORRECT = f"correct {_SETTING}"
_START = f"start the server there, or {_CORRECT}"

# Source: PostgreSQL's documentation, appendix A, "PostgreSQL Error Codes". The longer code wins.
# For each: what it means, what to do, and whether it may pass.
_BY_STATE: dict[str, tuple[str, str, bool]] = {
    "08": ("the connection failed", "", True),
    "25006": (
        "the server only reads",
        f"let {_SETTING} lead to the one that writes (target_session_attrs=read-write)",
        True,
    ),
    "28": (
        "the server refuses the user or the password",
        f"correct them in {_SETTING}, or let them in by the server's pg_hba.conf",
        False,
    ),
    "3D": ("there is no such database", f"create it on the server, or {_CORRECT}", False),
    "42": ("the server refuses what it was asked", "", False),
    "42501": (
        "the user lacks a right",
        "grant it, or make the user the owner of the database",
        False,
    ),
    "42703": ("a column is missing", "run `orders migrate`", False),
    "42704": (
        "the server does not know a parameter",
        f"correct what stands after the ? of {_SETTING}",
        False,
    ),
    "42P01": ("a table is missing", "run `orders migrate`", False),
    "53": ("the server lacks resources", "look into its log", True),
    "53300": (
        "the server has no connection left",
        "raise its max_connections, or lower ORDERS_DATABASE_POOL_SIZE",
        True,
    ),
    "54": ("a text is too long for the server", "shorten it", False),
    "55P02": (
        "the server does not take a parameter",
        f"correct what stands after the ? of {_SETTING}",
        False,
    ),
    "57": ("the server was told to stop this", "", True),
    "57014": ("a statement took too long", "", True),
    "57P01": ("the server is stopping", "", True),
    "57P03": ("the server is starting or stopping", "", True),
}
# PgBouncer has one code for all that it says itself.
_PGBOUNCERS = "08P01"
_NO_ENTRY_AT_PGBOUNCER = ("no such ", "not allowed", "authentication failed", "bouncer config")


class PoolerInBetween(Exception):
    """What answers is not the server, and it was not said that there is a pooler."""


# The same for what has no code. An unknown host may pass: where containers start together, a name
# comes with its server.
_BY_KIND: tuple[tuple[type[BaseException], str, str, bool], ...] = (
    (
        PoolerInBetween,
        "a pooler such as PgBouncer is in between, and would mix up answers",
        "set ORDERS_DATABASE_PGBOUNCER=true",
        False,
    ),
    (PoolTimeoutError, "all connections are in use", "", True),
    (
        asyncpg.TargetServerAttributeNotMatched,
        "none of the servers is as target_session_attrs wants it",
        "",
        True,
    ),
    (socket.gaierror, "unknown host", _CORRECT, True),
    (ConnectionRefusedError, "connection refused", _START, True),
    (FileNotFoundError, "there is no such socket", _START, True),
    (TimeoutError, "no answer in time", "look for a wrong address or a firewall in between", True),
)


def driver_error(error: BaseException) -> BaseException:
    """What the driver said, without what SQLAlchemy puts around it: that has the statement."""
    while isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig.__cause__ or error.orig
    return error


def sqlstate(error: BaseException) -> str | None:
    """The server's code for it, if it is the server's."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig
    state = getattr(error, "sqlstate", None)
    return state if isinstance(state, str) else None


def fault_of(error: BaseException, url: str) -> Fault:
    """Why a database can't be used.

    Args:
        error: What the driver or the network said.
        url: The database's.
    """
    place = place_of(url)
    error = driver_error(error)
    state = sqlstate(error)
    if state is not None:
        return _said_by_server(error, state, place)
    # An error of TLS is one of the system, too.
    if isinstance(error, ssl.SSLError):
        return _of_tls(error, place)
    if isinstance(error, OSError):
        return _of_the_network(error, url, place)
    if isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError):
        # The driver refuses the URL. Its words may repeat a part of it that is wrong.
        return Fault(
            place,
            "a parameter of the connection can't be used",
            missing_file(url) or _first_line(error),
            _CORRECT,
            can_pass=False,
        )
    for kind, reason, advice, can_pass in _BY_KIND:
        if isinstance(error, kind):
            return Fault(place, reason, advice=advice, can_pass=can_pass)
    return Fault(place, "the connection was lost", _first_line(error))


def _said_by_server(error: BaseException, state: str, place: str) -> Fault:
    reason, advice, can_pass = _BY_STATE.get(state) or _BY_STATE.get(
        state[:2], ("the server failed", "look into its log", True)
    )
    # A connection that breaks off has what the server said last as its cause.
    detail = _first_line(error.__cause__ or error)
    if state == _PGBOUNCERS and any(words in detail for words in _NO_ENTRY_AT_PGBOUNCER):
        reason, advice, _ = _BY_STATE["28"]
        can_pass = False
    return Fault(place, reason, detail, advice, can_pass)


def _of_tls(error: ssl.SSLError, place: str) -> Fault:
    if not isinstance(error, ssl.SSLCertVerificationError):
        return Fault(place, "TLS failed", error.reason or "", can_pass=False)
    said = error.verify_message
    advice = f"name the authority that signed it by sslrootcert in {_SETTING}"
    if "ostname" in said or "IP address" in said:
        advice = f"name the server in {_SETTING} as its certificate does"
    return Fault(place, "the server's certificate is not trusted", said, advice, can_pass=False)


def _of_the_network(error: OSError, url: str, place: str) -> Fault:
    if "SSL upgrade" in str(error):
        return Fault(
            place,
            "the server takes no TLS",
            advice=f"switch it on there, or change sslmode in {_SETTING}",
            can_pass=False,
        )
    if file := missing_file(url):
        return Fault(place, "a file is missing", file, _CORRECT, can_pass=False)
    for kind, reason, advice, can_pass in _BY_KIND:
        if isinstance(error, kind):
            return Fault(place, reason, advice=advice, can_pass=can_pass)
    reason = error.strerror or "the connection was lost"
    return Fault(place, reason[:1].lower() + reason[1:], advice=_START)


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
