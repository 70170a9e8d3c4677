"""What must be there in the end, recomputed from what was sent by an oracle that shares no code with the engine."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tests import oracle
from tests.model import definitions

if TYPE_CHECKING:
    from tests.model.world import World

LATENESS = 3_000_000


def hashes(world: World) -> dict[str, dict[str, str]]:
    """Every hash of every view, without metadata but for `_event_time`."""
    out = {}
    for id, plan in world.project.plans.items():
        (key,) = plan.view.entity.keys
        rows: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for click in world.clicks:
            entity = getattr(click, key)
            if not click.bad and entity is not None:
                rows[entity].append({"t": click.t, "order": (click.partition, click.offset), "n": click.n})
        for entity, mine in rows.items():
            known = oracle.Entity()
            known.apply(mine, world.wall, None)
            features = known.features(plan.view, LATENESS, definitions.VALUES)
            if features is not None:
                newest = datetime.fromtimestamp(known.events[-1]["t"] // 1_000_000, UTC)
                out[f"{definitions.NAME}:{id}:{entity}"] = {
                    **{name: str(value) for name, value in features.items() if value is not None},
                    "_event_time": newest.strftime("%Y-%m-%dT%H:%M:%S"),
                }
    return out


def wrong(world: World) -> list[str]:
    """Differences of Redis from `hashes`, and of the dead letters from the bad events: none if all is right."""
    want = hashes(world)
    have = {}
    for key, hash in world.redis.hashes().items():
        kept = {f: v for f, v in hash.items() if not f.startswith("_")}
        have[key] = {**kept, "_event_time": hash["_event_time"][:19]}
    out = [
        f"{k}: has {have.get(k)}, should have {want.get(k)}"
        for k in sorted({*want, *have})
        if want.get(k) != have.get(k)
    ]
    dead = Counter((c.partition, c.offset) for c in world.clicks if c.bad)
    buried = Counter(world.laws.buried)
    if dead != buried:
        out.append(f"dead letters: lost {dead - buried}, too many {buried - dead}")
    return out
