"""Whole hashes by RESTORE: what a reader sees is what HSET, HDEL and PEXPIRE would have left."""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import patch

import numpy as np
import polars as pl
import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.native import Native
from headrace.online import restore
from headrace.online.resp import Chunk, encode_parts
from headrace.online.restore_kernel import LAY, TABLES
from headrace.online.write import OnlineWriter
from headrace.types import Bool, DataType, Float64, Int64, String
from tests.online.rows import SPACE, T0, commands, rows

FEATURES: dict[str, DataType] = {
    "a": Int64,
    "b": Float64,
    "s": String,
    "ja": Bool,
    "n" * 70: Int64,
    "": Int64,
}
ROW = st.tuples(
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.floats(),
    st.none() | st.text(max_size=5) | st.integers(60, 70).map("x".__mul__) | st.integers(4_090, 4_100).map("é".__mul__),
    st.none() | st.booleans(),
    st.none() | st.integers(0, 200),
    st.none() | st.just(1),
    st.integers(restore.FIRST, restore.END - 1),
    st.none() | st.integers(-1, 10**9),
    st.booleans(),
)  # fmt: skip


def frame(given: list[tuple[object, ...]]) -> pl.DataFrame:
    columns = list(zip(*given, strict=True))
    features = {name: (t, list(columns[i])) for i, (name, t) in enumerate(FEATURES.items())}
    times, ttl, gone = columns[-3:]
    return rows(
        [f"k{i}" for i in range(len(given))],
        features,
        event_time=list(times),  # type: ignore[arg-type]
        ttl=list(ttl),  # type: ignore[arg-type]
        remove=list(gone),  # type: ignore[arg-type]
    )


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    LAY.warm()


@pytest.fixture
def writer(url: str) -> Iterator[OnlineWriter]:
    with OnlineWriter(url) as opened:
        opened.claim("fence", 1)
        yield opened


def made(given: pl.DataFrame, *, whole: bool, **options: int) -> list[Chunk]:
    return encode_parts([given], SPACE, FEATURES, whole=whole, **options)[0]


def stored(client: redis.Redis, writer: OnlineWriter, chunks: list[Chunk]) -> dict[str, tuple[object, bool]]:
    client.delete(*client.keys("shop:*"), "none")
    writer.write("fence", 1, chunks)
    return {key: (client.hgetall(key), client.pttl(key) > 0) for key in client.keys("shop:*")}


@given(st.lists(ROW, min_size=1, max_size=6))
@settings(max_examples=60)
def test_a_reader_sees_the_same_hashes(shared_server: object, given: list[tuple[object, ...]]) -> None:
    url = shared_server.url  # type: ignore[attr-defined]
    values = frame(given)
    with redis.Redis.from_url(url, decode_responses=True, protocol=2) as client, OnlineWriter(url) as writer:
        client.flushall()
        writer.claim("fence", 1)
        one_by_one = stored(client, writer, made(values, whole=False))
        assert stored(client, writer, made(values, whole=True)) == one_by_one
    assert {c[0] for chunk in made(values, whole=True) for c in commands_of(chunk)} <= {"RESTORE", "DEL"}


@given(st.lists(ROW, min_size=1, max_size=3))
@settings(max_examples=20)
def test_machine_code_and_python_say_the_same(given: list[tuple[object, ...]]) -> None:
    values = frame(given)
    compiled = [bytes(c.payload) for c in made(values, whole=True)]
    interpreted = Native(LAY.function, LAY.signature)
    with (
        patch.object(interpreted, "worth", lambda n: LAY.function),
        patch.object(restore, "LAY", interpreted),
    ):
        assert [bytes(c.payload) for c in made(values, whole=True)] == compiled


def test_a_field_that_lost_its_value_goes(client: redis.Redis, writer: OnlineWriter) -> None:
    types: dict[str, DataType] = {"a": Int64, "b": Int64}
    for b in (2, None):
        given = rows(["1"], {"a": (Int64, [1]), "b": (Int64, [b])})
        writer.write("fence", 1, encode_parts([given], SPACE, types, whole=True)[0])
    assert set(client.hgetall("shop:spend@3:1")) == {"a", "_event_time", "_as_of", "_written_at"}


def test_a_long_hash_is_kept_whole(client: redis.Redis, writer: OnlineWriter) -> None:
    """The lengths of 5 bytes: of a text, of the hash and of an entry."""
    text = "z" * 3_000_000
    given = rows(["1"], {"s": (String, [text])})
    writer.write("fence", 1, encode_parts([given], SPACE, {"s": String}, whole=True)[0])
    assert client.hget("shop:spend@3:1", "s") == text


def test_whole_hashes_go_in_larger_chunks_under_one_reply_each() -> None:
    given = rows([str(i) for i in range(500)], {"a": (Int64, list(range(500)))})
    chunks = encode_parts([given], SPACE, {"a": Int64}, whole=True)[0]
    assert [(c.keys, c.replies) for c in chunks] == [(240, 240), (240, 240), (20, 20)]


@pytest.mark.parametrize("time", [None, restore.FIRST - 1, restore.END])
def test_rows_without_that_form_are_written_field_by_field(time: int | None) -> None:
    given = rows(["1", "2"], {}, event_time=[T0, time])
    names = {
        c[0] for chunk in encode_parts([given], SPACE, {}, whole=True)[0] for c in commands(chunk.payload)
    }
    assert "RESTORE" not in names


def test_more_fields_than_a_listpack_takes_are_written_one_by_one() -> None:
    features: dict[str, tuple[DataType, list[object]]] = {
        f"f{i}": (Int64, [i]) for i in range(restore.MOST_FIELDS)
    }
    given = rows(["1"], features)
    (chunk,) = encode_parts([given], SPACE, dict.fromkeys(features, Int64), whole=True)[0]
    assert commands(chunk.payload)[0][0] == "HSET"


def test_a_server_is_asked_once_it_is_claimed_and_keeps_nothing_of_it(
    client: redis.Redis, writer: OnlineWriter
) -> None:
    assert writer.restores
    assert client.keys("*") == ["fence"]


def test_a_user_who_may_not_restore_writes_field_by_field(client: redis.Redis, url: str) -> None:
    client.acl_setuser(
        "cautious",
        enabled=True,
        passwords=["+secret"],
        keys=["*"],
        categories=["+@all"],
        commands=["-restore"],
    )
    try:
        with OnlineWriter(url.replace("redis://", "redis://cautious:secret@")) as writer:
            writer.claim("fence", 1)
            assert not writer.restores
    finally:
        client.acl_deluser("cautious")


def test_the_checksum_is_that_of_redis() -> None:
    """crc64.c's own test value."""
    crc = 0
    for byte in b"123456789":
        crc = int(TABLES[0, (crc ^ byte) & 0xFF]) ^ (crc >> 8)
    assert crc == 0xE9C6D914C4B8D9CA
    assert TABLES.dtype == np.uint64


def commands_of(chunk: Chunk) -> list[tuple[str | bytes, ...]]:
    """As `commands`, of arguments that need not be text."""
    data, at, found = bytes(chunk.payload), 0, []
    while at < len(data):
        end = data.index(b"\r\n", at)
        count, at = int(data[at + 1 : end]), end + 2
        arguments = []
        for _ in range(count):
            end = data.index(b"\r\n", at)
            size, at = int(data[at + 1 : end]), end + 2
            arguments.append(data[at : at + size])
            at += size + 2
        found.append((arguments[0].decode(), *arguments[1:]))
    return found
