"""The end of a bounded run: is every feature what the events say, and does history hold them, each once?"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl
import redis
from deltalake import DeltaTable

from app.clock import now_us
from app.demo.recomputing import Hash, Mismatch, mismatches, rows_of
from headrace.history.read import read_history
from headrace.online.keys import KeySpace
from headrace.plan import ViewPlan

PATIENCE = 60.0  # seconds that the processes have to catch up after the last event
PAUSE = 0.25
PLACE = ["_partition", "_offset"]


@dataclass(frozen=True)
class Online:
    """What came of comparing: `entities` over all views, and what is wrong with them."""

    entities: int
    wrong: Sequence[Mismatch]


def check_online(
    client: redis.Redis, spaces: Sequence[tuple[ViewPlan, KeySpace]], sent: pl.DataFrame
) -> Online:
    """Compare every entity of every view with a recomputation from `sent`, again until they agree or for a minute."""
    rows = {plan.id: rows_of(plan, sent) for plan, _ in spaces}
    end = time.monotonic() + PATIENCE
    while True:
        entities, wrong = 0, []
        for plan, space in spaces:
            online = hashes(client, space)
            entities += len(online)
            wrong += mismatches(plan, rows[plan.id], online, now_us())
        if not wrong or time.monotonic() > end:
            return Online(entities, wrong)
        time.sleep(PAUSE)


def hashes(client: redis.Redis, space: KeySpace) -> Mapping[str, Hash]:
    """Every entity of a view, by its text."""
    names = [str(n) for n in client.scan_iter(match=f"{space.prefix}*", count=1000)]
    with client.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.hgetall(name)
        found = pipe.execute()
    return {space.entity_text(n) or "": h for n, h in zip(names, found, strict=True) if h}


def check_history(table: str, sent: pl.DataFrame) -> Sequence[str]:
    """What is wrong with the history table, in sentences: lost, twice, never sent, or otherwise than sent."""
    columns = [c for c in sent.columns if not c.startswith("_")]
    if not DeltaTable.is_deltatable(table):
        return [f"{len(sent):,} events lost: there is no table"]
    kept = read_history(table).select(*PLACE, *columns).collect().sort(PLACE)
    expected = sent.select(*PLACE, *columns).sort(PLACE)
    places, wanted = kept.select(PLACE), expected.select(PLACE)
    told = {
        "lost": len(wanted.join(places, on=PLACE, how="anti")),
        "twice": len(places) - places.n_unique(),
        "never sent": len(places.join(wanted, on=PLACE, how="anti")),
    }
    wrong = [f"{count:,} events {what}" for what, count in told.items() if count]
    if not wrong and not kept.equals(expected):
        differing = [c for c in columns if not kept[c].equals(expected[c])]
        wrong.append(f"not as it was sent: {', '.join(differing)}")
    return wrong
