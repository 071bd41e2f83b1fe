"""What an import did: numbers for each collection, and what was passed over, by name."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from app.services.legacy.files import COLLECTIONS

_MOST_FIELDS = 200
_MOST_IDS = 1_000
_OTHER_FIELDS = "(others)"


@dataclass(slots=True)
class Tally:
    """One collection's records: every record read is imported, unchanged or skipped.

    `reasons` counts the skipped by why, one reason each; `warnings` counts the others, a record
    once for each name that applies to it. `fields` counts those passed over. `gone` counts records
    of earlier imports that are here and no longer in the dump; `gone_ids` are the first of them.
    """

    read: int = 0
    imported: int = 0
    unchanged: int = 0
    skipped: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    fields: Counter[str] = field(default_factory=Counter)
    gone: int = 0
    gone_ids: list[str] = field(default_factory=list)

    def skip(self, reason: str) -> None:
        """Count a record that is not imported."""
        self.skipped += 1
        self.reasons[reason] += 1

    def keep(self, warning: str | None = None) -> None:
        """Count a record for which nothing is to be written."""
        self.unchanged += 1
        if warning is not None:
            self.warnings[warning] += 1

    def pass_over(self, fields: Iterable[str]) -> None:
        """Count fields that are not imported; names that documents make up are counted together."""
        for name in fields:
            known = name in self.fields or len(self.fields) < _MOST_FIELDS
            self.fields[name if known else _OTHER_FIELDS] += 1

    def miss(self, ids: Collection[str]) -> None:
        """Count records that the dump does not have any more."""
        self.gone += len(ids)
        self.gone_ids += sorted(ids)[: _MOST_IDS - len(self.gone_ids)]


@dataclass(slots=True)
class ImportReport:
    """The outcome of an import; of a dry run, what it would be.

    `passed_over` are the other collections and files of the dump. `rejects` is the file with the
    records that were skipped; None if there is none.
    """

    dry_run: bool
    passed_over: tuple[str, ...]
    rejects: Path | None = None
    tallies: dict[str, Tally] = field(
        default_factory=lambda: {collection: Tally() for collection in COLLECTIONS}
    )

    @property
    def skipped(self) -> int:
        """Records of all collections that were not imported."""
        return sum(tally.skipped for tally in self.tallies.values())

    @property
    def gone(self) -> int:
        """Records of all collections that are here and no longer in the dump."""
        return sum(tally.gone for tally in self.tallies.values())

    def as_json(self) -> dict[str, object]:
        """The report for a program to read."""
        return {
            **{
                collection: {
                    "read": tally.read,
                    "imported": tally.imported,
                    "unchanged": tally.unchanged,
                    "skipped": tally.skipped,
                    "reasons": _by_name(tally.reasons),
                    "warnings": _by_name(tally.warnings),
                }
                for collection, tally in self.tallies.items()
            },
            "passed_over": {
                "collections": list(self.passed_over),
                "fields": {
                    collection: _by_name(tally.fields)
                    for collection, tally in self.tallies.items()
                    if tally.fields
                },
            },
            "gone_from_dump": {
                collection: {"records": tally.gone, "ids": tally.gone_ids}
                for collection, tally in self.tallies.items()
                if tally.gone
            },
            "rejects": None if self.rejects is None else str(self.rejects),
            "dry_run": self.dry_run,
        }


def _by_name(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items()))
