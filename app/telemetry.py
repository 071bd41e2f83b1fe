"""Log lines and metrics.

Log lines have one set-up for our own and for the libraries', to standard error, never with a key.
Metrics are of one process, for Prometheus to read at `/metrics`.
"""

import logging
import sys
from asyncio import CancelledError

import stamina.instrumentation
import structlog
from prometheus_client import Counter

log = structlog.stdlib.get_logger()

OPERATIONS = Counter(
    "orders_graphql_operations",
    "GraphQL operations that were executed, by the way they were: compiled to SQL, field by field,"
    " or field by field because the compiler declined them once their variables were known.",
    ["way"],
)


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
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    final: list[structlog.typing.Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta
    ]
    if as_console:
        final.append(
            # The plain form: the rich one prints local variables, and a key may be among them.
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        )
    else:
        final += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=final)
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
