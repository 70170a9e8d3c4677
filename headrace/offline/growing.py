"""What a refresh need not compute again: entities whose values cannot differ from those of the refresh before.

They differ only where an event came or went: in a file that was not there, between the two instants, or at the start of
a window, which has moved. What that was is kept in the commit that wrote the values offline. Refuses to guess: whatever
is not known for sure is computed again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

import orjson
import polars as pl
from deltalake import DeltaTable

from headrace.history.read import scan
from headrace.history.storage import Options, named_errors
from headrace.history.upkeep import is_kept
from headrace.offline.listing import Files, added
from headrace.offline.sources import EPOCH, FileEvents
from headrace.plan import ViewPlan
from headrace.windows import BEGINNING, Window, end_of, start_of

KEY = "headrace.refresh"
"""Of a commit's metadata: a JSON document of `Before`."""

MOST = 10_000
"""So many files are kept in a commit; where there are more, the next refresh is full."""

LOOKED_AT = 50
"""Commits in which the refresh before is looked for."""

NEWEST = "_event_time"


@dataclass(frozen=True)
class Before:
    """A refresh that is in the view's table: its instant (microseconds), the files that it read, and the time of the
    newest event in them up to that instant."""

    at: int
    files: Files
    newest: int | None = None

    def told(self, plan: ViewPlan) -> dict[str, str]:
        """As metadata of a commit."""
        if not 0 < len(self.files) <= MOST:
            return {}
        told = {**asdict(self), "fingerprint": plan.fingerprint}
        return {KEY: orjson.dumps(told).decode()}


def before_of(plan: ViewPlan, uri: str, options: Options) -> Before | None:
    """The newest refresh in the view's table; None if there is none of this definition among the last commits."""
    with named_errors(uri):
        if not is_kept(uri, options):
            return None
        commits = DeltaTable(uri, storage_options=dict(options)).history(LOOKED_AT)
    text = next((c[KEY] for c in commits if KEY in c), None)
    told: Mapping[str, Any] = {} if text is None else orjson.loads(text)
    if told.get("fingerprint") != plan.fingerprint:
        return None
    return Before(told["at"], told["files"], told["newest"])


def changed(plan: ViewPlan, events: FileEvents, before: Before, at: int) -> pl.DataFrame | None:
    """The entities (their keys, by name) whose values as of `at` may differ from those of `before`.

    None where any may: files have changed or are gone, T fell, or a value moves by itself (a decayed sum).
    """
    come = added(before.files, events.files)
    if come is None or at < before.at or any(f == "decayed_sum" for f in _functions(plan)):
        return None
    found = [_keys(plan, events.only(come), BEGINNING, at)]
    found += [_keys(plan, events, first, last) for first, last in bands(plan, before.at, at)]
    return pl.concat(found).unique()


def bands(plan: ViewPlan, before: int, at: int) -> list[tuple[int, int]]:
    """The event times, both ends included, at which an event's part in a value may differ between two instants."""
    found = [(before + 1, at)]
    for feature in plan.computed:
        for part in feature.parts:
            found += _of_window(part.over, before, at, plan.lateness)
    if plan.ttl is not None:
        found.append((before - plan.ttl, at - plan.ttl))
    return _joined([(a, b) for a, b in found if a <= b])


def _of_window(window: Window, before: int, at: int, lateness: int) -> list[tuple[int, int]]:
    if window.kind == "session":
        assert window.gap is not None
        return [(before - window.gap - lateness, at)]
    if window.size is None:
        return []
    moved = (start_of(window, before, lateness), start_of(window, at, lateness) - 1)
    closed = (end_of(window, before, lateness), end_of(window, at, lateness) - 1)
    return [moved, closed] if window.closed else [moved]


def _joined(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    out: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if out and first <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(out[-1][1], last))
        else:
            out.append((first, last))
    return out


def _functions(plan: ViewPlan) -> list[str]:
    return [p.function for f in plan.view.features.values() for p in (f.parts or (f,))]


def _keys(plan: ViewPlan, events: FileEvents, first: int, last: int) -> pl.DataFrame:
    types = plan.view.entity.keys
    known = pl.DataFrame(schema={n: t.polars for n, t in types.items()})
    names = {f"_key{i}": name for i, name in enumerate(types)}
    for batch in events.batches(plan.projection.needs, first, last):
        rows = plan.projection.keys_and_inputs(plan.source.kept(batch), [NEWEST])
        rows = rows.filter(pl.col(NEWEST).is_between(first, last))
        known = pl.concat([known, rows.select(list(names)).rename(names)]).unique()
    return known


def standing(plan: ViewPlan, uri: str, options: Options, before: Before, but: pl.DataFrame) -> pl.DataFrame:
    """What the table has of the refresh before: keys and features of every entity that is not among `but`."""
    instant = EPOCH + timedelta(microseconds=before.at)
    names = list(plan.view.entity.keys)
    with named_errors(uri):
        table = scan(DeltaTable(uri, storage_options=dict(options)))
        here = table.filter(pl.col("_date") == instant.date(), pl.col("_as_of") == instant)
        rows = here.select(*names, *plan.feature_types).collect()
    return rows.join(but, on=names, how="anti")
