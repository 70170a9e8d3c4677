"""The features of `payments/features/payments.py`, recomputed, and the events that they are of."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.integration.producing import Sent, schema_of
from tests.integration.recomputation import (
    HOUR,
    MINUTE,
    SECOND,
    Event,
    Window,
    at,
    closed,
    covered,
    deviation,
    differences,
    hopping,
    instant,
    lifetime,
    mean,
    micros,
    share,
)

FOLDER = Path(__file__).parent / "payments"
SCHEMA = schema_of(FOLDER / "schemas" / "payment.avsc")
LATENESS = 10 * MINUTE
NOW = instant("2026-01-10T12:34:56.789012Z")
DAY_LONG = hopping(24 * HOUR, HOUR)

MERCHANTS = ["acme", "a|b:c", "100% {sure}", "müller", "tab\there"]


def payments(
    count: int, *, seed: int, users: int = 40, first: int = NOW - 80 * HOUR, last: int = NOW
) -> list[Event]:
    """Payments over a span of event time, in order but for some that come late; some columns null."""
    rng = random.Random(seed)
    times = sorted(rng.randrange(first, last) for _ in range(count))
    events = [
        {
            "paid_at": at(t - (rng.randrange(3 * HOUR) if rng.random() < 0.1 else 0)),
            "user_id": None if rng.random() < 0.05 else rng.randrange(users),
            "merchant": rng.choice(MERCHANTS),
            "card": None if rng.random() < 0.3 else f"card-{rng.randrange(15)}",
            "amount": round(rng.uniform(0.01, 90), 2),
            "cents": rng.randrange(10_000),
            "fx": None if rng.random() < 0.2 else rng.uniform(0.8, 1.2),
            "status": rng.choices(["settled", "open", "failed"], [8, 1, 1])[0],
        }
        for t in times
    ]
    for i in range(0, count - 5, count // 10):  # several at one instant
        events[i + 1]["paid_at"] = events[i]["paid_at"]
        events[i + 1]["user_id"] = events[i]["user_id"]
    return events


Over = Callable[[Window], list[Event]]


def by_user(over: Over) -> dict[str, Any]:
    def euros(events: Iterable[Event]) -> list[float]:
        return [e["amount"] * (1.0 if e["fx"] is None else e["fx"]) for e in events]

    def large(window: Window) -> list[Event]:
        return [e for e in over(window) if euros([e])[0] > 50]

    ever, day = over(lifetime), over(DAY_LONG)
    return {
        "last_merchant": ever[-1]["merchant"],
        "first_cents": ever[0]["cents"],
        "spend_24h": sum(euros(day), 0.0),
        "payments_5m": len(over(hopping(5 * MINUTE, 10 * SECOND))),
        "payments_1h": len(over(hopping(HOUR, HOUR))),
        "payments_closed_1h": len(over(closed(HOUR, HOUR, LATENESS))),
        "cents_2h": sum(e["cents"] for e in over(hopping(2 * HOUR, 30 * MINUTE))),
        "large_7d": len(large(hopping(168 * HOUR, 6 * HOUR))),
        "highest_24h": max((e["cents"] for e in day), default=None),
        "lowest_24h": min((e["cents"] for e in day), default=None),
        "spread_ever": deviation([e["amount"] for e in ever]),
        "mean_ever": mean(euros(ever)),
        "large_share_24h": share(len(large(DAY_LONG)), len(day)),
        "any_large_24h": bool(large(DAY_LONG)),
        "payments_ever": len(ever),
    }


def by_merchant(over: Over) -> dict[str, Any]:
    ever = over(lifetime)
    users = [e["user_id"] for e in ever if e["user_id"] is not None]
    return {
        "takings_24h": sum(e["cents"] for e in over(DAY_LONG)),
        "failed_6h": sum(e["status"] == "failed" for e in over(hopping(6 * HOUR, 10 * MINUTE))),
        "payments_closed_1h": len(over(closed(HOUR, 30 * MINUTE, LATENESS))),
        "last_user": users[-1] if users else None,
        "takings_ever": sum(e["cents"] for e in ever),
        "payments_ever": len(ever),
    }


def by_pair(over: Over) -> dict[str, Any]:
    return {
        "cents_12h": sum(e["cents"] for e in over(hopping(12 * HOUR, 10 * MINUTE))),
        "payments_ever": len(over(lifetime)),
    }


def by_card(over: Over) -> dict[str, Any]:
    ever = over(lifetime)
    return {
        "last_band": "big" if ever[-1]["cents"] >= 5_000 else "small",
        "big_24h": sum(e["cents"] >= 5_000 for e in over(DAY_LONG)),
        "payments_ever": len(ever),
    }


def by_user_in_pandas(over: Over) -> dict[str, Any]:
    return {
        "double_24h": sum(2 * e["cents"] for e in over(DAY_LONG)),
        "double_ever": sum(2 * e["cents"] for e in over(lifetime)),
    }


ESCAPED = {"|": "%7C", ":": "%3A", "%": "%25", "{": "%7B", "}": "%7D", "\t": "%09"}


def text(value: object) -> str:
    """A part of a key, as spec section 5 writes it."""
    return "".join(ESCAPED.get(c, c) for c in str(value))


VIEWS: dict[str, tuple[tuple[str, ...], Callable[[Event], bool], Callable[[Over], dict[str, Any]]]] = {
    "by_user@1": (("user_id",), lambda e: e["status"] == "settled", by_user),
    "by_merchant@2": (("merchant",), lambda e: True, by_merchant),
    "by_pair@1": (("user_id", "merchant"), lambda e: True, by_pair),
    "by_card@1": (("card",), lambda e: e["status"] != "failed", by_card),
    "by_user_in_pandas@1": (("user_id",), lambda e: True, by_user_in_pandas),
}
KEYED = ("by_user@1", "by_pair@1", "by_user_in_pandas@1")
TTL = {"by_pair@1": 36 * HOUR}


def recomputed(view: str, sent: Iterable[Sent], t_of: Callable[[Sent], int]) -> dict[str, dict[str, Any]]:
    """Every entity of a view with its features. `t_of` gives T for the partition of an entity's events."""
    keys, where, features = VIEWS[view]
    entities: dict[str, list[Sent]] = defaultdict(list)
    for one in sent:
        if all(one.event[k] is not None for k in keys):
            entities["|".join(text(one.event[k]) for k in keys)].append(one)
    out = {}
    for key, those in entities.items():
        t = t_of(those[0])
        timed = sorted((micros(o.event["paid_at"]), o.order, o.event) for o in those if where(o.event))
        events = [(time, event) for time, _, event in timed if time <= t]
        ttl = TTL.get(view)
        if ttl is not None:
            for i in range(len(events) - 1, 0, -1):
                if events[i][0] - events[i - 1][0] >= ttl:
                    events = events[i:]
                    break
            if events and events[-1][0] + ttl <= t:
                events = []
        if events:
            out[key] = features(lambda window, events=events, t=t: covered(events, t, window))
    return out


def wrong(
    found: Callable[[str], Mapping[str, Mapping[str, str]]],
    sent: list[Sent],
    t_of: Callable[[str, Sent], int],
) -> list[str]:
    """Every difference between Redis and the recomputation, over all views."""
    lines = []
    for view in VIEWS:
        fading = _fading(view, sent, lambda s, v=view: t_of(v, s))
        expected = recomputed(view, sent, lambda s, v=view: t_of(v, s))
        left = [
            {key: hash for key, hash in side.items() if key not in fading} for side in (expected, found(view))
        ]
        lines += [f"{view} {line}" for line in differences(*left)]
    return lines


def _fading(view: str, sent: Iterable[Sent], t_of: Callable[[Sent], int]) -> set[str]:
    """Entities that Redis forgets within a quarter of an hour: it counts the rest of their ttl by the wall clock, which
    goes on while the engine's stands still, so whether they are there is a matter of how long a test takes.
    """
    if view not in TTL:
        return set()
    keys = VIEWS[view][0]
    newest: dict[str, int] = {}
    left: dict[str, int] = {}
    for one in sent:
        at, t = micros(one.event["paid_at"]), t_of(one)
        if at <= t and all(one.event[k] is not None for k in keys):
            key = "|".join(text(one.event[k]) for k in keys)
            newest[key] = max(newest.get(key, at), at)
            left[key] = newest[key] + TTL[view] - t
    return {key for key, rest in left.items() if 0 < rest <= HOUR // 4}
