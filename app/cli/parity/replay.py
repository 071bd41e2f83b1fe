"""Sends calls to both servers, one after another, and collects how their answers compare."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Self

import httpx

from app.cli.parity.calls import Call
from app.cli.parity.compare import Outcome, compare, read_json
from app.cli.parity.known import Answer
from app.cli.parity.masks import Masking

HEADERS = ("content-type", "access-control-allow-origin")
"""The headers that are always compared."""


class ServerFailed(Exception):
    """A server gave no answer; the message says which, to what call, and why."""


@dataclass(slots=True)
class Tally:
    """What became of the calls. `failed` is why the rest of them was not sent."""

    calls: int = 0
    same: int = 0
    different: int = 0
    not_sent: int = 0
    accepted: Counter[str] = field(default_factory=Counter)
    failed: str | None = None


class Server:
    """One of the two servers."""

    def __init__(self, name: str, url: str, timeout_s: float) -> None:
        self.name = name
        # Without the environment: a .netrc would add keys to calls that have none.
        self._client = httpx.Client(
            base_url=url,
            timeout=timeout_s,
            trust_env=False,
            headers={"User-Agent": "orders-parity"},
        )
        self._timeout_s = timeout_s

    def __enter__(self) -> Self:
        """Itself: its connections are closed at the end of the block."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close its connections."""
        self._client.close()

    def answer(self, call: Call, headers: Iterable[str]) -> Answer:
        """Send a call.

        Raises:
            ServerFailed: no whole answer came in time.
        """
        where = f"{call.source}, {call.method} {call.path}: the {self.name} server"
        try:
            # Not as a path relative to the base: `//x` would name another host.
            url = self._client.base_url
            request = self._client.build_request(
                call.method,
                url.copy_with(raw_path=url.raw_path.rstrip(b"/") + call.path.encode()),
                headers=dict(call.headers),
                content=call.content,
            )
            response = self._client.send(request)
        except httpx.TimeoutException:
            raise ServerFailed(f"{where} did not answer within {self._timeout_s:g} s") from None
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise ServerFailed(f"{where} can't be reached: {error}") from None
        is_json, body = read_json(response.content)
        return Answer(
            response.status_code,
            {name: _header(response, name) for name in headers},
            is_json,
            body,
            response.content,
        )


def replay(
    calls: Sequence[Call],
    servers: tuple[Server, Server],
    *,
    writes: bool,
    headers: Sequence[str],
    masking: Masking,
    accept: Collection[str],
    tally: Tally,
) -> Iterator[tuple[Call, Outcome]]:
    """Send each call to both servers, in order, and compare; counts go into the tally.

    Stops at the first call that a server does not answer: what comes later may build on it.
    """
    for call in calls:
        tally.calls += 1
        if call.writes and not writes:
            tally.not_sent += 1
            continue
        try:
            legacy, ours = (server.answer(call, headers) for server in servers)
        except ServerFailed as error:
            tally.failed = str(error)
            return
        outcome = compare(call, legacy, ours, masking, accept)
        tally.accepted.update(outcome.accepted)
        if outcome.differences:
            tally.different += 1
        else:
            tally.same += 1
        yield call, outcome


def _header(response: httpx.Response, name: str) -> str | None:
    values = response.headers.get_list(name)
    if not values:
        return None
    value = ", ".join(values)
    # Case and spaces mean nothing in a media type; of other headers they are compared.
    return value.replace("; ", ";").lower() if name == "content-type" else value
