"""Log lines and metrics.

Log lines have one set-up for our own and for the libraries', to standard error, never with a key.
Metrics are of one process, for Prometheus to read at `/metrics`.
"""

import json
import logging
import sys
from asyncio import CancelledError
from collections.abc import Iterator

import orjson
import stamina.instrumentation
import structlog
from prometheus_client import REGISTRY
from prometheus_client.metrics_core import CounterMetricFamily
from prometheus_client.registry import Collector

log = structlog.stdlib.get_logger(__name__)


class Operations(Collector):
    """How many GraphQL operations were executed, by the way they were.

    Counted by the event loop alone, without the lock of a counter that any thread may raise: that
    takes as long as looking up the caller.

    Attributes:
        compiled: Compiled to SQL.
        declined: Field by field, as the compiler declined them once their variables were known.
        plain: Field by field.
    """

    def __init__(self) -> None:
        self.compiled = self.declined = self.plain = 0

    def collect(self) -> Iterator[CounterMetricFamily]:
        """The counts, as Prometheus reads them."""
        family = CounterMetricFamily(
            "orders_graphql_operations",
            "GraphQL operations that were executed, by the way they were: compiled to SQL, field by"
            " field, or field by field because the compiler declined them once their variables"
            " were known.",
            labels=["way"],
        )
        for way in ("compiled", "declined", "plain"):
            family.add_metric([way], getattr(self, way))
        yield family


OPERATIONS = Operations()
REGISTRY.register(OPERATIONS)


class _BrokenOff(logging.Filter):
    """Says in a line, in place of a traceback, that the program stops and waits no longer."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Shorten what a task says that was broken off; pass over what the lifespan says."""
        if record.exc_info and isinstance(record.exc_info[1], CancelledError):
            record.exc_info = None
            record.msg, record.args = "broken off, because the program stops", ()
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        text = record.msg
        return not (
            isinstance(text, str)
            and text.startswith("Traceback")
            and "CancelledError" in text.splitlines()[-1]
        )


class _Lines:
    """Where structlog sends the lines of one module, which are finished.

    The logging of the standard library would make a record of each, look for its caller, and render
    it in a second step: that took longer than all else that a small request goes through.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def write(self, line: str) -> None:
        """Write a line at once; when standard error is gone, nobody is left to tell."""
        try:
            sys.stderr.write(f"{line}\n")
        except (OSError, ValueError):
            return

    debug = info = warning = error = critical = write


def configure_logging(level: str, style: str) -> None:
    """Send all logging to standard error.

    Args:
        level: The least severe level to write: `debug`, `info`, `warning`, `error`.
        style: `json` (a line each), `console` (for people), or `auto`: console on a terminal.
    """
    as_console = style == "console" or (style == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    final: list[structlog.typing.Processor]
    if as_console:
        final = [
            # The plain form: the rich one prints local variables, and a key may be among them.
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        ]
    else:
        final = [structlog.processors.format_exc_info, _as_json]
    names = structlog.stdlib.LoggerFactory(ignore_frame_names=[__name__])
    structlog.configure(
        processors=[*shared, *final],
        # What is below the level costs a call that does nothing.
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *name: _Lines(name[0] if name else names().name),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
        )
    )
    handler.addFilter(_BrokenOff())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "alembic"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    # Our own access line has the request id and the duration; uvicorn's would be a second one.
    logging.getLogger("uvicorn.access").disabled = True
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("aiosqlite").setLevel(logging.INFO)
    stamina.instrumentation.set_on_retry_hooks([_log_retry])


def _as_json(_logger: object, _method: str, event: structlog.typing.EventDict) -> str:
    """An event as a line of JSON in ASCII: on a terminal, other characters may be orders to it."""
    try:
        line = orjson.dumps(event, default=repr)
    except orjson.JSONEncodeError:
        line = b"\xff"
    if line.isascii():
        return line.decode()
    return json.dumps(event, default=repr, separators=(",", ":"))


def _log_retry(details: stamina.instrumentation.RetryDetails) -> None:
    """A line for each time that a change is tried again, in place of the library's own."""
    cause = details.caused_by.__cause__
    said = getattr(cause, "orig", None) or cause or details.caused_by
    log.warning(
        "others were in the way; the change is tried again",
        attempt=details.retry_num + 1,
        wait_s=round(details.wait_for, 3),
        reason=str(said).partition("\n")[0],
    )
