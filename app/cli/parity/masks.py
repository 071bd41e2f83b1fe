"""Masks: values that two servers may well choose differently, such as ids and times of new orders.

A mask hides what a value is, not that it is there, and not which values are the same: ids and
times become numbered placeholders, so that a swapped id is still found.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

_ID = re.compile(r"[0-9a-fA-F]{24}\Z", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z", re.ASCII)
_DAY = re.compile(r"[A-Z][a-z]{2,8} [1-9]\d?, \d{4}\Z", re.ASCII)
_STEP = re.compile(r"(\.\.?)([A-Za-z_$][\w$-]*|\*)|\[(\d+|\*)\]")
_NAMED = ("ids", "dates")


@dataclass(frozen=True, slots=True)
class Mask:
    """One rule: `ids`, `dates`, or the places that a path such as `$[*].user` names."""

    rule: str
    place: re.Pattern[str] | None

    @classmethod
    def parse(cls, rule: str) -> "Mask":
        """A rule as people write it.

        Raises:
            ValueError: it is none.
        """
        if rule in _NAMED:
            return cls(rule, None)
        pattern, position = r"\$", 1
        while rule.startswith("$") and position < len(rule):
            step = _STEP.match(rule, position)
            if step is None:
                break
            pattern += _step_pattern(step)
            position = step.end()
        if not rule.startswith("$") or position < max(len(rule), 2):
            raise ValueError("write ids, dates, or a path such as $[*].createdAt or $..orderNum")
        return cls(rule, re.compile(rf"{pattern}\Z"))

    def covers(self, place: str) -> bool:
        """Whether this is a path that names the place."""
        return self.place is not None and self.place.match(place) is not None


def _step_pattern(step: re.Match[str]) -> str:
    dots, name, index = step.groups()
    if index:
        return r"\[\d+\]" if index == "*" else rf"\[{index}\]"
    deep = r"(?:\.[^.\[\]]+|\[\d+\])*" if dots == ".." else ""
    return deep + r"\." + (r"[^.\[\]]+" if name == "*" else re.escape(name))


@dataclass(slots=True)
class _Side:
    """What one server has sent so far: its values, and the placeholders that stand for some."""

    seen: set[str] = field(default_factory=set)
    placeholders: dict[str, dict[str, str]] = field(default_factory=dict)


class Masking:
    """Applies masks to pairs of answers, and remembers placeholders over all of them.

    A value that both servers have sent is shown as it is: they mean the same thing by it. Only
    what one side alone knows becomes a placeholder, numbered in the order of appearance.
    """

    def __init__(self, masks: Sequence[Mask]) -> None:
        self._masks = masks
        self._ids = any(mask.rule == "ids" for mask in masks)
        self._dates = any(mask.rule == "dates" for mask in masks)
        self._sides = (_Side(), _Side())

    def pair(self, legacy: Json, ours: Json) -> tuple[Json, Json]:
        """Both bodies with what the masks hide replaced."""
        if not self._masks:
            return legacy, ours
        for side, body in zip(self._sides, (legacy, ours), strict=True):
            side.seen.update(text.lower() for text in _texts(body) if _kind(text))
        shared = self._sides[0].seen & self._sides[1].seen
        masked = [
            self._mask(body, "$", side, shared)
            for side, body in zip(self._sides, (legacy, ours), strict=True)
        ]
        return masked[0], masked[1]

    def _mask(self, value: Json, place: str, side: _Side, shared: set[str]) -> Json:
        kind = _kind(value) if isinstance(value, str) else None
        covered = any(mask.covers(place) for mask in self._masks)
        if kind and isinstance(value, str) and (covered or self._wanted(kind)):
            known = value.lower()
            if known in shared:
                return value
            numbered = side.placeholders.setdefault(kind, {})
            return numbered.setdefault(known, f"<{kind} {len(numbered) + 1}>")
        if covered:
            return "<masked>"
        if isinstance(value, dict):
            return {
                name: self._mask(part, f"{place}.{name}", side, shared)
                for name, part in value.items()
            }
        if isinstance(value, list):
            return [
                self._mask(part, f"{place}[{index}]", side, shared)
                for index, part in enumerate(value)
            ]
        return value

    def _wanted(self, kind: str) -> bool:
        return self._ids if kind == "id" else self._dates


def _kind(text: str) -> str | None:
    for kind, form in (("id", _ID), ("time", _TIME), ("day", _DAY)):
        if form.match(text):
            return kind
    return None


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)
