"""A read of the offline store: what entities' features were at the newest instant that was materialised.

Where a view has no table yet, the values are computed from its events as of now, by the engine of training sets: the
same values that a materialisation of this instant would write. Refuses to write.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from deltalake import DeltaTable

from headrace.history.access import options_of
from headrace.history.read import scan
from headrace.history.storage import Options, named_errors, view_uri
from headrace.history.upkeep import is_kept
from headrace.offline.materializing import values_at
from headrace.offline.opening import opening
from headrace.offline.refreshing import instant_of
from headrace.online.keys import parse_entity_key
from headrace.online.read import OnlineRow
from headrace.online.text import from_text, to_text
from headrace.plan import ViewPlan
from headrace.project import Project
from headrace.settings import Settings
from headrace.types import DataType

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read_offline(
    project: Project, settings: Settings, plan: ViewPlan, texts: Sequence[str], now: int
) -> list[OnlineRow | None]:
    """The rows of the entities whose texts are `texts`, in that order; None for one that has no event in any window.

    All are of one instant, `as_of`: the newest of the view's table ``views/{view}@{version}``, or, where there is no
    such table, `now` (microseconds) by `engine.clock`. Raises StateError where there is neither table nor history,
    UnavailableError.
    """
    keys = _keys(plan, texts)
    uri, options = view_uri(settings.history.uri, settings.project, plan.id), options_of(settings)
    found = _materialized(plan, uri, options, keys)
    if found is None:
        events = opening(project, settings, None, None)(plan.source.source)
        at = instant_of(plan, lambda: events, settings.clock, now)
        values = values_at(plan, events, keys, np.full(len(keys), at, "i8"), 2)
        found = at, values.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias("_row"))
    at, rows = found
    rows = rows.filter("_present")
    columns = {name: as_python(rows[name], plan.feature_types[name]) for name in plan.feature_types}
    place = {row: i for i, row in enumerate(rows["_row"].to_list())}
    return [
        OnlineRow({n: c[place[i]] for n, c in columns.items()}, None, at, None) if i in place else None
        for i in range(len(texts))
    ]


def as_python(column: pl.Series, type: DataType) -> list[object]:
    """A feature's values as a read of Redis gives them: by way of the same text."""
    texts = to_text(column, type).to_list()
    return [None if text is None else from_text(text, type) for text in texts]


def _keys(plan: ViewPlan, texts: Sequence[str]) -> pl.DataFrame:
    types = list(plan.view.entity.keys.values())
    parsed = [parse_entity_key(text, types) for text in texts]
    return pl.DataFrame(
        [
            pl.Series(name, [values[i] for values in parsed], dtype=type.polars)
            for i, (name, type) in enumerate(plan.view.entity.keys.items())
        ]
    )


def _materialized(
    plan: ViewPlan, uri: str, options: Options, keys: pl.DataFrame
) -> tuple[int, pl.DataFrame] | None:
    """The newest instant of the table, and of it the entities asked for: features, ``_row`` among `keys`, ``_present``.

    None where there is no table, or nothing in it.
    """
    with named_errors(uri):
        if not is_kept(uri, options):
            return None
        table = scan(DeltaTable(uri, storage_options=dict(options)))
        newest = newest_instant(DeltaTable(uri, storage_options=dict(options)))
        if newest is None:
            return None
        instant = EPOCH + timedelta(microseconds=newest)
        here = table.filter(pl.col("_date") == instant.date(), pl.col("_as_of") == instant)
        asked = keys.lazy().with_row_index("_row").with_columns(pl.col("_row").cast(pl.Int64))
        rows = here.join(asked, on=list(keys.columns), how="inner", nulls_equal=False)
        found = rows.select("_row", *plan.feature_types, pl.lit(True).alias("_present")).collect()
    return newest, found


def newest_instant(table: DeltaTable) -> int | None:
    """The newest ``_as_of`` of a view's table, in microseconds; None of an empty one."""
    days = [p["_date"] for p in table.partitions()]
    if not days:
        return None
    day = datetime.fromisoformat(max(days)).date()
    newest = scan(table).filter(pl.col("_date") == day).select(pl.col("_as_of").max()).collect().item()
    return None if newest is None else (newest - EPOCH) // timedelta(microseconds=1)
