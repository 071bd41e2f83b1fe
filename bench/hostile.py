"""How long it takes to turn away requests that are made to be expensive.

    .venv/bin/python -m bench.hostile

Each goes through the whole application, without a network, on a cache that has not seen it before.
The median of five is printed, in processor time: what else runs on the machine does not count.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
from asgi_lifespan import LifespanManager

from app.db import migrations
from app.main import create_app
from app.settings import Settings
from app.telemetry import configure_logging

_CALLS = 5
_FRAGMENTS = 60


def documents() -> dict[str, str]:
    """Documents that must be refused, by what is wrong with them."""
    many = range(5_000)
    chain = range(240)
    spread = [f"...F{other}" for other in range(20)]
    return {
        "5,000 aliases": "{ " + "".join(f"a{n}: scopes " for n in many) + "}",
        "101 aliases": "{ " + "".join(f"a{n}: __typename b{n}: scopes " for n in range(101)) + "}",
        "1,000 operations": "".join(f"query Q{n} {{ scopes }} " for n in range(1_000)),
        "100,000 tokens": "{ " + "scopes " * 100_000 + "}",
        "2,001 tokens": "{ " + "scopes " * 1_999 + "}",
        "a field of 1 MB": "{ " + "x" * 990_000 + " }",
        "a field of 49 kB": "{ " + "orders" * 8_000 + " }",
        "an argument of 40 kB": '{ orders(sort: "' + "CREATED" * 6_000 + '") { totalCount } }',
        "an enum value of 40 kB": "{ orders(sort: " + "CREATED" * 6_000 + ") { totalCount } }",
        "800 conflicting fields": "{ " + "".join(f"f(x:{n}) " for n in range(800)) + "}",
        "330 conflicting fields": "{ me { " + "".join(f"f(x:{n}) " for n in range(330)) + "} }",
        "conflicts of one alias": "{ me { " + "".join("x: a x: b " * 49) + "} }",
        "conflicts of known fields": (
            "{ me { ...F0 ...F1 ...F2 ...F3 } } "
            + " ".join(
                f"fragment F{f} on User {{ "
                + "".join(f"orders(first: 1{f}{n}) {{ totalCount }} " for n in range(40))
                + "}"
                for f in range(4)
            )
        ),
        "600 unknown input fields": (
            "{ orders(filter: {" + " ".join(f"s{n}:1" for n in range(600)) + "}) { totalCount } }"
        ),
        "450 unknown fields": "{ me { " + " ".join(f"order{n}" for n in range(450)) + " } }",
        "600 twin arguments": "{ orders(" + "first:1 " * 600 + ") { totalCount } }",
        "280 directives": "{ scopes " + "@skip(if: false) " * 280 + "}",
        "900 unknown directives": "{ scopes " + "@x " * 900 + "}",
        "390 variables": (
            "query(" + " ".join(f"$v{n}:Int" for n in range(390)) + ") { __typename }"
        ),
        "fragments that double": (
            "{ ...F0 } "
            + " ".join(
                f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(_FRAGMENTS)
            )
            + f" fragment F{_FRAGMENTS} on Query {{ a: scopes }}"
        ),
        "fragments that double, nested": (
            "{ me { ...F0 } } "
            + " ".join(
                f"fragment F{n} on User {{ orders {{ nodes {{ customer {{ ...F{n + 1} }} }}"
                f" edges {{ node {{ customer {{ ...F{n + 1} }} }} }} }} }}"
                for n in range(40)
            )
            + " fragment F40 on User { id }"
        ),
        "fragments that double in introspection": (
            "{ __schema { types { ...F0 } } } "
            + " ".join(
                f"fragment F{n} on __Type {{ ofType {{ ...F{n + 1} }}"
                f" interfaces {{ ...F{n + 1} }} }}"
                for n in range(_FRAGMENTS)
            )
            + f" fragment F{_FRAGMENTS} on __Type {{ name }}"
        ),
        "a chain of 240 fragments": (
            "{ ...F0 } "
            + " ".join(f"fragment F{n} on Query {{ ...F{n + 1} }}" for n in chain)
            + f" fragment F{len(chain)} on Query {{ scopes nothing }}"
        ),
        "a circle of 240 fragments": (
            "{ ...F0 } "
            + " ".join(f"fragment F{n} on Query {{ ...F{(n + 1) % len(chain)} }}" for n in chain)
        ),
        "20 fragments that spread each other": (
            "{ ...F0 } "
            + " ".join(f"fragment F{n} on Query {{ {' '.join(spread)} }}" for n in range(20))
        ),
        "1,500 levels": "{a" * 1_500 + "}" * 1_500,
        "600 inline fragments": "{ " + "... { " * 600 + "scopes" + " }" * 600 + " }",
        "900 nested lists": "{ products(ids: " + "[" * 900 + "]" * 900 + ") { id } }",
        "wide introspection": "{ __schema { types { " + "fields { name } " * 450 + "} } }",
        "deep introspection": "{ __schema { types { " + "fields { type { " * 9 + "name" + " }" * 21,
        "a block string of 900 kB": '{ order(id: """' + "\n  x" * 220_000 + '""") { id } }',
        "140,000 escapes": '{ order(id: "' + "\\u0041" * 140_000 + '") { id } }',
        "200,000 emoji": '{ order(id: "' + "\N{GRINNING FACE}" * 200_000 + '") { id } }',
        "an emoji as a name": "{ \N{GRINNING FACE} }",
        "400,000 comments": "#\n" * 400_000 + "{ scopes }",
        "900,000 commas": "," * 900_000 + "{ scopes }",
        "a wide page in a page": (
            "{ orders(first: 90) { nodes { customer { orders(first: 90) { nodes { "
            + " ".join(f"a{n}: number" for n in range(99))
            + " } } } } } }"
        ),
        "pages in pages": (
            "{ orders(first: 100) { nodes { customer { orders(first: 100) { nodes {"
            " customer { orders(first: 100) { nodes { id } } } } } } } } }"
        ),
    }


def bodies() -> dict[str, bytes]:
    """Request bodies that must be refused, by what is wrong with them."""
    query = b'{"query": "query ($ids: [ID!]) { products(ids: $ids) { id } }", "variables": '
    return {
        "JSON of 100,000 levels": b"[" * 100_000 + b"]" * 100_000,
        "JSON of 100,000 levels, open": b'{"a":' * 100_000,
        "variables of 100,000 levels": query + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "330,000 empty lists": query + b'{"ids": [' + b"[]," * 330_000 + b"[]]}}",
        "400,000 ids": query + b'{"ids": [' + b"1," * 400_000 + b"1]}}",
        "9,000 wrong ids": query + b'{"ids": [' + b"[]," * 4_500 + b"1]}}",
        "11,000 ids": query + b'{"ids": [' + b"1," * 11_000 + b"1]}}",
        "a string of 900 kB": query + b'{"ids": "' + b"x" * 900_000 + b'"}}',
        "900 kB of escapes": query + b'{"ids": "' + b"\\u0041" * 150_000 + b'"}}',
        "a batch of 30,000": b"[" + b'{"query": "{ scopes }"},' * 30_000 + b"{}]",
        "9,000 variables": query
        + b"{"
        + b",".join(b'"v%d":1' % n for n in range(9_000))
        + b', "ids": [[]]}}',
        "2 MB": b'{"query": "' + b" " * 2_000_000 + b'"}',
    }


def requests() -> Iterator[tuple[str, bytes]]:
    """All of them, by name, as request bodies."""
    for name, text in documents().items():
        yield name, orjson.dumps({"query": text})
    yield from bodies().items()


async def measure(folder: Path) -> list[tuple[str, float, dict[str, Any]]]:
    """The milliseconds and the answer of each, from a server that has just started."""
    path = folder / "orders.db"
    url = f"sqlite+aiosqlite:///{path}"
    await migrations.migrate(url)
    found = []
    for name, body in requests():
        times, answer = [], {}
        for _ in range(_CALLS):
            app = create_app(Settings(_env_file=None, database_url=url))
            async with LifespanManager(app) as manager:
                transport = httpx.ASGITransport(app=manager.app)
                async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
                    headers = {"Content-Type": "application/json"}
                    await client.post("/graphql", content=b'{"query":"{a}"}', headers=headers)
                    started = time.process_time()
                    response = await client.post("/graphql", content=body, headers=headers)
                    times.append(time.process_time() - started)
                    answer = response.json()
        found.append((name, statistics.median(times) * 1000, answer))
    return found


def main() -> None:
    """Measure and print a Markdown table."""
    configure_logging("warning", "json")
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measure(Path(folder)))
    print("| request | ms | refused with |\n|---|---:|---|")
    for name, took_ms, answer in found:
        if "data" in answer:
            sys.exit(f"{name} was executed")
        error = answer["errors"][0]
        print(
            f"| {name} | {took_ms:.1f} | {error['extensions']['code']}: {error['message'][:70]} |"
        )


if __name__ == "__main__":
    main()
