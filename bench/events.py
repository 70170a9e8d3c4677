"""The event of the benchmark: its columns, and their Avro, made in columns too.

The same events for every engine: ten fields, about 58 bytes of Avro, key = user id, four partitions, 50,000 events to a
minute of event time with 20 ms of jitter. Whose they are:

- ``zipf``: Zipf 1.0
- ``uniform``: drawn evenly
- ``even``: each user equally often, in random order
- ``hot``: nine of ten are of one user, the rest Zipf 1.0

It puts nothing on a topic: that is `bench.topics`.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "Txn",
    "namespace": "b",
    "fields": [
        {"name": "event_id", "type": "string"},
        {"name": "user_id", "type": "string"},
        {"name": "merchant_id", "type": "string"},
        {"name": "amount", "type": "double"},
        {"name": "currency", "type": "string"},
        {"name": "country", "type": "string"},
        {"name": "device", "type": ["null", "string"], "default": None},
        {"name": "ts", "type": "long"},
        {"name": "is_online", "type": "boolean"},
        {"name": "item_count", "type": "int"},
    ],
}
PADDED: dict[str, Any] = {
    **SCHEMA,
    "fields": [*SCHEMA["fields"], {"name": "pad", "type": "string", "default": ""}],
}
"""The event with one more field, which makes it wider."""

T0 = 1_699_999_980_000  # a whole minute, ms
APART = 1.2  # ms from one event to the next
PARTITIONS = 4
SLICE = 200_000  # events encoded at once

Skew = Literal["zipf", "uniform", "even", "hot"]
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Columns:
    """Event `i` of a run: whose it is, its merchant's number, amount and event time (ms). Aligned, in order of `i`."""

    users: Numbers
    merchants: Numbers
    amounts: NDArray[np.float64]
    at: Numbers

    def __len__(self) -> int:
        return len(self.users)


def whose(n: int, users: int, skew: Skew, random: np.random.Generator) -> Numbers:
    """The user of each of `n` events."""
    if skew == "uniform":
        return random.integers(0, users, n)
    if skew == "even":
        return np.concatenate([random.permutation(users) for _ in range(-(-n // users))])[:n]
    weights = 1 / np.arange(1, users + 1)
    who = random.choice(users, size=n, p=weights / weights.sum())
    return np.where(random.random(n) < 0.9, 0, who) if skew == "hot" else who


def columns(n: int, users: int, skew: Skew = "zipf", seed: int = 1, apart: float = APART) -> Columns:
    """`n` events, `apart` ms from one to the next but for the jitter; equal arguments give equal events."""
    random = np.random.default_rng(seed)
    who = whose(n, users, skew, random)
    merchants = random.integers(0, 5000, n)
    amounts = np.round(random.gamma(2, 30, n), 2)
    jitter = random.integers(-20, 21, n)
    return Columns(who, merchants, amounts, T0 + 20 + (np.arange(n) * apart).astype(np.int64) + jitter)


def user(number: int) -> str:
    """The id of a user."""
    return f"u{number:08d}"


def partitions(users: int) -> list[int]:
    """The partition of each user's events."""
    return [zlib.crc32(user(i).encode()) % PARTITIONS for i in range(users)]


def keys(users: int) -> list[bytes]:
    """The record key of each user's events."""
    return [user(i).encode() for i in range(users)]


def datums(events: Columns, pad: int = 0) -> Iterator[bytes]:
    """The bare Avro datum of each event, under SCHEMA, or under PADDED with `pad` bytes more."""
    tail = _length(pad) + b"x" * pad if pad else b""
    for start in range(0, len(events), SLICE):
        chosen = slice(start, start + SLICE)
        i = np.arange(start, min(start + SLICE, len(events)))
        head = [
            _text(b"e", i, 12),
            _text(b"u", events.users[chosen], 8),
            _text(b"m", events.merchants[chosen], 5),
            events.amounts[chosen].astype("<f8").view(np.uint8).reshape(-1, 8),
            _same(b"\x06EUR\x04DE", len(i)),
        ]
        end = [
            _time(events.at[chosen]),
            (i & 1).astype(np.uint8)[:, None],
            (i % 7 * 2).astype(np.uint8)[:, None],
            _same(tail, len(i)),
        ]
        without = _rows([*head, _same(b"\x00", len(i)), *end])
        with_device = _rows([*head, _same(b"\x02\x06ios", len(i)), *end])
        for k, number in enumerate(i.tolist()):
            yield with_device[k] if number % 3 else without[k]


def datum(number: int, who: bytes, at: bytes) -> bytes:
    """The datum of event `number` of a user (nine bytes of id) under SCHEMA; `at` is `encoded` event time."""
    return b"\x1ae%012d\x12%b%b%b\x01\x02" % (number, who, _LIVE, at)


def encoded(at: int) -> bytes:
    """An event time (ms) as `datum` wants it."""
    return _time(np.array([at])).tobytes()


_LIVE = b"\x0cm00001" + struct.pack("<d", 1.5) + b"\x06EUR\x04DE\x00"


def _rows(parts: list[NDArray[np.uint8]]) -> list[bytes]:
    """Each row of the matrices side by side, as bytes."""
    whole = np.ascontiguousarray(np.hstack(parts))
    width = whole.shape[1]
    flat = whole.tobytes()
    return [flat[k : k + width] for k in range(0, len(flat), width)]


def _same(text: bytes, n: int) -> NDArray[np.uint8]:
    return np.broadcast_to(np.frombuffer(text, np.uint8), (n, len(text)))


def _text(letter: bytes, numbers: Numbers, digits: int) -> NDArray[np.uint8]:
    """An Avro string of `letter` and the number in so many digits: its length (zigzag), then its bytes."""
    powers = 10 ** np.arange(digits - 1, -1, -1)
    return np.hstack(
        [
            _same(_length(digits + 1) + letter, len(numbers)),
            (numbers[:, None] // powers % 10 + ord("0")).astype(np.uint8),
        ]
    )


def _time(at: Numbers) -> NDArray[np.uint8]:
    """A long of six bytes (zigzag, seven bits each, low first), as instants from 1987 to 2039 in ms have."""
    shifts = 7 * np.arange(6)
    groups = (2 * at[:, None] >> shifts) & 0x7F
    groups[:, :5] |= 0x80
    return groups.astype(np.uint8)


def _length(n: int) -> bytes:
    """A length below 8,192 as Avro writes it."""
    zigzag = 2 * n
    return bytes([zigzag]) if zigzag < 0x80 else bytes([zigzag & 0x7F | 0x80, zigzag >> 7])
