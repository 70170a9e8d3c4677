"""What a change of a view does to the values that are there: nothing, or a new version is needed. And why.

Two definitions of one view are compared by their meaning (`meaning_of`), so that words about a view never matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from headrace.definitions import FeatureView
from headrace.plan.fingerprint import meaning_of

_SAID = {
    "source": "its source",
    "topics": "the source's topics",
    "timestamp": "the source's event time",
    "lateness": "the source's lateness",
    "max_ahead": "the source's max_ahead",
    "dedup": "the source's event_id or dedup",
    "columns": "the source's columns",
    "entity": "its entity",
    "where": "its filter",
    "derived": "its columns",
    "transform": "its transform",
    "ttl": "its ttl",
}


@dataclass(frozen=True)
class Change:
    """A view before and after. `reasons` say what changed of what its values are made of; empty: state is kept."""

    view: str
    reasons: tuple[str, ...]

    @property
    def keeps_state(self) -> bool:
        """Whether a worker goes on with the state that is there."""
        return not self.reasons

    def __str__(self) -> str:
        if self.keeps_state:
            return f"{self.view} keeps its state"
        return f"{self.view} needs a new version: {'; '.join(self.reasons)}"


def change_of(before: FeatureView, after: FeatureView) -> Change:
    """What became of a view of one name and version."""
    return Change(after.id, tuple(_reasons(meaning_of(before), meaning_of(after))))


def _reasons(before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[str]:
    for name, said in _SAID.items():
        if before[name] != after[name]:
            yield f"{said} changed"
    if before["source"] == after["source"] and before.get("upstream") != after.get("upstream"):
        yield "the view that it is derived from changed"
    was, now = before["features"], after["features"]
    assert isinstance(was, Mapping)
    assert isinstance(now, Mapping)
    for name in sorted({*was, *now}):
        if name not in now:
            yield f"feature {name} is gone"
        elif name not in was:
            yield f"feature {name} is new"
        elif was[name] != now[name]:
            yield f"feature {name} changed"
