"""A refresh of a batch view: every entity's values as of one instant, from its files, offline and online.

The instant is the epoch of the fence that is claimed in Redis: of two refreshes the later wins, and one that slept
through another writes nothing. A refresh is incremental where files have only come since the one before: it computes
the entities whose values may have changed (`growing`), and writes these online. Else it is full, and what stands online
and is not among the entities any more is removed. Refuses to schedule.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, cast

import numpy as np
import polars as pl
import redis

from headrace.errors import UnavailableError
from headrace.history.storage import Options
from headrace.offline.growing import NEWEST, Before, before_of, changed, standing
from headrace.offline.jobs import Running
from headrace.offline.materializing import replace, values_at
from headrace.offline.sources import Events, FileEvents
from headrace.online.address import parse_address
from headrace.online.guard import Batch, Fence
from headrace.online.keys import KeySpace, entity_key
from headrace.online.resp import encode
from headrace.online.write import OnlineWriter
from headrace.plan import ViewPlan
from headrace.windows import BEGINNING, FOREVER

SLICE = 15_000
"""Entities between two looks at the pace and at whether the job is to end: a hundred transactions."""

DONE = 1
"""What the fence says behind the instant once all of a refresh is in Redis."""


@dataclass(frozen=True)
class Online:
    """Where a view is written online: `limit` entities a second, if given; `sleep` waits that many seconds."""

    url: str
    space: KeySpace
    now: Callable[[], int]
    sleep: Callable[[float], None]
    limit: int | None = None


@dataclass(frozen=True)
class Offline:
    """The view's Delta table."""

    uri: str
    options: Options = field(default_factory=dict)


def instant_of(
    plan: ViewPlan, opened: Callable[[], Events], clock: Literal["wall", "event"] | int, now: int
) -> int:
    """The T of a refresh that begins at `now`: by the wall's clock, by the newest event's, or the fixed one."""
    if isinstance(clock, int):
        return clock
    if clock == "wall":
        return now
    times = (
        cast("int | None", plan.source.kept(batch)[NEWEST].max())
        for batch in opened().batches(plan.projection.needs, BEGINNING, FOREVER)
    )
    return max((t for t in times if t is not None), default=now)


def refresh(
    plan: ViewPlan,
    events: Events,
    at: int,
    job: Running,
    *,
    offline: Offline | None,
    online: Online | None,
    threads: int = 2,
) -> None:
    """Compute the view as of `at` (microseconds) and write it where it is to be. Ends between two slices if the job is
    cancelled; taken up again, it does not write offline what it has written.

    The job's result: ``mode`` ("full" or "incremental"), ``computed`` entities, ``newest_event`` (microseconds).
    Raises FencedError if a later refresh has begun, UnavailableError while a store is away, StateError where there are
    no files.
    """
    todo = job.plan([n for n, there in (("offline", offline), ("online", online)) if there is not None])
    if not todo:
        return
    files = events.files if isinstance(events, FileEvents) else {}
    before = before_of(plan, offline.uri, offline.options) if offline and "offline" in todo else None
    some = None
    if before is not None and isinstance(events, FileEvents) and _complete(online, before.at):
        some = changed(plan, events, before, at)
    rows = values_of(plan, events, at, threads, some)
    newest = cast("int | None", rows[NEWEST].max())
    if before is not None and some is not None:
        newest = max((t for t in (newest, before.newest) if t is not None), default=None)
    job.note(mode="full" if some is None else "incremental", computed=len(rows), newest_event=newest)
    if offline is not None and "offline" in todo:
        present = rows.filter("_present").drop("_present", NEWEST)
        if before is not None and some is not None:
            kept = standing(plan, offline.uri, offline.options, before, some)
            present = pl.concat([present, kept.select(present.columns)], how="vertical_relaxed")
        ordered = present.sort(list(plan.view.entity.keys))
        replace(plan, offline.uri, ordered, at, offline.options, Before(at, files, newest).told(plan))
        if not job.finished("offline"):
            return
    if online is not None and "online" in todo and _written(plan, rows, at, job, online, whole=some is None):
        job.finished("online")


def values_of(
    plan: ViewPlan, events: Events, at: int, threads: int, some: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Every entity with an event up to `at`, or those of `some` (keys by name), sorted by its keys: keys, features,
    ``_present``, ``_event_time``."""
    keys = _entities(plan, events, at, some)
    names = list(plan.view.entity.keys)
    made = values_at(plan, events, keys.select(names), np.full(len(keys), at, "i8"), threads)
    return pl.concat([keys.select(names), made, keys.select(NEWEST)], how="horizontal")


def _entities(plan: ViewPlan, events: Events, at: int, some: pl.DataFrame | None) -> pl.DataFrame:
    """The entities by their keys, with the time of their newest event up to `at`."""
    names = [f"_key{i}" for i in range(len(plan.view.entity.keys))]
    types = dict(zip(names, plan.view.entity.keys.values(), strict=True))
    known = pl.DataFrame(schema={**{n: t.polars for n, t in types.items()}, NEWEST: pl.Int64()})
    for batch in events.batches(plan.projection.needs, BEGINNING, at):
        rows = plan.projection.keys_and_inputs(plan.source.kept(batch), [NEWEST])
        rows = rows.select(*names, NEWEST).filter(pl.col(NEWEST) <= at)
        if some is not None:
            rows = rows.join(some, left_on=names, right_on=list(plan.view.entity.keys), how="semi")
        known = pl.concat([known, rows]).group_by(names).agg(pl.col(NEWEST).max())
    found = known.rename(dict(zip(names, plan.view.entity.keys, strict=True)))
    return found.sort(list(plan.view.entity.keys))


def _complete(online: Online | None, at: int) -> bool:
    """Whether all of the refresh of `at` is in Redis, and nothing of a later one, as far as Redis answers."""
    if online is None:
        return True
    try:
        with redis.Redis.from_url(online.url, protocol=2, socket_timeout=30) as client:
            return bool(client.get(online.space.fence_key(0)) == Fence(at, DONE).text)
    except (redis.ConnectionError, redis.TimeoutError):
        return False


def _written(
    plan: ViewPlan, rows: pl.DataFrame, at: int, job: Running, online: Online, *, whole: bool
) -> bool:
    """Write the entities, then remove those that are none any more: of `rows`, or, where these are the `whole`, all
    others. False if the job is to end."""
    types = plan.view.entity.keys
    left = pl.lit(None, dtype=pl.Int64) if plan.ttl is None else (pl.col(NEWEST) + plan.ttl - at) // 1000
    frame = rows.with_columns(
        entity_key(list(types), list(types.values())).alias("_key"),
        pl.lit(at, dtype=pl.Int64).alias("_as_of"),
        left.alias("_ttl"),
        (~pl.col("_present")).alias("_remove"),
    )
    fence = online.space.fence_key(0)
    with OnlineWriter(online.url) as writer:
        writer.claim(fence, at)
        gone = _gone(online, frame["_key"]) if whole else pl.Series([], dtype=pl.String)
        for part in [*frame.iter_slices(_slice(online)), *_removals(gone, frame, _slice(online))]:
            if job.folder.get(job.record.id).state != "running":
                return False
            stamped = part.with_columns(pl.lit(online.now(), dtype=pl.Int64).alias("_written_at"))
            begun = online.now()
            writer.write(fence, at, encode(stamped, online.space, plan.feature_types))
            if online.limit is not None:
                online.sleep(max(len(part) / online.limit - (online.now() - begun) / 1e6, 0))
        writer.write_all([Batch(fence, at, [], then=Fence(at, DONE))])
    return True


def _slice(online: Online) -> int:
    return SLICE if online.limit is None else max(min(SLICE, online.limit), 1)


def _gone(online: Online, kept: pl.Series) -> pl.Series:
    """The entities that stand online and are not among `kept`."""
    try:
        with redis.Redis.from_url(online.url, protocol=2, socket_timeout=30) as client:
            found = [online.space.entity_text(k.decode()) for k in client.scan_iter(online.space.glob, 5_000)]
    except (redis.ConnectionError, redis.TimeoutError) as exc:
        raise UnavailableError(f"Redis at {parse_address(online.url)}: {exc}") from exc
    texts = pl.Series(found, dtype=pl.String).drop_nulls().unique()
    return texts.filter(~texts.is_in(kept.implode()))


def _removals(gone: pl.Series, like: pl.DataFrame, size: int) -> list[pl.DataFrame]:
    nothing = [pl.lit(None, dtype=t).alias(n) for n, t in like.schema.items() if n not in ("_key", "_remove")]
    rows = gone.alias("_key").to_frame().with_columns(*nothing, pl.lit(True).alias("_remove"))
    return list(rows.select(like.columns).iter_slices(size)) if len(rows) else []
