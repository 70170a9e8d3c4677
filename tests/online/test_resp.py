"""Rows as commands: what they say, how long they say it is, and where chunks end."""

from __future__ import annotations

import math

import polars as pl
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import UsageError
from headrace.online.keys import KeySpace
from headrace.online.resp import encode
from headrace.online.write import OnlineWriter
from headrace.types import Float64, Int64, List, String
from tests.online.rows import SPACE, T0, T0_TEXT, chunks, commands, rows

META = ("_event_time", T0_TEXT, "_as_of", T0_TEXT, "_written_at", T0_TEXT)


def test_a_key_is_written_with_all_its_fields_and_the_metadata() -> None:
    (chunk,) = chunks(["42"], {"spend": (Float64, [12.5]), "n": (Int64, [3])})
    assert commands(chunk.payload) == [("HSET", "shop:spend@3:42", "spend", "12.5", "n", "3", *META)]
    assert (chunk.replies, chunk.keys) == (1, 1)


def test_a_null_feature_is_removed_by_the_same_chunk() -> None:
    (chunk,) = chunks(
        ["1", "2", "3"],
        {"a": (Int64, [1, None, None]), "b": (Float64, [1.5, None, 2.5])},
        ttl=[None, 5_000, None],
    )
    assert commands(chunk.payload) == [
        ("HSET", "shop:spend@3:1", "a", "1", "b", "1.5", *META),
        ("HSET", "shop:spend@3:2", *META),
        ("HDEL", "shop:spend@3:2", "a", "b"),
        ("PEXPIRE", "shop:spend@3:2", "5000"),
        ("HSET", "shop:spend@3:3", "b", "2.5", *META),
        ("HDEL", "shop:spend@3:3", "a"),
    ]
    assert (chunk.replies, chunk.keys) == (6, 3)


def test_a_removed_key_is_deleted_whatever_its_row_holds() -> None:
    (chunk,) = chunks(["1", "2"], {"a": (Int64, [1, None])}, remove=[False, True], ttl=[9, 9])
    assert commands(chunk.payload) == [
        ("HSET", "shop:spend@3:1", "a", "1", *META),
        ("PEXPIRE", "shop:spend@3:1", "9"),
        ("DEL", "shop:spend@3:2"),
    ]
    assert (chunk.replies, chunk.keys) == (3, 2)


def test_keys_and_values_are_counted_in_bytes() -> None:
    name, value = "naïve", "😀" * 200
    (chunk,) = chunks(["é"], {name: (String, [value])})
    assert commands(chunk.payload) == [("HSET", "shop:spend@3:é", name, value, *META)]


def test_an_event_time_may_be_missing_and_differ_by_row() -> None:
    (chunk,) = chunks(["1", "2"], {}, event_time=[None, 0])
    tail = META[2:]
    assert commands(chunk.payload) == [
        ("HSET", "shop:spend@3:1", *tail),
        ("HDEL", "shop:spend@3:1", "_event_time"),
        ("HSET", "shop:spend@3:2", "_event_time", "1970-01-01T00:00:00.000000Z", *tail),
    ]


def test_a_hash_tag_braces_the_entity() -> None:
    (chunk,) = encode(rows(["42"], {}), KeySpace("shop", "spend", "3", hash_tag=True), {})
    assert commands(chunk.payload)[0][1] == "shop:spend@3:{42}"


def test_a_chunk_ends_at_its_number_of_keys() -> None:
    keys = [str(i) for i in range(7)]
    cut = chunks(keys, {"n": (Int64, [1, None, 3, None, 5, 6, 7])}, chunk_keys=3)
    assert [(c.keys, c.replies) for c in cut] == [(3, 4), (3, 4), (1, 1)]
    assert [c[1] for x in cut for c in commands(x.payload) if c[0] == "HSET"] == [
        f"shop:spend@3:{k}" for k in keys
    ]


def test_a_chunk_ends_before_its_bytes_and_holds_one_key_at_least() -> None:
    values = ["x" * 400, "x" * 400, "x" * 5_000, "x"]
    frame = rows(["1", "2", "3", "4"], {"s": (String, list(values))})
    cut = encode(frame, SPACE, {"s": String}, chunk_bytes=1_300)
    assert [c.keys for c in cut] == [2, 1, 1]
    assert all(len(c.payload) <= 1_300 or c.keys == 1 for c in cut)


def test_no_rows_are_no_chunks() -> None:
    assert encode(rows(["1"], {"n": (Int64, [1])}).clear(), SPACE, {"n": Int64}) == []


def test_rows_that_lack_a_column_are_refused() -> None:
    with pytest.raises(UsageError, match="rows for Redis lack other, _ttl"):
        encode(rows(["1"], {}).drop("_ttl"), SPACE, {"other": Int64})


def test_a_row_without_a_key_is_refused() -> None:
    with pytest.raises(UsageError, match="1 rows for Redis have no _key"):
        encode(rows(["1"], {}).with_columns(_key=pl.lit(None, pl.String)), SPACE, {})


ROW = st.tuples(
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.text(st.characters(codec="utf-8"), max_size=300),
    st.none() | st.lists(st.none() | st.floats(), max_size=3),
    st.none() | st.integers(1_000_000, 2**40),
    st.booleans(),
)


@given(st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), ROW, max_size=8), st.integers(1, 4))
def test_the_commands_of_any_rows_say_exactly_the_rows(
    entities: dict[str, tuple[object, ...]], chunk_keys: int
) -> None:
    columns = list(zip(*entities.values(), strict=True)) or [()] * 5
    types = {"i": Int64, "s": String, "l": List(Float64)}
    features = {n: (t, list(c)) for (n, t), c in zip(types.items(), columns, strict=False)}
    frame = rows(list(entities), features, ttl=list(columns[3]), remove=list(columns[4]))
    cut = encode(frame, SPACE, types, chunk_keys=chunk_keys)
    assert [c.replies for c in cut] == [len(commands(c.payload)) for c in cut]
    found: dict[str, dict[str, object]] = {}
    for name, key, *rest in (c for x in cut for c in commands(x.payload)):
        said = found.setdefault(key.removeprefix("shop:spend@3:"), {})
        if name == "HSET":
            said.update(zip(rest[::2], rest[1::2], strict=True))
        elif name == "HDEL":
            said.update(dict.fromkeys(rest))
        else:
            said[name] = rest
    assert {k for k, s in found.items() if s == {"DEL": []}} == {k for k, e in entities.items() if e[4]}
    for key, (number, string, items, ttl, removed) in entities.items():
        said = found[key]
        if not removed:
            assert said["i"] == (None if number is None else str(number))
            assert said["s"] == string
            assert (said["l"] is None) == (items is None)
            assert said.get("PEXPIRE") == (None if ttl is None else [str(ttl)])


def test_redis_holds_what_the_rows_say_and_forgets_what_became_null(url: str, client: redis.Redis) -> None:
    with OnlineWriter(url) as writer:
        writer.write(
            None,
            0,
            chunks(["1", "2"], {"a": (Float64, [math.inf, 2.0]), "b": (Int64, [1, 2])}, ttl=[60_000, None]),
        )
        writer.write(None, 0, chunks(["1", "2"], {"a": (Float64, [None, 3.0]), "b": (Int64, [7, None])}))
    assert client.hgetall("shop:spend@3:1") == {"b": "7", **dict(zip(META[::2], META[1::2], strict=True))}
    assert client.hget("shop:spend@3:2", "a") == "3.0"
    assert client.hget("shop:spend@3:2", "b") is None
    assert 0 < client.pttl("shop:spend@3:1") <= 60_000  # type: ignore[operator]
    assert client.pttl("shop:spend@3:2") == -1
    assert T0 == 1_763_710_800_123_456
