"""Answers to compiled operations, as any other has them: with errors, and with what they cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from app.db.database import Database
from app.db.deadline import Deadline
from app.domain.principal import Principal
from app.graphql.compiler.arguments import Declined, Values
from app.graphql.compiler.executing import execute, execute_at_once
from app.graphql.compiler.roots import Where
from app.graphql.errors import presentable
from app.graphql.limits import Limits
from app.graphql.operations import Prepared
from app.services.cost_budget import CostBudget, Standing
from app.telemetry import OPERATIONS


@dataclass(frozen=True, slots=True)
class CompiledAnswers:
    """Answers what the compiler takes. `timeout_s` bounds one operation."""

    database: Database
    limits: Limits
    budget: CostBudget
    timeout_s: float

    async def answer(
        self,
        prepared: Prepared,
        variables: Values,
        caller: Principal | None,
        payer: Principal | None,
    ) -> dict[str, Any] | None:
        """The answer to an operation; None if it is the library's to give.

        Args:
            prepared: The operation.
            variables: What the request has for its variables.
            caller: Who asks, None without a key that we know.
            payer: Whose budget its price was taken from, None if nobody's.
        """
        if prepared.compiled is None:
            return None
        try:
            roots, values = prepared.compiled.bind(variables)
            where = Where(self.database, Deadline(self.timeout_s), self.limits.values)
            outcome = await execute(roots, values, caller, where)
        except Declined:
            return None
        OPERATIONS.compiled += 1
        pieces = outcome.pieces
        answer: dict[str, Any] = {
            "data": None if pieces is None else orjson.Fragment("".join(pieces))
        }
        if outcome.errors:
            answer["errors"] = [presentable(error).formatted for error in outcome.errors]
        if payer is not None:
            cost = self._settled(prepared, variables, pieces, outcome.outline, payer)
            answer["extensions"] = {"cost": cost}
        return answer

    def at_once(
        self, prepared: Prepared, variables: Values, caller: Principal, payer: Principal | None
    ) -> bytes | None:
        """The answer to an operation as JSON, if it can be had without waiting for anything.

        If not, nothing has happened: `answer` has it, or its errors.

        Args:
            prepared: The operation.
            variables: What the request has for its variables.
            caller: Who asks.
            payer: Whose budget its price was taken from, None if nobody's.
        """
        if prepared.compiled is None or prepared.compiled.changes:
            return None
        try:
            roots, values = prepared.compiled.bind(variables)
            found = execute_at_once(roots, values, caller, self.database, self.limits.values)
        except Declined:
            return None
        except Exception:  # noqa: BLE001 (whatever fails for `answer` too, it has words for)
            return None
        if found is None:
            return None
        OPERATIONS.compiled += 1
        pieces, outline = found
        if payer is None:
            return "".join(['{"data":', *pieces, "}"]).encode()
        cost = orjson.dumps(self._settled(prepared, variables, pieces, outline, payer)).decode()
        end = f',"extensions":{{"cost":{cost}}}}}'
        return "".join(['{"data":', *pieces, end]).encode()

    def _settled(
        self,
        prepared: Prepared,
        variables: Values,
        pieces: Sequence[str] | None,
        outline: Any,
        payer: Principal,
    ) -> dict[str, object]:
        """What it cost, when what was taken too much is given back."""
        requested = prepared.requested.cost
        data = outline
        if pieces is not None and not prepared.plan.is_shallow:
            data = orjson.loads("".join(pieces))
        actual = prepared.plan.actual(variables, data)
        return cost_of(requested, actual, self.budget.settle(payer, requested - actual))


def cost_of(requested: int, actual: int, standing: Standing) -> dict[str, object]:
    """What an operation cost, in `extensions` of its answer."""
    return {
        "requested": requested,
        "actual": actual,
        "budget": {
            "maximum": standing.maximum,
            "left": standing.left,
            "restoreRate": standing.restore_per_s,
        },
    }
