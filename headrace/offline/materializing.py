"""Materialisation: the values of every entity at each step of a range, as a Delta table that any reader understands.

``views/{view}@{version}`` has the entity's keys, ``_as_of`` (the instant), the features, and is partitioned by
``_date``. Each instant replaces what was there for it, in one commit: doing it twice is doing it once. Refuses to
schedule.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError

from headrace.aggregates.partials import Ints
from headrace.durations import format_instant
from headrace.errors import UnavailableError, UsageError
from headrace.history.storage import Options, as_error, named_errors
from headrace.history.table import PROPERTIES, TARGET_FILE_SIZE, WRITER
from headrace.history.upkeep import is_kept
from headrace.offline.jobs import Running
from headrace.offline.sources import Events
from headrace.offline.view_values import ViewValues
from headrace.plan import ViewPlan
from headrace.types import DataType, Date, Timestamp
from headrace.windows import BEGINNING

ROWS = 4_000_000
"""Rows of entities by instants that are computed at once, by all threads."""

ATTEMPTS = 5
"""So often a commit is tried: another may have rewritten the files that it replaces, such as a compaction."""


def instants(start: int, end: int, step: int) -> list[int]:
    """``start, start + step, ...`` up to and with `end`, in microseconds. UsageError for a range that has none."""
    if step <= 0 or end < start:
        raise UsageError(
            f"a range goes forward in steps: from {format_instant(start)} to {format_instant(end)} by {step} us"
        )
    return list(range(start, end + 1, step))


def materialize(
    plan: ViewPlan,
    events: Events,
    uri: str,
    at: list[int],
    job: Running,
    *,
    options: Options | None = None,
    threads: int = 2,
) -> None:
    """Write the view's values at each of the instants `at` (ascending, microseconds) that are not done yet.

    An entity is there if any of its features covers an event. Entities are in the order of their keys. Ranges of
    instants are computed in `threads` at once (each reads its own events) and written in their order. Raises
    UnavailableError while the store is away: done instants stay done.
    """
    todo = [int(part) for part in job.plan([str(t) for t in at])]
    if not todo:
        return
    if plan.view.transform is not None or plan.view.functions:
        threads = 1  # these are the project's own, and were never asked to bear several
    keys = _entities(plan, events, at[-1])
    several = ranges(todo, len(keys), threads)

    def values(now: list[int]) -> pl.DataFrame:
        return _values(plan, events, keys, now, threads if len(several) == 1 else 1)

    for now, made in _computed(values, several, threads):
        for i, t in enumerate(now):
            one = pl.concat([keys, made[i * len(keys) : (i + 1) * len(keys)]], how="horizontal")
            replace(plan, uri, one.filter("_present").drop("_present"), t, options)
            if not job.finished(str(t)):
                return


def ranges(at: list[int], entities: int, threads: int) -> list[list[int]]:
    """The instants in ranges, each of so many rows that `threads` and one that waits to be written fit into `ROWS`."""
    fit = ROWS // (threads + 1) // max(entities, 1)
    count = max(1, min(fit, -(-len(at) // threads)))
    return [at[i : i + count] for i in range(0, len(at), count)]


def _computed(
    values: Callable[[list[int]], pl.DataFrame], at: list[list[int]], threads: int
) -> Iterator[tuple[list[int], pl.DataFrame]]:
    """The values of each range, in order: `threads` are computed at once while the one before is written."""
    pool = ThreadPoolExecutor(threads, "materialize")
    waiting: deque[tuple[list[int], Future[pl.DataFrame]]] = deque()
    try:
        for now in at:
            waiting.append((now, pool.submit(values, now)))
            if len(waiting) > threads:
                now, made = waiting.popleft()
                yield now, made.result()
        while waiting:
            now, made = waiting.popleft()
            yield now, made.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _entities(plan: ViewPlan, events: Events, last: int) -> pl.DataFrame:
    """Every entity with an event up to `last`, by its keys."""
    names = [f"_key{i}" for i in range(len(plan.view.entity.keys))]
    known = pl.DataFrame(
        schema={n: t.polars for n, t in zip(names, plan.view.entity.keys.values(), strict=True)}
    )
    for batch in events.batches(plan.projection.needs, BEGINNING, last):
        rows = plan.projection.keys_and_inputs(plan.source.kept(batch), [])
        known = pl.concat([known, rows.select(names)]).unique()
    return known.rename(dict(zip(names, plan.view.entity.keys, strict=True))).sort(
        list(plan.view.entity.keys)
    )


def _values(plan: ViewPlan, events: Events, keys: pl.DataFrame, at: list[int], threads: int) -> pl.DataFrame:
    """The values of each entity, instant by instant, with ``_present``."""
    return values_at(
        plan, events, pl.concat([keys] * len(at)), np.repeat(np.array(at, "i8"), len(keys)), threads
    )


def values_at(plan: ViewPlan, events: Events, keys: pl.DataFrame, at: Ints, threads: int) -> pl.DataFrame:
    """Every feature of the entities `keys` (typed, in key order) as of `at`, in that order, and ``_present``: whether
    any of them covers an event."""
    with ViewValues(
        plan,
        list(plan.feature_types),
        keys,
        at,
        strict=False,
        known="happened",
        partition_rows=ROWS,
        expected=events.expected(BEGINNING, int(at.max(initial=BEGINNING))),
        present=True,
    ) as job:
        for batch in events.batches(
            job.needs, job.first, job.last, recorded=job.recorded, ordered=job.ordered
        ):
            job.add(plan.source.kept(batch, ordered=job.ordered))
        return job.values(threads)


def replace(
    plan: ViewPlan,
    uri: str,
    rows: pl.DataFrame,
    t: int,
    options: Options | None,
    told: Mapping[str, str] = {},
) -> None:
    """Write the entities' values as of `t` in place of what the table has of that instant, in one commit.

    The commit's metadata tells the view's fingerprint, the instant, and what else is `told`.
    """
    instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=t)
    types: dict[str, DataType] = {
        **plan.view.entity.keys,
        "_as_of": Timestamp,
        **plan.feature_types,
        "_date": Date,
    }
    whole = rows.with_columns(
        pl.lit(instant, dtype=Timestamp.polars).alias("_as_of"), pl.lit(instant.date()).alias("_date")
    ).select(pl.col(n).cast(type.polars) for n, type in types.items())
    schema = pa.schema([pa.field(n, type.arrow) for n, type in types.items()])
    table = whole.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(schema)
    given = dict(options or {})
    commit = CommitProperties(
        custom_metadata={
            "headrace.fingerprint": plan.fingerprint,
            "headrace.as_of": format_instant(t),
            **told,
        }
    )
    with named_errors(uri):
        if not is_kept(uri, given):
            DeltaTable.create(
                uri,
                schema,
                mode="ignore",
                partition_by=["_date"],
                configuration=PROPERTIES,
                storage_options=given,
            )
        for attempt in range(ATTEMPTS):
            try:
                write_deltalake(
                    DeltaTable(uri, storage_options=given),
                    table,
                    mode="overwrite",
                    predicate=f"_date = '{instant.date()}' and _as_of = {_literal(instant)}",
                    target_file_size=TARGET_FILE_SIZE,
                    writer_properties=WRITER,
                    commit_properties=commit,
                )
                return
            except CommitFailedError as exc:
                if attempt == ATTEMPTS - 1 or isinstance(as_error(uri, exc), UnavailableError):
                    raise


def _literal(instant: datetime) -> str:
    """A timestamp of microseconds in delta-rs's SQL, whose plain literals are of nanoseconds."""
    return f"arrow_cast('{instant:%Y-%m-%dT%H:%M:%S.%fZ}', 'Timestamp(Microsecond, Some(\"UTC\"))')"
