"""What every feature must be: plain Python over the orders of the topic. Shares no code with Headrace."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from tests.faults.topic import Order
from tests.faults.workload import LATENESS
from tests.integration.recomputation import (
    MINUTE,
    SECOND,
    Event,
    Window,
    closed,
    covered,
    hopping,
    lifetime,
    micros,
)

Over = Callable[[Window], list[Event]]
Values = dict[str, dict[str, Any]]


def by_customer(over: Over) -> dict[str, Any]:
    ever = over(lifetime)
    return {
        "orders_ever": len(ever),
        "cents_ever": sum(e["cents"] for e in ever),
        "last_number": ever[-1]["number"],
        "cents_4m": sum(e["cents"] for e in over(hopping(4 * MINUTE, 20 * SECOND))),
        "orders_closed_1m": len(over(closed(MINUTE, MINUTE, LATENESS))),
    }


def by_shop(over: Over) -> dict[str, Any]:
    ever = over(lifetime)
    return {
        "orders_ever": len(ever),
        "cents_ever": sum(e["cents"] for e in ever),
        "last_number": ever[-1]["number"],
        "paid_2m": sum(e["status"] == "paid" for e in over(hopping(2 * MINUTE, 30 * SECOND))),
        "highest_4m": max((e["cents"] for e in over(hopping(4 * MINUTE, 20 * SECOND))), default=None),
        "orders_closed_2m": len(over(closed(2 * MINUTE, MINUTE, LATENESS))),
    }


VIEWS: dict[str, tuple[str, Callable[[Over], dict[str, Any]]]] = {
    "by_customer@1": ("customer", by_customer),
    "by_shop@1": ("shop", by_shop),
}
"""View -> the column of its key, and its features of an entity."""


class Clock:
    """T of an entity with `engine.clock = "event"`: the newest event accepted where the entity is computed."""

    def __init__(self, orders: Iterable[Order]) -> None:
        self._newest: dict[int, int] = {}
        for order in orders:
            at = micros(order.event["ordered_at"])
            partition = order.place[1]
            self._newest[partition] = max(self._newest.get(partition, at), at)

    def __call__(self, view: str, key: str, partition: int) -> int | None:
        return self._newest[partition] if view == "by_customer@1" else max(self._newest.values())


def without_copies(orders: Iterable[Order], dedup: int) -> list[Order]:
    """Orders, given as they lie on the topic, without those whose number came less than `dedup` us before.

    Before: on the same partition, measured in record timestamps from the last one of that number that counted.
    """
    counted: dict[tuple[int, int], int] = {}
    out = []
    for order in orders:
        key = order.place[1], order.event["number"]
        before = counted.get(key)
        if before is None or abs(order.timestamp - before) * 1000 >= dedup:
            counted[key] = order.timestamp
            out.append(order)
    return out


T = Callable[[str, str, int], int | None]
"""(view, key, partition of the entity's orders) -> the instant that its values are of; None: leave it out."""


def recomputed(view: str, orders: Iterable[Order], t_of: T) -> Values:
    """Every entity of a view with its features."""
    column, features = VIEWS[view]
    entities: dict[str, list[Order]] = defaultdict(list)
    for order in orders:
        if order.event[column] is not None:
            entities[order.event[column]].append(order)
    out = {}
    for key, those in entities.items():
        t = t_of(view, key, those[0].place[1])
        if t is None:
            continue
        timed = sorted((micros(o.event["ordered_at"]), o.place, o.event) for o in those)
        events = [(time, event) for time, _, event in timed if time <= t]
        if events:
            out[key] = features(lambda window, events=events, t=t: covered(events, t, window))  # type: ignore[misc]
    return out
