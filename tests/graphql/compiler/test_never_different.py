"""Compiled answers are those of field by field: data, errors, the order of keys, and price."""

import gc
import random
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import orjson
import pytest
from graphql import parse

from app.telemetry import OPERATIONS
from tests.graphql.compiler.nasty import open_nasty
from tests.graphql.compiler.rewriting import Rewriting, kinds_in, known_of, shapes
from tests.shop import Shop

CALLERS = ("customer", "customer", "customer", "admin", "admin", "admin", "other")
RARE_CALLERS = ("reader", "writer", None)
WAYS = ("compiled", "declined", "plain")


def counted() -> Counter[str]:
    """How many operations this process has answered in each way."""
    found = Counter(dict.fromkeys(WAYS, 0))
    for metric in OPERATIONS.collect():
        for sample in metric.samples:
            if sample.name.endswith("_total"):
                found[sample.labels["way"]] = int(sample.value)
    return found


async def ask(shop: Shop, body: Mapping[str, Any], caller: str | None) -> tuple[int, Any]:
    """The status and the body of an answer, without what another moment would make different."""
    response = await shop.client.post(
        "/graphql",
        content=orjson.dumps(body),
        headers={
            "Content-Type": "application/json",
            "Accept": "application/graphql-response+json",
            **({} if caller is None else {"Authorization": shop.keys[caller]}),
        },
    )
    answer = orjson.loads(response.content)
    if cost := answer.get("extensions", {}).get("cost"):
        # The keys of two applications have budgets of their own.
        del cost["budget"]["left"]
    return response.status_code, answer


async def compare(
    shop: Shop,
    plain: Shop,
    body: Mapping[str, Any],
    caller: str | None,
    *,
    begin: Callable[[], None] = lambda: None,
) -> tuple[str, Any]:
    """Which way the first one took, and the answer, which is the same of both.

    `begin` is called before each of them.
    """
    before = counted()
    begin()
    status, answer = await ask(shop, body, caller)
    ways = [way for way, number in (counted() - before).items() if number]
    begin()
    other_status, other = await ask(plain, body, caller)
    about = f"{body['query']}\nvariables: {body.get('variables')}\ncaller: {caller}\nways: {ways}"
    # As bytes: the order of keys counts.
    found, expected = answer, other
    if ways != ["compiled"] and answer.get("errors") and not answer.get("data"):
        # Of fields that are executed side by side, any may be the first one to fail.
        found, expected = ({**one, "errors": _codes(one)} for one in (answer, other))
    assert orjson.dumps(found) == orjson.dumps(expected), f"{answer}\nplain: {other}\n{about}"
    assert status == other_status, about
    return (ways[0] if ways else "refused"), answer


def _codes(answer: Mapping[str, Any]) -> list[str]:
    return sorted({error["extensions"]["code"] for error in answer["errors"]})


async def compare_rewritten(url: str, *, number: int, each: int, start: int) -> Counter[str]:
    """Compare answers to so many operations, each sent so often; count what they were like."""
    chance = random.Random(start)  # noqa: S311 (the same operations each time)
    made = shapes(40, start)
    seen: Counter[str] = Counter()
    async with open_nasty(url) as (shop, plain):
        known = await known_of(shop)
        for _ in range(number):
            written = Rewriting(made, known, chance).written
            document = parse(written.text)
            for _ in range(each):
                caller = chance.choice(RARE_CALLERS if chance.random() < 0.04 else CALLERS)
                body = {"query": written.text, "variables": written.values(chance)}
                if written.name:
                    body["operationName"] = written.name
                way, answer = await compare(shop, plain, body, caller)
                seen[way] += 1
                if way == "compiled":
                    seen.update(kinds_in(document, answer["data"]))
    return seen


# Where a field fails, the library breaks off those beside it, and may not even begin with some of
# what it made for them. Python says so whenever it comes to collect that.
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
async def test_answers_to_rewritten_operations(database_url: str) -> None:
    seen = await compare_rewritten(database_url, number=80, each=9, start=11)
    gc.collect()
    compiled = seen["compiled"]
    assert sum(seen[way] for way in WAYS) == 720
    # They are about something: most are compiled, and most of these hold orders.
    assert compiled > 0.85 * 720, seen
    assert seen["Order"] > 0.6 * compiled, seen
    assert seen["OrderItem"] > 0.4 * compiled, seen
    assert seen["Product"] > 0.25 * compiled, seen
