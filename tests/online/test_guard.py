"""Fences on a real server: whoever lost a partition writes nothing more, at whatever moment it was lost."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
import redis

from headrace.errors import FencedError, OnlineLostError, StateError, UnavailableError
from headrace.online.write import Batch, Fence, OnlineWriter
from headrace.types import Float64, Int64, String
from tests.online.proxy import Proxy
from tests.online.rows import SPACE, chunks, counted

FENCE = SPACE.fence_key(0)


def once(part: bytes, action: Callable[[], object]) -> Callable[[bytes], bytes]:
    """Before the first request that holds `part` is passed on, do something."""
    done = threading.Event()

    def before(data: bytes) -> bytes:
        if part in data and not done.is_set():
            done.set()
            action()
        return data

    return before


def hold(proxy: Proxy, part: bytes) -> Callable[[], None]:
    """The request that holds `part` stays on the line while its client hangs up, until the returned call lets
    it arrive; that returns when the server has read it.
    """
    released, arrived = threading.Event(), threading.Event()

    def before(data: bytes) -> bytes:
        if part not in data:
            return data
        proxy.hang_up()
        assert released.wait(60)
        return data

    def release() -> None:
        released.set()
        assert arrived.wait(60)

    proxy.before = before
    proxy.closed = arrived.set
    return release


def test_a_claim_sets_the_fence_and_a_larger_one_takes_it_over(url: str, client: redis.Redis) -> None:
    with OnlineWriter(url) as old, OnlineWriter(url) as new:
        old.claim(FENCE, 4)
        assert client.get(FENCE) == "4"
        new.claim(FENCE, 5)
        assert client.get(FENCE) == "5"
        with pytest.raises(FencedError, match=r"epoch 4 no longer owns .*:0: epoch 5 does") as e:
            old.claim(FENCE, 4)
        assert e.value.fence_key == FENCE
        assert client.get(FENCE) == "5"


def test_the_owner_writes_and_a_former_owner_does_not(url: str, client: redis.Redis) -> None:
    with OnlineWriter(url) as old, OnlineWriter(url) as new:
        old.claim(FENCE, 1)
        old.write(FENCE, 1, counted(["a", "b"], 1))
        new.claim(FENCE, 2)
        new.write(FENCE, 2, counted(["a"], 2))
        with pytest.raises(FencedError, match="epoch 2 does"):
            old.write(FENCE, 1, counted(["a", "b"], 1))
    assert client.hget("shop:spend@3:a", "n") == "2"
    assert client.hget("shop:spend@3:b", "n") == "1"


def test_a_fence_that_moves_after_it_was_read_stops_the_write(
    proxy: Proxy, url: str, client: redis.Redis
) -> None:
    with OnlineWriter(proxy.url, connections=1) as old, OnlineWriter(url) as new:
        old.claim(FENCE, 1)
        proxy.before = once(b"HSET", lambda: new.claim(FENCE, 2))
        with pytest.raises(FencedError, match="epoch 2 does"):
            old.write(FENCE, 1, counted(["a"], 1))
    assert client.keys("shop:spend*") == []


def test_a_fence_that_moves_between_two_chunks_keeps_the_first_alone(
    proxy: Proxy, url: str, client: redis.Redis
) -> None:
    with OnlineWriter(proxy.url, connections=1) as old, OnlineWriter(url) as new:
        old.claim(FENCE, 1)
        proxy.before = once(b"shop:spend@3:b", lambda: new.claim(FENCE, 2))
        with pytest.raises(FencedError):
            old.write(FENCE, 1, counted(["a", "b", "c"], 1, chunk_keys=1))
    assert client.keys("shop:spend*") == ["shop:spend@3:a"]


def test_a_fence_that_is_touched_but_not_moved_only_delays_the_write(
    proxy: Proxy, url: str, client: redis.Redis
) -> None:
    with OnlineWriter(proxy.url) as writer, OnlineWriter(url) as same:
        writer.claim(FENCE, 1)
        proxy.before = once(b"HSET", lambda: same.claim(FENCE, 1))
        writer.write(FENCE, 1, counted(["a", "b", "c"], 1, chunk_keys=1))
    assert sorted(client.keys("shop:spend*")) == [f"shop:spend@3:{k}" for k in "abc"]  # type: ignore[type-var, arg-type]


def test_two_claims_at_once_leave_the_larger_epoch(proxy: Proxy, url: str, client: redis.Redis) -> None:
    with OnlineWriter(proxy.url) as old, OnlineWriter(url) as new:
        proxy.before = once(b"\r\nSET\r\n", lambda: new.claim(FENCE, 2))
        with pytest.raises(FencedError, match="epoch 1 no longer owns"):
            old.claim(FENCE, 1)
    assert client.get(FENCE) == "2"


def test_a_write_that_was_overtaken_on_the_line_has_no_effect(
    proxy: Proxy, url: str, client: redis.Redis
) -> None:
    """The line hangs with a write on it; the writer comes back by another and writes something newer."""
    release = hold(proxy, b"old")
    with OnlineWriter(proxy.url, connections=1) as writer:
        writer.claim(FENCE, 1)
        with pytest.raises(UnavailableError):
            writer.write(FENCE, 1, chunks(["a"], {"s": (String, ["old"])}))
        writer.write(FENCE, 1, chunks(["a"], {"s": (String, ["new"])}))
        assert client.hget("shop:spend@3:a", "s") == "new"
        release()
        assert client.hget("shop:spend@3:a", "s") == "new"


def test_an_unguarded_write_that_was_overtaken_on_the_line_has_no_effect(
    proxy: Proxy, client: redis.Redis
) -> None:
    release = hold(proxy, b"old")
    with OnlineWriter(proxy.url, connections=1) as writer:
        with pytest.raises(UnavailableError):
            writer.write(None, 0, chunks(["a"], {"s": (String, ["old"])}))
        writer.write(None, 0, chunks(["a"], {"s": (String, ["new"])}))
        release()
        assert client.hget("shop:spend@3:a", "s") == "new"


def test_a_fence_that_is_gone_says_that_redis_lost_its_writes(url: str, client: redis.Redis) -> None:
    with OnlineWriter(url) as writer:
        writer.claim(FENCE, 3)
        client.flushall()
        with pytest.raises(OnlineLostError, match="the fence shop:_fence:spend@3:0 is gone") as e:
            writer.write(FENCE, 3, counted(["a"], 1))
        assert e.value.fence_key == FENCE
        assert client.keys("*") == []
        writer.claim(FENCE, 3)
        writer.write(FENCE, 3, counted(["a"], 1))
    assert client.hget("shop:spend@3:a", "n") == "1"


def test_a_fence_that_fell_back_says_that_redis_lost_its_writes(url: str, client: redis.Redis) -> None:
    with OnlineWriter(url) as writer:
        writer.claim(FENCE, 3)
        client.set(FENCE, "2")
        with pytest.raises(OnlineLostError, match="fell back to 2, expected 3"):
            writer.write(FENCE, 3, counted(["a"], 1))


def test_a_fence_that_holds_no_epoch_is_named(url: str, client: redis.Redis) -> None:
    client.set(FENCE, "mine")
    with OnlineWriter(url) as writer, pytest.raises(StateError, match="holds b'mine', not an epoch"):
        writer.claim(FENCE, 1)


def test_batches_of_several_partitions_go_out_in_one_call(url: str, client: redis.Redis) -> None:
    with OnlineWriter(url) as writer, OnlineWriter(url) as other:
        batches = []
        for p in range(5):
            writer.claim(SPACE.fence_key(p), 1)
            batches.append(
                Batch(SPACE.fence_key(p), 1, counted([f"{p}.{i}" for i in range(10)], p, chunk_keys=3))
            )
        writer.write_all([*batches, Batch(None, 0, counted(["free"], 9))])
        assert len(client.keys("shop:spend*")) == 51  # type: ignore[arg-type]
        other.claim(SPACE.fence_key(3), 2)
        with pytest.raises(FencedError) as e:
            writer.write_all(batches)
        assert e.value.fence_key == SPACE.fence_key(3)


def test_a_reader_never_sees_half_of_a_write(url: str, client: redis.Redis) -> None:
    """Two shapes of the same keys, each with a field the other lacks, written in turn under a polling
    reader.
    """
    keys = [f"{i}" for i in range(40)]
    types = {"a": Int64, "b": Float64, "odd": Int64, "even": Int64}

    def shape(i: int) -> dict[str, tuple[Int64, list[object]]]:  # type: ignore[valid-type]
        odd = i % 2
        values = {"a": i, "b": float(i), "odd": i if odd else None, "even": None if odd else i}
        return {n: (t, [values[n]] * len(keys)) for n, t in types.items()}  # type: ignore[misc]

    with OnlineWriter(url) as writer:
        writer.claim(FENCE, 1)
        writer.write(FENCE, 1, chunks(keys, shape(0)))
        done, seen, torn = threading.Event(), set(), []

        def poll() -> None:
            with redis.Redis.from_url(url, decode_responses=True, protocol=2) as reader:
                while not done.is_set():
                    for key in keys[::13]:
                        row: dict[str, str] = reader.hgetall(f"shop:spend@3:{key}")  # type: ignore[assignment]
                        i = int(row["a"])
                        seen.add(i)
                        if (row["b"], row.get("odd"), row.get("even")) != (
                            f"{i}.0",
                            row["a"] if i % 2 else None,
                            None if i % 2 else row["a"],
                        ):
                            torn.append(row)

        thread = threading.Thread(target=poll)
        thread.start()
        i = 0
        while len(seen) < 30 and i < 20_000:
            i += 1
            writer.write(FENCE, 1, chunks(keys, shape(i)))
        done.set()
        thread.join()
    assert torn == []
    assert len(seen) >= 30


def test_a_fence_says_which_flush_is_there_and_says_it_with_the_last_write(
    proxy: Proxy, client: redis.Redis
) -> None:
    """Whatever the number of chunks: while one is missing, the fence still names the flush before."""
    seen: list[tuple[object, int]] = []
    with OnlineWriter(proxy.url) as writer:
        writer.claim(FENCE, 3, flush=7)
        assert client.get(FENCE) == "3:7"

        def note(data: bytes) -> bytes:
            seen.append((client.get(FENCE), len(client.keys("shop:spend*"))))  # type: ignore[arg-type]
            return data

        for flush, chunk_keys in ((8, 10), (9, 150)):
            proxy.before = note
            batch = counted([f"{i}" for i in range(100)], flush, chunk_keys=chunk_keys)
            writer.write_all([Batch(FENCE, 3, batch, flush - 1, Fence(3, flush))])
            proxy.before = lambda data: data
            assert client.get(FENCE) == f"3:{flush}"
            assert {text for text, _ in seen} == {f"3:{flush - 1}"}
            seen.clear()
        writer.write_all([Batch(FENCE, 3, [], 9, Fence(3, 10, sweep=True))])
        assert client.get(FENCE) == "3:10:s"


@pytest.mark.parametrize("chunk_keys", [1, 150])
def test_a_server_that_lost_the_last_flushes_is_found_out_before_anything_is_written(
    url: str, client: redis.Redis, chunk_keys: int
) -> None:
    with OnlineWriter(url) as writer:
        writer.claim(FENCE, 3, flush=1)
        writer.write_all([Batch(FENCE, 3, counted(["a"], 1), 1, Fence(3, 2))])
        writer.write_all([Batch(FENCE, 3, counted(["a"], 2), 2, Fence(3, 3))])
        client.set(FENCE, "3:2")  # as a replica that had not seen the last one
        with pytest.raises(OnlineLostError, match="is at flush 2, expected 3"):
            writer.check(FENCE, 3, 3)
        with pytest.raises(OnlineLostError, match="is at flush 2, expected 3"):
            writer.write_all([Batch(FENCE, 3, counted(["a", "b"], 9, chunk_keys=chunk_keys), 3, Fence(3, 4))])
        assert client.hget("shop:spend@3:a", "n") == "2"
        assert client.get(FENCE) == "3:2"


@pytest.mark.parametrize(
    ("before", "required", "lost", "after"),
    [
        (None, None, False, "5:20"),  # nothing was ever written
        (None, 18, True, "5:20:s"),  # flushed
        ("4", 18, True, "5:20:s"),  # written by a version that did not count
        ("4:17", 18, True, "5:20:s"),  # a replica that lagged
        ("4:18", 18, False, "5:20"),  # all but the last flush, which the new owner brings
        ("4:19", 18, False, "5:20"),
        ("4:19:s", 18, True, "5:20:s"),  # a sweep was not finished
    ],
)
def test_a_new_owner_learns_from_the_fence_what_redis_lacks(
    url: str, client: redis.Redis, before: str | None, required: int | None, lost: bool, after: str
) -> None:
    if before is not None:
        client.set(FENCE, before)
    with OnlineWriter(url) as writer:
        assert writer.claim(FENCE, 5, flush=20, required=required) is lost
    assert client.get(FENCE) == after


def test_a_loss_is_owed_until_it_is_made_good(url: str, client: redis.Redis) -> None:
    with OnlineWriter(url) as writer, OnlineWriter(url) as following:
        writer.claim(FENCE, 5, flush=20)
        assert writer.claim(FENCE, 5, flush=20, lost=True)
        writer.write_all([Batch(FENCE, 5, counted(["a"], 1), 20, Fence(5, 21, sweep=True))])
        assert following.claim(FENCE, 6, flush=22, required=20)
        following.write_all([Batch(FENCE, 6, counted(["a"], 1), 22, Fence(6, 23))])
        assert not writer.claim(FENCE, 7, flush=24, required=23)
