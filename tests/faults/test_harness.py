"""The harness can tell what is lost, what counts twice, what runs backwards, and which promise was broken."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import redis

from tests.faults import results, verdict
from tests.faults.expected import Clock, recomputed, without_copies
from tests.faults.families import FAULTS, chosen
from tests.faults.fault import FAMILIES, Fault
from tests.faults.reader import Reader
from tests.faults.topic import Order
from tests.faults.workload import PROBES, partition_of
from tests.integration.polling import until
from tests.integration.recomputation import MINUTE, SECOND, at, instant
from tests.stack.redis import Redis

T0 = instant("2026-03-01T00:10:00Z")


def order(offset: int, us: int, customer: str | None = "ann", shop: str = "s", **columns: object) -> Order:
    event = {
        "ordered_at": at(us),
        "customer": customer,
        "shop": shop,
        "number": offset,
        "cents": 10,
        "status": "paid",
    }
    return Order(("orders", 0, offset), {**event, **columns})


ORDERS = [
    order(0, T0, cents=1),
    order(1, T0 + 50 * SECOND, cents=2),
    order(2, T0 + 50 * SECOND, cents=4, status="open"),
    order(3, T0 + 5 * MINUTE + 40 * SECOND, cents=8),
    order(4, T0 - 20 * MINUTE, customer=None, cents=16),
]


def test_the_recomputation_counts_windows_as_the_specification_says() -> None:
    assert recomputed("by_customer@1", ORDERS, Clock(ORDERS)) == {
        "ann": {
            "orders_ever": 4,
            "cents_ever": 15,
            "last_number": 3,
            "cents_4m": 8,  # 00:12:00 to 00:16:00
            "orders_closed_1m": 0,  # 00:14 to 00:15, since 30 s of lateness are not over
        }
    }
    early = [o for o in ORDERS if o.place[2] < 3]
    assert recomputed("by_shop@1", early, lambda view, key, partition: T0 + 90 * SECOND) == {
        "s": {
            "orders_ever": 3,
            "cents_ever": 7,
            "last_number": 2,  # of two at the same instant the later one
            "paid_2m": 2,
            "highest_4m": 4,
            "orders_closed_2m": 3,
        }
    }


def test_a_copy_counts_again_only_after_its_time() -> None:
    stamps = [(7, 0), (8, 1), (7, 599_999), (7, 600_000), (7, 700_000), (8, 600_001)]
    lying = [Order(("orders", 0, i), {"number": n}, stamp) for i, (n, stamp) in enumerate(stamps)]
    assert [o.place[2] for o in without_copies(lying, 10 * MINUTE)] == [0, 1, 3, 5]
    elsewhere = Order(("orders", 1, 0), {"number": 7}, 0)
    assert elsewhere in without_copies([*lying, elsewhere], 10 * MINUTE)


def test_a_lost_and_a_repeated_order_are_counted() -> None:
    wanted = recomputed("by_shop@1", ORDERS, Clock(ORDERS))
    right = {"s": {f: str(v) for f, v in wanted["s"].items()} | {"_event_time": "x"}}
    assert verdict.compared("by_shop@1", wanted, right) == verdict.Verdict()
    short = verdict.compared("by_shop@1", wanted, {"s": right["s"] | {"orders_ever": "3"}})
    assert (short.lost, short.twice, len(short.wrong)) == (2, 0, 1)
    over = verdict.compared("by_shop@1", wanted, {"s": right["s"] | {"orders_ever": "6", "cents_4m": "1"}})
    assert (over.lost, over.twice, len(over.wrong)) == (0, 1, 2)
    assert verdict.compared("by_shop@1", wanted, {}).lost == 5
    assert verdict.compared("by_shop@1", {}, right).wrong == ["by_shop@1 s: in Redis, should not be"]


def test_places_are_wanted_once() -> None:
    found = verdict._counted("history", Counter({("o", 0, 1): 2, ("o", 0, 9): 1}), {("o", 0, 1), ("o", 0, 2)})
    assert (found.lost, found.twice, len(found.wrong)) == (1, 2, 3)


@pytest.mark.integration
@pytest.mark.parametrize("forgets", [False, True])
def test_a_reader_sees_what_runs_backwards(tmp_path: Path, forgets: bool) -> None:
    server = Redis(tmp_path)
    server.start()
    key = f"p:by_shop@1:{PROBES[0]}"
    with redis.Redis.from_url(server.url) as client:
        reader = Reader(server.url, "p", forgets=forgets)

        def show(count: int, second: int) -> None:
            client.hset(
                key, mapping={"orders_ever": count, "_event_time": f"2026-03-01T00:00:{second:02}.000000Z"}
            )
            before = reader.reads
            until("two reads", lambda: reader.reads >= before + 2)

        reader.start()
        try:
            show(5, 10)
            show(7, 11)
            assert reader.backward == []
            client.delete(key)
            before = reader.reads
            until("two reads", lambda: reader.reads >= before + 2)
            gone = (
                []
                if forgets
                else [(key, "count", "7", None), (key, "time", "2026-03-01T00:00:11.000000Z", None)]
            )
            assert reader.backward == gone
            show(6, 11)
            show(6, 9)
        finally:
            reader.stop()
            server.stop()
    lower = [(key, "count", "7", "6")] if forgets else []
    assert reader.backward == [
        *gone,
        *lower,
        (key, "time", "2026-03-01T00:00:11.000000Z", "2026-03-01T00:00:09.000000Z"),
    ]


def test_a_run_is_gone_on_with_and_a_broken_promise_stands_in_the_table(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    fault = Fault("redis", "eaten", lambda scene: None)
    later = Fault("redis", "to come", lambda scene: None, pending="nobody wrote it")
    results.append(file, results.Result("redis", "eaten", 1, "abc", sent=10, lost=1, problems=["gone"]))
    results.append(file, results.Result("redis", "eaten", 2, "abc", sent=1_000, stall=1.26, right_after=0.5))
    found = results.load(file)
    assert results.rows([fault, later], found) == [
        ["redis", "eaten", "2", "1,010", "1", "0", "0", "0", "1.3", "0.5", "BROKEN with seeds 1"],
        ["redis", "to come", *[""] * 8, "pending: nobody wrote it"],
    ]
    results.append(file, results.Result("redis", "eaten", 1, "abd", sent=20))
    assert [(r.seed, r.ok) for r in results.load(file)] == [(1, True), (2, True)]
    assert "| redis | eaten | 2 | 1,020 | 0 |" in results.markdown([fault], results.load(file))


def test_every_row_of_the_table_has_variants_and_each_has_a_name() -> None:
    assert {f.family for f in FAULTS} == set(FAMILIES)
    assert len({f.id for f in FAULTS}) == len(FAULTS)
    assert chosen("kill-9") == chosen("kill -9")
    assert [f.family for f in chosen("zombie")] == ["zombie"] * len(chosen("zombie"))
    assert chosen("no such fault") == ()
    assert [partition_of(key) for key in PROBES] == [0, 1, 2]
