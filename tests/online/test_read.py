"""The reader gives back, typed, what the writer wrote."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal as Dec

import pytest
import redis

from headrace.errors import DecodeError, SettingsError, StateError, UnavailableError
from headrace.online.keys import KeySpace
from headrace.online.read import OnlineReader, OnlineRow
from headrace.online.resp import encode
from headrace.online.write import OnlineWriter
from headrace.types import (
    Bool,
    Bytes,
    DataType,
    Date,
    Decimal,
    Float64,
    Int64,
    List,
    Map,
    String,
    Struct,
    Timestamp,
)
from tests.online.rows import SPACE, T0, counted, rows
from tests.stack.redis import Redis

FEATURES: dict[str, tuple[DataType, object]] = {
    "n": (Int64, 2**62),
    "x": (Float64, 0.1),
    "money": (Decimal(20, 2), Dec("12.50")),
    "flag": (Bool, False),
    "name": (String, "å|:\n"),
    "at": (Timestamp, datetime(1969, 7, 20, 20, 17, 40, 1, UTC)),
    "day": (Date, date(2026, 2, 28)),
    "raw": (Bytes, b"\x00\xff"),
    "tags": (List(String), ["a", None]),
    "place": (Struct({"lat": Float64, "lon": Float64}), {"lat": 1.5, "lon": None}),
    "nothing": (Int64, None),
}
TYPES = {name: t for name, (t, _) in FEATURES.items()}


def write(url: str, keys: list[str], hash_tag: bool = False) -> None:
    columns = {name: (t, [v] * len(keys)) for name, (t, v) in FEATURES.items()}
    space = KeySpace("shop", "spend", "3", hash_tag)
    with OnlineWriter(url) as writer:
        writer.write(None, 0, encode(rows(keys, columns), space, TYPES))


def read(reader: OnlineReader, keys: list[str], types: dict[str, DataType] = TYPES) -> list[OnlineRow | None]:
    return reader.read("shop", "spend", "3", keys, types)


@pytest.mark.parametrize("hash_tag", [False, True])
def test_what_was_written_is_read_back_typed_and_in_the_order_asked(url: str, hash_tag: bool) -> None:
    write(url, ["a", "b|c"], hash_tag)
    with OnlineReader(url, hash_tag=hash_tag) as reader:
        found = read(reader, ["b|c", "nobody", "a", "a"])
    row = OnlineRow({name: v for name, (_, v) in FEATURES.items()}, T0, T0, T0)
    assert found == [row, None, row, row]


async def test_the_asynchronous_reader_reads_the_same(url: str) -> None:
    write(url, ["a"])
    reader = OnlineReader(url)
    assert await reader.aread("shop", "spend", "3", ["a", "b"], TYPES) == read(reader, ["a", "b"])
    await reader.aclose()
    reader.close()


def test_only_the_features_asked_for_are_read(url: str) -> None:
    write(url, ["a"])
    with OnlineReader(url) as reader:
        (row,) = read(reader, ["a"], {"x": Float64})
        assert row is not None
        assert row.values == {"x": 0.1}
        (bare,) = read(reader, ["a"], {})
        assert bare == OnlineRow({}, T0, T0, T0)
        assert read(reader, []) == []


def test_an_entity_whose_asked_features_are_all_null_is_there(url: str) -> None:
    write(url, ["a"])
    with OnlineReader(url) as reader:
        assert read(reader, ["a"], {"nothing": Int64}) == [OnlineRow({"nothing": None}, T0, T0, T0)]


def test_maps_are_read_by_their_keys(url: str, client: redis.Redis) -> None:
    client.hset("shop:spend@3:a", mapping={"m": '{"7":1.50}'})
    with OnlineReader(url) as reader:
        (row,) = read(reader, ["a"], {"m": Map(Int64, Decimal(9, 2))})
    assert row == OnlineRow({"m": {7: Dec("1.50")}}, None, None, None)


def test_a_text_of_another_type_names_key_and_field(url: str, client: redis.Redis) -> None:
    client.hset("shop:spend@3:a", mapping={"n": "many"})
    with (
        OnlineReader(url) as reader,
        pytest.raises(DecodeError, match=r"shop:spend@3:a field n: .* got 'many'"),
    ):
        read(reader, ["a"], {"n": Int64})


def test_a_key_that_holds_something_else_is_an_answer(url: str, client: redis.Redis) -> None:
    client.set("shop:spend@3:a", "taken")
    with OnlineReader(url) as reader, pytest.raises(StateError, match="WRONGTYPE"):
        read(reader, ["a"])


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    reader = OnlineReader("redis://:hush@127.0.0.1:1")
    with pytest.raises(UnavailableError, match=r"Redis at 127\.0\.0\.1:1") as e:
        read(reader, ["a"])
    assert "hush" not in str(e.value)
    with pytest.raises(UnavailableError, match=r"Redis at 127\.0\.0\.1:1"):
        await reader.aread("shop", "spend", "3", ["a"], TYPES)
    await reader.aclose()


def test_a_wrong_password_is_a_setting_to_correct(own_server: Redis) -> None:
    with redis.Redis.from_url(own_server.url) as client:
        client.config_set("requirepass", "right")
    for login in ("", ":hush@"):
        reader = OnlineReader(f"redis://{login}{own_server.address}")
        with reader, pytest.raises(SettingsError, match=r"in redis\.url") as e:
            read(reader, ["a"])
        assert "hush" not in str(e.value)


def test_a_reader_survives_a_restart_of_the_server(own_server: Redis) -> None:
    with OnlineReader(own_server.url) as reader, OnlineWriter(own_server.url) as writer:
        writer.write(None, 0, counted(["a"], 1))
        assert read(reader, ["a"], {"n": Int64}) == [OnlineRow({"n": 1}, T0, T0, T0)]
        own_server.restart()
        assert read(reader, ["a"], {"n": Int64}) == [None]
    assert SPACE.prefix == "shop:spend@3:"
