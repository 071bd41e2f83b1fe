"""Two answers to one call: where they differ, as a list for scripts and as lines for people."""

import difflib
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from app.cli.parity.calls import Call
from app.cli.parity.known import RULES, Answer
from app.cli.parity.masks import Json, Masking

_CONTEXT = 3
_MOST_LINES = 200
_ABSENT = "(none)"


@dataclass(frozen=True, slots=True)
class Difference:
    """One aspect in which the answers differ.

    `what` is `status`, `header <name>` or `body`; `place` leads to the first difference inside a
    JSON body. `diff` holds lines that begin with `-` (legacy), `+` (ours) or a space.
    """

    what: str
    place: str | None
    legacy: str
    ours: str
    diff: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the answers to a call compare.

    `accepted` names the rules that explained something away, `known` those that would explain
    what is left.
    """

    differences: tuple[Difference, ...]
    accepted: tuple[str, ...]
    known: tuple[str, ...]


def compare(
    call: Call, legacy: Answer, ours: Answer, masking: Masking, accept: Collection[str]
) -> Outcome:
    """Compare the answers after levelling out what is accepted and masking what is to be masked."""
    legacy, ours, accepted = _level(call, legacy, ours, accept)
    differences = tuple(_differences(legacy, ours, masking.pair(legacy.body, ours.body)))
    known: tuple[str, ...] = ()
    if differences:
        legacy, ours, known = _level(call, legacy, ours, RULES)
        left = list(_differences(legacy, ours, masking.pair(legacy.body, ours.body)))
        known = known if len(left) < len(differences) else ()
    return Outcome(differences, accepted, known)


def _level(
    call: Call, legacy: Answer, ours: Answer, names: Collection[str]
) -> tuple[Answer, Answer, tuple[str, ...]]:
    applied = []
    for name, (_, rule) in RULES.items():
        if name in names:
            pair = rule(call, legacy, ours)
            applied += [name] if pair != (legacy, ours) else []
            legacy, ours = pair
    return legacy, ours, tuple(applied)


def read_json(content: bytes) -> tuple[bool, Json]:
    """A body as a value, and whether it is JSON at all; names that stand twice make it none."""
    try:
        return True, json.loads(content, object_pairs_hook=_object, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return False, None


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    read = dict(pairs)
    if len(read) < len(pairs):
        raise ValueError("a name stands twice")
    return read


def _no_constant(name: str) -> Json:
    raise ValueError(f"{name} is no JSON")


def _differences(legacy: Answer, ours: Answer, bodies: tuple[Json, Json]) -> Iterator[Difference]:
    if legacy.status != ours.status:
        yield _line("status", str(legacy.status), str(ours.status))
    for name, value in legacy.headers.items():
        if value != ours.headers[name]:
            yield _line(f"header {name}", value or _ABSENT, ours.headers[name] or _ABSENT)
    if legacy.is_json and ours.is_json:
        texts = [json.dumps(body, indent=2, ensure_ascii=False).splitlines() for body in bodies]
        if texts[0] != texts[1]:
            place, parts = _first_difference(*bodies)
            yield Difference("body", place, *parts, tuple(_diff(*texts)))
    elif legacy.content != ours.content:
        lines = [answer.content.decode(errors="replace").splitlines() for answer in (legacy, ours)]
        first = [next((line for line in text if line.strip()), _ABSENT) for text in lines]
        diff = tuple(_diff(*lines)) or ("  (they differ in line ends or bytes that are no text)",)
        yield Difference("body", None, first[0], first[1], diff)


def _line(what: str, legacy: str, ours: str) -> Difference:
    return Difference(what, None, legacy, ours, (f"-{legacy}", f"+{ours}"))


def _first_difference(legacy: Json, ours: Json, place: str = "$") -> tuple[str, tuple[str, str]]:
    if isinstance(legacy, dict) and isinstance(ours, dict):
        if list(legacy) != list(ours):
            return f"{place} (fields)", (", ".join(legacy), ", ".join(ours))
        parts = [(f"{place}.{name}", legacy[name], ours[name]) for name in legacy]
    elif isinstance(legacy, list) and isinstance(ours, list):
        # Positions that both have are looked at first: they tell more than the lengths.
        parts = [
            (f"{place}[{index}]", *pair)
            for index, pair in enumerate(zip(legacy, ours, strict=False))
        ]
        if all(_text(theirs) == _text(own) for _, theirs, own in parts):
            return f"{place} (length)", (str(len(legacy)), str(len(ours)))
    else:
        return place, (_text(legacy), _text(ours))
    for deeper, theirs, own in parts:
        if _text(theirs) != _text(own):
            return _first_difference(theirs, own, deeper)
    return place, (_text(legacy), _text(ours))


def _text(value: Json) -> str:
    # Not the values: to Python, 30 is 30.0, and fields have no order.
    return json.dumps(value, ensure_ascii=False)


def _diff(legacy: Sequence[str], ours: Sequence[str]) -> Iterator[str]:
    """Lines that differ, with some around them; of long answers what follows the first one."""
    start = next(
        (i for i, pair in enumerate(zip(legacy, ours, strict=False)) if pair[0] != pair[1]),
        min(len(legacy), len(ours)),
    )
    window = slice(max(0, start - _CONTEXT), start + _MOST_LINES)
    lines = difflib.unified_diff(legacy[window], ours[window], n=_CONTEXT, lineterm="")
    for line in list(lines)[2:]:
        yield "  ..." if line.startswith("@@") else line
