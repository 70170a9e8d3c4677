"""`verify`: what Redis serves of sampled entities, against what history says, value by value.

The recomputation is `point_in_time`, which shares no code with panes or their algebras. Each entity is judged as of
the instant that its own hash tells. Owns the sampling, the comparison and the reasons; refuses to correct anything.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, cast

import numpy as np
import polars as pl
import redis

from headrace.durations import DAY
from headrace.errors import DecodeError, UnavailableError, UsageError
from headrace.offline.entities import Entities
from headrace.offline.point_in_time import point_in_time
from headrace.offline.sources import EPOCH, Events
from headrace.offline.view_values import bounds
from headrace.online.address import parse_address
from headrace.online.keys import KeySpace, parse_entity_key, python_entity_key
from headrace.online.read import OnlineReader, OnlineRow
from headrace.panes.duplicates import without_copies
from headrace.plan import ViewPlan
from headrace.types import FLOATS, Decimal
from headrace.windows import BEGINNING, FOREVER

SKETCHES = {"count_distinct", "quantile", "median", "top_k"}
EXACT = 1_000
"""Up to so many events sketches are exact; beyond, they are not compared."""


@dataclass(frozen=True)
class Mismatch:
    """A value that is not what history says.

    `reason` is one of
    `lost` (history has events that Redis has not), `twice` (Redis has more than history),
    `expired` (the entity's ttl is over), `version` (it is there under another version only),
    `late` (an event reached the log after the write), `float` (off by more than 1e-9 and less than 1e-6),
    `history` (Redis has a newer event than history, which has passed it), `unreadable`, `value`.
    """

    entity: str
    feature: str
    online: object
    history: object
    reason: str


@dataclass(frozen=True)
class Verified:
    """`checked` entities, of which `matched` are right in every feature. `ahead` were left out: Redis has events of
    theirs that history has not yet. `gaps`: what history itself has lost, as `headrace.history.gaps.Gap.told` tells."""

    view: str
    checked: int
    matched: int
    ahead: int
    mismatches: tuple[Mismatch, ...]
    gaps: tuple[Mapping[str, Any], ...] = ()

    @property
    def rate(self) -> float:
        """The share of entities that are right; 1 where none was checked."""
        return self.matched / self.checked if self.checked else 1.0

    def told(self) -> dict[str, Any]:
        """As plain values."""
        return {**asdict(self), "rate": self.rate, "mismatches": [asdict(m) for m in self.mismatches]}


def verify(
    plan: ViewPlan,
    events: Events,
    *,
    url: str,
    project: str,
    now: int,
    sample: int = 1_000,
    seed: int = 0,
    hash_tag: bool = False,
    versions: tuple[str, ...] = (),
) -> Verified:
    """Compare at most about `sample` entities, half of them chosen in Redis and half in history.

    `now` (microseconds) is the T of entities that Redis has not. Raises UnavailableError, StateError.
    """
    if not plan.view.online:
        raise UsageError(f"view `{plan.id}` is not online (online=False): there is nothing to verify")
    space = KeySpace(project, plan.view.name, plan.view.version, hash_tag)
    types = list(plan.view.entity.keys.values())
    with redis.Redis.from_url(url, protocol=2, socket_timeout=30) as client:
        online_keys = _sampled_online(client, space, sample // 2 + 1, seed, url)
    texts = sorted({*online_keys, *_sampled_history(plan, events, sample // 2 + 1, seed)})
    gaps = tuple(events.told().get("gaps", ()))
    if not texts:
        return Verified(plan.id, 0, 0, 0, (), gaps)
    with OnlineReader(url, hash_tag=hash_tag) as reader:
        rows, unreadable = _read(reader, project, plan, texts)
        others = {v: _read(reader, project, plan, texts, v)[0] for v in versions if v != plan.view.version}
    keys = pl.DataFrame(
        [
            pl.Series(name, [parse_entity_key(t, types)[i] for t in texts], dtype=type.polars)
            for i, (name, type) in enumerate(plan.view.entity.keys.items())
        ]
    )
    history = _rows_of(plan, events, Entities(keys), texts)
    at = [now if row is None or row.as_of is None else row.as_of for row in rows]
    asked = pl.DataFrame({"_key": texts, "_at": at}, schema={"_key": pl.String, "_at": pl.Int64})
    expected = point_in_time(plan, history, asked).to_dicts()
    as_written = _as_written(plan, history, asked, rows)
    newest = dict(history.group_by("_key").agg(pl.col("_event_time").max()).iter_rows())
    counts = dict(history.group_by("_key").len().iter_rows())
    nothing = plan.over_no_events.to_dicts()[0]
    reaches = max(history["_timestamp"].drop_nulls().to_list(), default=BEGINNING)

    horizon = _horizon(events)
    gone = _reaching(plan, at, horizon)
    found: list[Mismatch] = []
    matched = ahead = checked = 0
    for i, text in enumerate(texts):
        row = rows[i]
        if row is not None and row.event_time is not None and row.event_time < horizon:
            continue  # all that it was made of was taken out of history
        if row is not None and row.event_time is not None and row.event_time > newest.get(text, BEGINNING):
            if row.written_at is None or row.written_at > reaches:
                ahead += 1
                continue
            lost = [n for n in plan.feature_types if row.values.get(n) != nothing[n]][:1]
            found += [Mismatch(text, n, row.values.get(n), expected[i][n], "history") for n in lost]
            checked += 1
            continue
        checked += 1
        if text in unreadable:
            found.append(Mismatch(text, "", unreadable[text], None, "unreadable"))
            continue
        values = nothing if row is None else row.values
        wrong = [
            name
            for name in plan.feature_types
            if not gone[name][i]
            and not _same(plan, name, values.get(name), expected[i][name], counts.get(text, 0))
        ]
        if not wrong:
            matched += 1
            continue
        elsewhere = row is None and any(other[i] is not None for other in others.values())
        judge = _reason(plan, row, elsewhere, expected[i], as_written[i] if as_written else None, nothing)
        found += [Mismatch(text, n, values.get(n), expected[i][n], judge(n)) for n in wrong]
    return Verified(plan.id, checked, matched, ahead, tuple(found), gaps)


def _horizon(events: Events) -> int:
    """Since when history has events, if its retention has taken some out (microseconds)."""
    since = events.told().get("since")
    return (
        BEGINNING if since is None else date.fromisoformat(since).toordinal() * DAY - EPOCH.toordinal() * DAY
    )


def _reaching(plan: ViewPlan, at: list[int], horizon: int) -> dict[str, list[bool]]:
    """Of each feature, whether its windows as of `at` reach back to what was taken out: then it is not compared."""
    if horizon == BEGINNING:
        return {f.name: [False] * len(at) for f in plan.computed}
    return {f.name: [bounds(plan, [f], np.array([t], "i8"))[0] < horizon for t in at] for f in plan.computed}


def _sampled_online(client: redis.Redis, space: KeySpace, n: int, seed: int, url: str) -> list[str]:
    """The texts of `n` entities in Redis, chosen by a hash of their keys."""
    kept = pl.Series([], dtype=pl.String)
    try:
        cursor = 0
        while True:
            cursor, keys = cast("tuple[int, list[bytes]]", client.scan(cursor, match=space.glob, count=5_000))
            texts = [space.entity_text(key.decode()) for key in keys]
            kept = _smallest(pl.concat([kept, pl.Series(texts, dtype=pl.String).drop_nulls()]), n, seed)
            if cursor == 0:
                return kept.to_list()
    except (redis.ConnectionError, redis.TimeoutError) as exc:
        raise UnavailableError(f"Redis at {parse_address(url)}: {exc}") from exc


def _smallest(texts: pl.Series, n: int, seed: int) -> pl.Series:
    frame = texts.unique().to_frame("k").with_columns(h=pl.col("k").hash(seed))
    return frame.bottom_k(n, by="h")["k"]


def _sampled_history(plan: ViewPlan, events: Events, n: int, seed: int) -> list[str]:
    """The texts of `n` entities in history, chosen by a hash of their keys."""
    names = [f"_key{i}" for i in range(len(plan.view.entity.keys))]
    kept: pl.DataFrame | None = None
    for batch in events.batches(plan.projection.needs, BEGINNING, FOREVER):
        rows = plan.projection.keys_and_inputs(plan.source.kept(batch), [])
        keys = rows.select(names) if kept is None else pl.concat([kept.select(names), rows.select(names)])
        kept = keys.unique().with_columns(h=pl.struct(names).hash(seed)).bottom_k(n, by="h")
    if kept is None:
        return []
    types = list(plan.view.entity.keys.values())
    return [python_entity_key(list(key), types) for key in kept.select(names).iter_rows()]


def _rows_of(plan: ViewPlan, events: Events, entities: Entities, texts: list[str]) -> pl.DataFrame:
    """All projected rows of these entities, as `ViewPlan.project` gives them, with their record's timestamp."""
    n = len(plan.view.entity.keys)
    kept = ["_event_time", "_order", "_timestamp", *(["_event_id"] if plan.dedup is not None else [])]
    parts = []
    for batch in events.batches(plan.projection.needs, BEGINNING, FOREVER):
        rows = plan.projection.keys_and_inputs(plan.source.kept(batch), kept)
        numbered = entities.numbered(rows, [pl.col(f"_key{i}") for i in range(n)])
        parts.append(numbered.drop([f"_key{i}" for i in range(n)]))
    schema = {"_key": pl.String(), "_event_time": pl.Int64(), "_timestamp": pl.Int64(), **plan.row_schema}
    if not parts:
        return pl.DataFrame(schema=schema)
    rows = pl.concat(parts)
    names = pl.Series(texts, dtype=pl.String)
    rows = rows.with_columns(names.gather(rows["_code"]).alias("_key")).drop("_code")
    return rows if plan.dedup is None else without_copies(rows, plan.dedup)


def _read(
    reader: OnlineReader, project: str, plan: ViewPlan, texts: list[str], version: str | None = None
) -> tuple[list[OnlineRow | None], dict[str, str]]:
    """The rows, and what is wrong with those that cannot be read; one by one only where one cannot."""
    place = (project, plan.view.name, version or plan.view.version)
    try:
        return reader.read(*place, texts, plan.feature_types), {}
    except DecodeError:
        rows: list[OnlineRow | None] = []
        wrong: dict[str, str] = {}
        for text in texts:
            try:
                rows += reader.read(*place, [text], plan.feature_types)
            except DecodeError as exc:
                wrong[text] = str(exc)
                rows.append(None)
        return rows, wrong


def _as_written(
    plan: ViewPlan, history: pl.DataFrame, asked: pl.DataFrame, rows: list[OnlineRow | None]
) -> list[dict[str, Any]] | None:
    """The values without events whose records are later than the entity's write; None where there are none."""
    written = {
        k: r.written_at for k, r in zip(asked["_key"], rows, strict=True) if r is not None and r.written_at
    }
    times = pl.DataFrame(
        {"_key": list(written), "_w": list(written.values())}, schema={"_key": pl.String, "_w": pl.Int64}
    )
    known = history.join(times, on="_key", how="left", maintain_order="left")
    late = known["_timestamp"].is_not_null() & known["_w"].is_not_null() & (known["_timestamp"] > known["_w"])
    if not late.any():
        return None
    return point_in_time(plan, known.filter(~late).drop("_w"), asked).to_dicts()


def _reason(
    plan: ViewPlan,
    row: OnlineRow | None,
    elsewhere: bool,
    expected: Mapping[str, Any],
    as_written: Mapping[str, Any] | None,
    nothing: Mapping[str, object],
) -> Callable[[str], str]:
    def judged(name: str) -> str:
        if row is None:
            return "version" if elsewhere else "lost"
        got, wanted = row.values.get(name), expected[name]
        if plan.ttl is not None and dict(expected) == dict(nothing):
            return "expired"
        if as_written is not None and _same(plan, name, got, as_written[name], 0):
            return "late"
        if isinstance(got, int | float) and isinstance(wanted, int | float) and not isinstance(got, bool):
            if isinstance(got, float) and math.isclose(got, wanted, rel_tol=1e-6):
                return "float"
            function = plan.view.features[name].function
            if function in ("count", "count_if", "sum", "count_distinct"):
                return "twice" if abs(got) > abs(wanted) else "lost"
        return "value"

    return judged


def _same(plan: ViewPlan, name: str, got: object, wanted: object, events: int) -> bool:
    parts = plan.view.features[name].parts or (plan.view.features[name],)
    if events > EXACT and any(p.function in SKETCHES for p in parts):
        return True
    if plan.feature_types[name] in FLOATS and isinstance(got, float) and isinstance(wanted, float):
        return math.isclose(got, wanted, rel_tol=1e-9, abs_tol=1e-9) or (got != got and wanted != wanted)
    if isinstance(plan.feature_types[name], Decimal):
        return str(got) == str(wanted)
    if isinstance(got, list) and isinstance(wanted, list | pl.Series | np.ndarray):
        return got == list(wanted)
    return got == wanted
