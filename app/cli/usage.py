"""`orders usage`: who still calls the REST paths."""

import json
from typing import Annotated

import typer

from app.cli.work import print_table, reading
from app.domain.clock import rfc3339
from app.services.auth import LEGACY_KEY_ID
from app.services.rest_usage import Usage, usage_of_last_days

_REPLACED_BY = {
    "/orders/get_all": "me { orders }",
    "/orders/add": "addOrder",
    "/orders/change-status": "changeOrderStatus",
    "/orders/delete": "deleteOrders",
}


def usage(
    days: Annotated[
        int, typer.Option(min=1, max=36_500, help="How many UTC days to look back, today included.")
    ] = 30,
    as_json: Annotated[
        bool, typer.Option("--json", help="For a program; with the calls of each day.")
    ] = False,
) -> None:
    """Show who still calls the REST paths, and what replaces each call in GraphQL.

    A running server writes its counts down every 15 seconds, and when it stops.
    """
    found = reading(lambda connection: usage_of_last_days(connection, days))
    if as_json:
        typer.echo(json.dumps([_facts(used) for used in found], indent=2))
        return
    print_table(
        ("CALLER", "KEY", "PATH", "CALLS", "LAST SEEN", "IN GRAPHQL"),
        [
            (
                used.user_email or used.user_id,
                _key(used),
                used.path,
                used.calls,
                rfc3339(used.last_called_at),
                _REPLACED_BY.get(used.path, "-"),
            )
            for used in found
        ],
    )


def _key(used: Usage) -> str:
    if used.key_id == LEGACY_KEY_ID:
        return "legacy JWT"
    return " ".join(part for part in (used.key_prefix or used.key_id, used.key_name) if part)


def _facts(used: Usage) -> dict[str, object]:
    return {
        "caller": used.user_email or used.user_id,
        "userId": used.user_id,
        "key": _key(used),
        "path": used.path,
        "calls": used.calls,
        "lastSeen": rfc3339(used.last_called_at),
        "replacedBy": _REPLACED_BY.get(used.path, "-"),
        "days": dict(used.days),
    }
