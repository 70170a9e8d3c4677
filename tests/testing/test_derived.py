"""Views on other views' updates, three deep, in memory: each update counts once, whatever the batches."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import pytest

import headrace as hr
from headrace.errors import UsageError
from headrace.testing import run
from headrace.testing.running import Run

NOON = 1_767_268_800_000_000
NOW = "2026-01-01T12:00:00Z"
SECOND = 1_000_000
EVER = hr.lifetime()

user = hr.Entity("user", keys={"user": hr.String})
shop = hr.Entity("shop", keys={"shop": hr.Int64})
town = hr.Entity("town", keys={"town": hr.String})

visits = hr.StreamSource(
    "visits",
    format="json",
    schema={"user": hr.String, "shop": hr.Int64, "cents": hr.Int64, "at": hr.Timestamp},
    key="user",
    timestamp="at",
)
by_user = hr.FeatureView(
    "by_user",
    entity=user,
    source=visits,
    where="cents > 0",
    features={
        "visits": hr.count(over=EVER),
        "cents": hr.sum("cents", over=EVER),
        "shop": "shop",
        "visits_10s": hr.count(over=hr.rolling("10s", "1s")),
    },
)
by_shop = hr.FeatureView(
    "by_shop",
    entity=shop,
    source=by_user,
    where="cents >= 20",
    columns={"mean": "cents / visits"},
    features={
        "updates": hr.count(over=EVER),
        "best_mean": hr.max("mean", over=EVER),
        "users": hr.count_distinct("user", over=EVER),
        "last_user": "user",
    },
)
by_town = hr.FeatureView(
    "by_town",
    entity=town,
    source=by_shop,
    columns={"town": "case when shop < 2 then 'north' else 'south' end"},
    features={
        "updates": hr.count(over=EVER),
        "most": hr.max("updates", over=EVER),
        "last_mean": "best_mean",
        "users": hr.sum("users", over=EVER),
    },
)


def visit(who: str, where: int, cents: int, at: int) -> dict[str, Any]:
    return {"user": who, "shop": where, "cents": cents, "at": NOON + at}


Update = dict[str, Any]


def user_updates(seen: list[dict[str, Any]], pushed: list[dict[str, Any]]) -> Iterable[Update]:
    """One for each user of a push, as of all that came until then."""
    for who in sorted({v["user"] for v in pushed if v["cents"] > 0}):
        mine = [(v["at"], i, v) for i, v in enumerate(seen) if v["user"] == who and v["cents"] > 0]
        cents = sum(v["cents"] for _, _, v in mine)
        newest = max(mine, key=lambda m: m[:2])[2]
        yield {"user": who, "visits": len(mine), "cents": cents, "shop": newest["shop"], "at": newest["at"]}


def shop_updates(seen: list[Update], pushed: list[Update]) -> Iterable[Update]:
    for where in sorted({u["shop"] for u in pushed if u["cents"] >= 20}, key=str):
        mine = [(u["at"], i, u) for i, u in enumerate(seen) if u["shop"] == where and u["cents"] >= 20]
        newest = max(mine, key=lambda m: m[:2])[2]
        yield {
            "shop": where,
            "updates": len(mine),
            "best_mean": max(u["cents"] / u["visits"] for _, _, u in mine),
            "users": len({u["user"] for _, _, u in mine}),
            "last_user": newest["user"],
            "at": newest["at"],
        }


def towns(seen: list[Update]) -> dict[str, dict[str, Any]]:
    out = defaultdict(list)
    for i, u in enumerate(seen):
        out["north" if u["shop"] < 2 else "south"].append((u["at"], i, u))
    return {
        name: {
            "updates": len(them),
            "most": max(u["updates"] for _, _, u in them),
            "last_mean": max(them, key=lambda m: m[:2])[2]["best_mean"],
            "users": sum(u["users"] for _, _, u in them),
        }
        for name, them in out.items()
    }


@pytest.mark.parametrize("seed", range(5))
def test_three_views_deep_every_update_counts_once(seed: int) -> None:
    rng = random.Random(seed)
    flow = run([by_town, by_shop], now=NOW)
    events = [
        visit(f"u{rng.randrange(4)}", rng.randrange(4), rng.randrange(-2, 15), -rng.randrange(50) * SECOND)
        for _ in range(60)
    ]
    seen: list[dict[str, Any]] = []
    users: list[Update] = []
    shops: list[Update] = []
    while events:
        pushed, events = events[: (n := rng.randint(1, 7))], events[n:]
        flow.push(pushed)
        seen += pushed
        fresh = list(user_updates(seen, pushed))
        users += fresh
        shops += shop_updates(users, fresh)
    assert shops
    for name, expected in towns(shops).items():
        assert flow.online({"town": name}, view="by_town") == expected
    last = {u["shop"]: u for u in shops}
    for where, u in last.items():
        expected = {name: u[name] for name in by_shop.features}
        assert flow.online({"shop": where}, view="by_shop") == expected
    recomputed = {row["town"]: row for row in flow.offline("by_town").iter_rows(named=True)}
    assert {t: {n: row[n] for n in by_town.features} for t, row in recomputed.items()} == towns(shops)


def test_a_value_that_falls_is_an_update_too() -> None:
    calm = hr.FeatureView(
        "calm",
        entity=user,
        source=by_user,
        features={"now": "visits_10s", "least": hr.min("visits_10s", over=EVER), "told": hr.count(over=EVER)},
    )
    flow = run(calm, now=NOW)
    flow.push([visit("ann", 1, 5, 0), visit("ann", 1, 5, -SECOND)])
    assert flow.online({"user": "ann"}) == {"now": 2, "least": 2, "told": 1}
    flow.advance("1m")
    assert flow.online({"user": "ann"}) == {"now": 0, "least": 0, "told": 2}


def test_the_end_of_an_entity_is_no_event() -> None:
    fleeting = hr.FeatureView(
        "fleeting", entity=user, source=visits, features={"n": hr.count(over="10s")}, ttl="20s"
    )
    counted = hr.FeatureView("counted", entity=user, source=fleeting, features={"told": hr.count(over=EVER)})
    flow = run([fleeting, counted], now=NOW)
    flow.push([visit("ann", 1, 5, 0)])
    flow.advance("1h")
    assert flow.online({"user": "ann"}, view="fleeting") == {"n": 0}
    assert "shop:fleeting@1:ann" not in flow.redis()
    assert flow.online({"user": "ann"}, view="counted") == {"told": 1}


def test_what_is_only_written_again_is_no_update() -> None:
    flow = run(by_shop, now=NOW)
    flow.push([visit("ann", 1, 25, 0)])
    before = flow.redis()
    flow.republish()
    assert flow.redis() == before
    assert flow.online({"shop": 1})["updates"] == 1


def test_an_update_has_the_time_of_the_newest_event_that_it_has_seen() -> None:
    flow = run(
        hr.FeatureView("recent", entity=user, source=by_user, features={"told_30s": hr.count(over="30s")}),
        now=NOW,
    )
    flow.push([visit("ann", 1, 5, -60 * SECOND)])
    assert flow.online({"user": "ann"}) == {"told_30s": 0}
    flow.push([visit("ann", 1, 5, -SECOND)])
    flow.push([visit("ann", 1, 5, -60 * SECOND)])  # a late one: the newest event is still a second old
    assert flow.online({"user": "ann"}) == {"told_30s": 2}


def test_a_session_of_updates_follows_the_stream_not_the_hour_of_a_replay() -> None:
    session = hr.session("10s")
    sessions = hr.FeatureView(
        "sessions",
        entity=user,
        source=by_user,
        features={"first": hr.min("visits", over=session), "last": hr.max("visits", over=session)},
    )
    flow = run(sessions, now="2036-01-01T00:00:00Z", clock="event")
    for at in (0, 5, 9):
        flow.push([visit("ann", 1, 5, at * SECOND)])
    assert flow.online({"user": "ann"}) == {"first": 1, "last": 3}
    flow.push([visit("ann", 1, 5, 30 * SECOND)])
    assert flow.online({"user": "ann"}) == {"first": 4, "last": 4}


def test_only_streams_are_pushed_to() -> None:
    flow: Run = run(by_town, now=NOW)
    with pytest.raises(UsageError, match="no view under test reads the source `by_shop@1`"):
        flow.push([{"shop": 1}], source="by_shop@1")
    assert flow.online({"town": "north"}) == {"updates": 0, "most": None, "last_mean": None, "users": 0}


def test_views_on_two_versions_of_one_view_each_have_their_own() -> None:
    def below(version: int, expr: str) -> hr.FeatureView:
        return hr.FeatureView(
            "below", version=version, entity=user, source=visits, features={"n": hr.sum(expr, over=EVER)}
        )

    first, second = below(1, "cents"), below(2, "cents * 10")
    views = [
        hr.FeatureView(name, entity=user, source=source, features={"n": "n"})
        for name, source in (("on_first", first), ("on_second", second))
    ]
    flow = run(views, now=NOW)
    flow.push([visit("ann", 1, 5, 0)])
    ann = {"user": "ann"}
    assert [flow.online(ann, view=v)["n"] for v in (*views, first, second, "below@2")] == [5, 50, 5, 50, 50]
