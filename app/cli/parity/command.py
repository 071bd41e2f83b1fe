"""The command: its options, and what people and scripts get to see."""

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import httpx
import orjson
import typer

from app.cli.parity.calls import Call, Recording, calls_for_keys, read_recording
from app.cli.parity.compare import Outcome
from app.cli.parity.known import RULES
from app.cli.parity.masks import Mask, Masking
from app.cli.parity.replay import HEADERS, Server, Tally, replay

_DIFFERENT, _UNFINISHED = 1, 3
_SHOWN_OF_KEY = 8


def _server(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise typer.BadParameter(str(error)) from None
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise typer.BadParameter("write an address such as http://127.0.0.1:3000")
    if parsed.userinfo or parsed.query or parsed.fragment:
        raise typer.BadParameter("write it without a user, a query or a fragment")
    return url


def _mask(rule: str) -> Mask:
    try:
        return Mask.parse(rule)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _rule(name: str) -> str:
    if name not in {*RULES, "all"}:
        raise typer.BadParameter(f"choose from {', '.join(RULES)}, or all")
    return name


def parity(
    legacy: Annotated[
        str, typer.Option(parser=_server, metavar="URL", help="The server whose answers are right.")
    ],
    ours: Annotated[
        str, typer.Option(parser=_server, metavar="URL", help="The server to compare with it.")
    ],
    calls: Annotated[
        typer.FileBinaryRead | None,
        typer.Argument(
            help="Recorded calls: JSON lines or an HTTP archive (HAR); - is standard input.",
            show_default=False,
        ),
    ] = None,
    keys: Annotated[
        typer.FileText | None,
        typer.Option(
            help="Also GET /orders/get_all with each key of this file, one a line, at the end;"
            " - is standard input.",
            show_default=False,
        ),
    ] = None,
    writes: Annotated[
        bool, typer.Option("--writes", help="Send calls that may change something, too.")
    ] = False,
    header: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Another header to compare, beside {' and '.join(HEADERS)}.", show_default=False
        ),
    ] = None,
    mask: Annotated[
        list[Mask] | None,
        typer.Option(
            parser=_mask,
            metavar="RULE",
            help="Hide what may differ: ids, dates, or a path such as $[*].createdAt; repeat it.",
            show_default=False,
        ),
    ] = None,
    accept: Annotated[
        list[str] | None,
        typer.Option(
            parser=_rule,
            metavar="NAME",
            help="A deliberate difference that is none to you, or all of them; repeat it.",
            show_default=False,
        ),
    ] = None,
    report: Annotated[
        typer.FileBinaryWrite | None,
        typer.Option(lazy=False, help="Write all differences as JSON.", show_default=False),
    ] = None,
    show: Annotated[int, typer.Option(min=0, help="How many calls to show a diff of.")] = 20,
    timeout: Annotated[
        float, typer.Option(min=0.001, help="How long to wait for an answer, in seconds.")
    ] = 10,
) -> None:
    """Replay calls against two servers and show where their answers differ.

    Exit status: 0 no difference, 1 differences, 2 wrong usage, 3 a server gave no answer, or
    the comparison could not be finished for another reason.
    """
    recording = _recording(calls, keys)
    redaction = _Redaction(recording.calls)
    with _unfinished(redaction):
        tally = Tally()
        different: list[tuple[Call, Outcome]] = []
        accepted = RULES if accept and "all" in accept else accept or ()
        with Server("legacy", legacy, timeout) as theirs, Server("new", ours, timeout) as own:
            outcomes = replay(
                recording.calls,
                (theirs, own),
                writes=writes,
                headers=list(dict.fromkeys([*HEADERS, *(name.lower() for name in header or ())])),
                masking=Masking(mask or ()),
                accept=accepted,
                tally=tally,
            )
            for call, outcome in outcomes:
                if outcome.differences:
                    different.append((call, outcome))
                    if len(different) <= show:
                        _print(call, outcome, redaction)
        _sum_up(tally, recording, len(different) - show)
        if report:
            report.write(
                orjson.dumps(
                    {
                        "legacy": legacy,
                        "ours": ours,
                        "calls": len(recording.calls),
                        "same": tally.same,
                        "different": tally.different,
                        "not_sent": tally.not_sent,
                        "accepted": dict(tally.accepted),
                        "failed": redaction.of(tally.failed) if tally.failed else None,
                        "passed_over": recording.passed_over,
                        "differences": [
                            line for pair in different for line in _report(*pair, redaction)
                        ],
                    },
                    option=orjson.OPT_INDENT_2,
                )
            )
            report.flush()  # what fails after the command is passed over in silence
        if tally.failed:
            typer.echo(f"orders: {redaction.of(tally.failed)}", err=True)
            raise typer.Exit(_UNFINISHED)
        if different:
            raise typer.Exit(_DIFFERENT)


@contextmanager
def _unfinished(redaction: "_Redaction") -> Generator[None]:
    """Give whatever goes wrong a status of its own: the usual one says that answers differ."""
    try:
        yield
    except typer.Exit:
        raise
    except Exception as error:
        message = redaction.of(f"{type(error).__name__}: {error}")
        typer.echo(f"orders: the comparison broke off: {message}", err=True)
        raise typer.Exit(_UNFINISHED) from error


def _recording(calls: typer.FileBinaryRead | None, keys: typer.FileText | None) -> Recording:
    if calls is None and keys is None:
        raise typer.BadParameter("name a file of CALLS, or --keys, or both")
    recording = Recording(())
    try:
        if calls is not None:
            recording = read_recording(calls.read())
        if keys is not None:
            made = calls_for_keys(keys.read())
            recording = Recording((*recording.calls, *made), recording.passed_over)
    except ValueError as error:
        raise typer.BadParameter(f"the calls can't be used: {error}") from None
    if not recording.calls:
        raise typer.BadParameter("there is no call in it")
    return recording


class _Redaction:
    """Replaces keys: of each its number and how it begins is shown, and no more."""

    def __init__(self, calls: Iterable[Call]) -> None:
        self._names: dict[str, str] = {}
        for call in calls:
            key = (call.authorization or "").strip()
            if key.lower().startswith("bearer "):
                key = key[7:].strip()
            if key and key not in self._names:
                begins = key[: min(_SHOWN_OF_KEY, len(key) // 3)]
                self._names[key] = f"key {len(self._names) + 1} ({begins}...)"

    def caller(self, call: Call) -> str:
        """Whose call it is."""
        authorization = (call.authorization or "").strip()
        return self.of(authorization) if authorization else "no key"

    def of(self, text: str) -> str:
        """A text without keys, and without what a terminal would obey."""
        for key, name in self._names.items():
            text = text.replace(key, name)
        return "".join(c if c.isprintable() or c == "\t" else repr(c)[1:-1] for c in text)


def _print(call: Call, outcome: Outcome, redaction: _Redaction) -> None:
    title = redaction.of(f"{call.method} {call.path}")
    typer.secho(f"{call.source}: {title}, {redaction.caller(call)}", bold=True)
    for difference in outcome.differences:
        place = f" at {redaction.of(difference.place)}" if difference.place else ""
        typer.echo(f"  {difference.what}{place}")
        for line in difference.diff:
            colour = {"-": typer.colors.RED, "+": typer.colors.GREEN}.get(line[0])
            typer.secho(f"    {redaction.of(line)}", fg=colour)
    if outcome.known:
        options = " ".join(f"--accept {name}" for name in outcome.known)
        typer.echo(f"  deliberate; to pass over it: {options}")
    typer.echo()


def _sum_up(tally: Tally, recording: Recording, hidden: int) -> None:
    if hidden > 0:
        typer.echo(f"Differences of {_calls(hidden)} are not shown (--show, --report).\n")
    parts = [_calls(tally.calls), f"{tally.same} the same", f"{tally.different} different"]
    if tally.not_sent:
        parts.append(f"{tally.not_sent} writes not sent (--writes sends them)")
    if unsent := len(recording.calls) - tally.calls:
        parts.append(f"{unsent} not reached")
    typer.echo(", ".join(parts) + ".")
    for name, count in sorted(tally.accepted.items()):
        typer.echo(f"Accepted in {count}: {name} ({RULES[name][0]}).")
    if recording.passed_over:
        typer.echo(f"{recording.passed_over} entries for other paths were passed over.")


def _calls(number: int) -> str:
    return "1 call" if number == 1 else f"{number} calls"


def _report(call: Call, outcome: Outcome, redaction: _Redaction) -> Sequence[dict[str, Any]]:
    return [
        {
            "source": call.source,
            "method": call.method,
            "path": redaction.of(call.path),
            "caller": redaction.caller(call),
            "what": difference.what,
            "place": difference.place and redaction.of(difference.place),
            "legacy": redaction.of(difference.legacy),
            "ours": redaction.of(difference.ours),
            "deliberate": list(outcome.known),
        }
        for difference in outcome.differences
    ]
