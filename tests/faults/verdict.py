"""What became of a scene: Redis, history and dead letters against a recomputation of what is on the topic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import redis

from tests.faults.expected import VIEWS, Clock, T, Values, recomputed, without_copies
from tests.faults.scene import Scene
from tests.faults.topic import Order, records, split
from tests.integration.history import Place, places_of, stored
from tests.integration.recomputation import differences, instant

Shown = Mapping[str, Mapping[str, str]]
_FENCE = ("topic", "partition", "offset", "reason")


@dataclass
class Verdict:
    """`lost` and `twice` count orders, over Redis, state, history and dead letters; `wrong` lists all that differs."""

    lost: int = 0
    twice: int = 0
    wrong: list[str] = field(default_factory=list)

    def add(self, other: Verdict) -> None:
        """Take in another part's."""
        self.lost += other.lost
        self.twice += other.twice
        self.wrong += other.wrong


def hashes(scene: Scene, view: str) -> dict[str, dict[str, str]]:
    """Every hash of a view, by key, fields of ours (`_...`) included."""
    prefix = f"{scene.deployment.project}:{view}:"
    with redis.Redis.from_url(
        scene.deployment.environment["HEADRACE_REDIS__URL"], decode_responses=True, socket_timeout=10
    ) as client:
        keys = sorted(client.scan_iter(match=f"{prefix}*", count=10_000))
        pipe = client.pipeline(transaction=False)
        for key in keys:
            pipe.hgetall(key)
        found = dict(zip(keys, pipe.execute(), strict=True))
    return {key.removeprefix(prefix): fields for key, fields in found.items() if fields}


def compared(view: str, wanted: Values, found: Shown) -> Verdict:
    """One view in Redis against what it must be."""
    plain = {k: {f: v for f, v in fs.items() if not f.startswith("_")} for k, fs in found.items()}
    out = Verdict(wrong=[f"{view} {line}" for line in differences(wanted, plain)])
    for key, features in wanted.items():
        count = int(plain.get(key, {}).get("orders_ever", 0))
        out.lost += max(0, features["orders_ever"] - count)
        out.twice += max(0, count - features["orders_ever"])
    return out


def online(scene: Scene, orders: list[Order]) -> Verdict:
    """Both views in Redis. With the wall clock, T of an entity is what its hash says; else it is the partition's."""
    out = Verdict()
    clock = Clock(orders)
    if scene.fault.dedup is not None:
        orders = without_copies(orders, scene.fault.dedup)
    for view in VIEWS:
        found = hashes(scene, view)
        t_of: T = clock
        if scene.fault.wall:
            t_of = _as_of(found)
        out.add(compared(view, recomputed(view, orders, t_of), found))
    return out


def state(scene: Scene, orders: list[Order]) -> Verdict:
    """Both views' state, as `headrace state show` reads it from the changelog, each entity at the T that it holds."""
    out = Verdict()
    if scene.fault.dedup is not None:
        orders = without_copies(orders, scene.fault.dedup)
    for view in VIEWS:
        told = scene.deployment.ask("state", "show", view)
        found = {
            e["key"]: {"_as_of": e["as_of"]} | {f: v for f, v in e["features"].items() if v is not None}
            for e in told["entities"]
        }
        out.add(compared(view, recomputed(view, orders, _as_of(found)), found))
    out.wrong = [f"state: {line}" for line in out.wrong]
    return out


def _as_of(found: Shown) -> T:
    def t_of(view: str, key: str, partition: int) -> int | None:
        # An entity that is not there is compared too: at the end of time it has its lifetime values.
        return instant(found[key]["_as_of"].replace("Z", "+00:00")) if key in found else 1 << 60

    return t_of


def history(scene: Scene, orders: list[Order]) -> Verdict:
    """Each order is in the Delta table once, with its columns."""
    uri, options = scene.history_table
    rows = stored(uri, options)
    found, wanted = Counter(places_of(rows)), {o.place for o in orders}
    out = _counted("history", found, wanted)
    if not rows.is_empty():
        numbers = dict(
            zip(rows.select("_topic", "_partition", "_offset").iter_rows(), rows["number"], strict=True)
        )
        other = [o.place for o in orders if numbers.get(o.place, o.event["number"]) != o.event["number"]]
        out.wrong += [f"history has another order at {place}" for place in other[:5]]
    return out


def dead_letters(scene: Scene, bad: Mapping[Place, str]) -> Verdict:
    """Each bad record has one dead letter, with its reason, and nothing else has one."""
    found: Counter[Place] = Counter()
    wrong = []
    for letter in records(scene.kafka, f"headrace.{scene.deployment.project}.dead-letters"):
        head = {name: letter.headers[name].decode() for name in _FENCE}
        place = (head["topic"], int(head["partition"]), int(head["offset"]))
        found[place] += 1
        if place in bad and bad[place] != head["reason"]:
            wrong.append(f"dead letter of {place}: reason {head['reason']}, expected {bad[place]}")
    out = _counted("dead letters", found, set(bad))
    out.wrong += wrong
    return out


def _counted(what: str, found: Counter[Any], wanted: set[Any]) -> Verdict:
    lost = sorted(wanted - found.keys())
    twice = sorted(place for place, times in found.items() if times > 1)
    strange = sorted(found.keys() - wanted)
    out = Verdict(len(lost), sum(found[p] - 1 for p in twice) + len(strange))
    for kind, places in (("lacks", lost), ("has twice", twice), ("has, and should not,", strange)):
        if places:
            out.wrong.append(f"{what} {kind} {len(places)}, the first: {places[0]}")
    return out


def on_topic(scene: Scene) -> tuple[list[Order], dict[Place, str]]:
    """What is on the topic; every order that was acknowledged to the producer must be there."""
    orders, bad = split(
        records(scene.kafka, scene.topic) if scene.frozen is None else scene.frozen, len(scene.traffic.prefix)
    )
    if scene.frozen is None:
        places = {o.place for o in orders}
        missing = [s.order for s in scene.traffic.sender.sent if s.order not in places]
        assert not missing, f"Kafka lost {len(missing)} acknowledged orders, the first: {missing[0]}"
    return orders, bad
