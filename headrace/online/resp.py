"""Dirty entities as Redis commands: RESP bytes built a column at a time, nothing in Python for each key.

Owns the commands of a key: ``HSET`` of every field that has a value, ``HDEL`` of those that have none,
``PEXPIRE`` where the write sets an expiry, or ``DEL``. Refuses to send them: a chunk goes out inside one
MULTI (`write`), which is what makes all fields of a key change together.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import polars as pl

from headrace.errors import UsageError
from headrace.online.instants import END, FIRST, INSTANT_LENGTH, instant_pieces, instant_text
from headrace.online.keys import KeySpace
from headrace.online.text import to_text
from headrace.types import DataType

META = ("_event_time", "_as_of", "_written_at")
"""Metadata fields of every hash, as columns of Int64 microseconds."""

CHUNK_ARGUMENTS = 1_200
"""Arguments of the commands that take effect together. A server that holds much keeps what is queued for one EXEC
between its data: with several thousand it takes twice as long for each key (docs/performance.md)."""

_SHORT = 256
"""Lengths below this are looked up, longer ones are formatted."""

Piece = pl.Series | str


@dataclass(frozen=True)
class Chunk:
    """Commands of some keys that take effect together. `replies`: how many, each of them an integer."""

    payload: memoryview
    replies: int
    keys: int


def encode(
    frame: pl.DataFrame,
    space: KeySpace,
    features: Mapping[str, DataType],
    *,
    chunk_keys: int | None = None,
    chunk_bytes: int = 1 << 20,
) -> list[Chunk]:
    """The commands that make each row's entity read as the row says, in chunks.

    `frame`: ``_key`` (String, the entity's text, not null, no entity twice), a column for each of `features`
    (null: the field is removed), ``_event_time _as_of _written_at`` (Int64, microseconds), ``_ttl`` (Int64,
    milliseconds from now; null leaves the key's expiry as it is), ``_remove`` (Bool: the key is deleted and
    the rest of the row is not looked at). Other columns are ignored. A chunk ends at `chunk_keys` keys (None: as
    many as have CHUNK_ARGUMENTS), or before the key that would bring it above `chunk_bytes`. Raises UsageError if a
    column is missing.
    """
    return encode_parts([frame], space, features, chunk_keys=chunk_keys, chunk_bytes=chunk_bytes)[0]


def encode_parts(
    parts: Sequence[pl.DataFrame],
    space: KeySpace,
    features: Mapping[str, DataType],
    *,
    chunk_keys: int | None = None,
    chunk_bytes: int = 1 << 20,
) -> list[list[Chunk]]:
    """`encode` of several frames of one view (its partitions): the columns are built once for all of them."""
    frame = pl.concat(parts)
    missing = [c for c in ("_key", *features, *META, "_ttl", "_remove") if c not in frame.columns]
    if missing:
        raise UsageError(f"rows for Redis lack {', '.join(missing)}; got {', '.join(frame.columns)}")
    if not frame["_remove"].any():
        text, replies = _writes(frame, space, features)
    else:
        gone = frame["_remove"].to_numpy()
        live = _writes(frame.filter(~pl.col("_remove")), space, features)
        dead = _deletes(frame.filter("_remove"), space)
        places = np.argsort(np.concatenate([np.flatnonzero(~gone), np.flatnonzero(gone)]), kind="stable")
        text = pl.concat([live[0], dead[0]]).gather(places)
        replies = np.concatenate([live[1], dead[1]])[places]
    heights = [part.height for part in parts]
    if chunk_keys is None:
        chunk_keys = max(1, CHUNK_ARGUMENTS // (2 + 2 * (len(features) + len(META))))
    return _chunks(text, replies, heights, chunk_keys, chunk_bytes)


def _writes(
    frame: pl.DataFrame, space: KeySpace, features: Mapping[str, DataType]
) -> tuple[pl.Series, np.ndarray]:
    """The commands of each row that is written, and how many they are."""
    n = frame.height
    key = _key_argument(frame["_key"], space)
    fields: list[Piece] = []
    absent: list[tuple[str, pl.Series]] = []
    for name, type in features.items():
        text = to_text(frame[name], type)
        fields += _field(name, text)
        if text.null_count():
            absent.append((name, text.is_null()))
    for name in META:
        fields += _instant_field(name, frame[name])
        if frame[name].null_count():
            absent.append((name, frame[name].is_null()))

    count = len(features) + len(META)
    replies = np.ones(n, "i8")
    pieces: list[Piece]
    if not absent:
        pieces = [f"*{2 + 2 * count}\r\n$4\r\nHSET", *key, *fields, "\r\n"]
    else:
        nulls = pl.select(pl.sum_horizontal([mask for _, mask in absent]).cast(pl.Int64)).to_series()
        heads = pl.Series([f"*{2 + 2 * (count - i)}\r\n$4\r\nHSET" for i in range(count + 1)])
        dels = pl.Series(["", *(f"*{2 + i}\r\n$4\r\nHDEL" for i in range(1, count + 1))])
        some = nulls > 0
        replies += some.to_numpy()
        pieces = [heads.gather(nulls), *key, *fields, "\r\n", dels.gather(nulls)]
        pieces += [_where(some, p) for p in key]
        pieces += [_where(mask, f"\r\n${len(name.encode())}\r\n{name}") for name, mask in absent]
        pieces.append(_where(some, "\r\n"))
    ttl = frame["_ttl"].cast(pl.Int64)
    if ttl.null_count() < n:
        has = ttl.is_not_null()
        replies += has.to_numpy()
        expire: list[Piece] = ["*3\r\n$7\r\nPEXPIRE", *key, *_argument(ttl.cast(pl.String)), "\r\n"]
        pieces += expire if has.all() else [_where(has, p) for p in expire]
    return _join(pieces, n), replies


def _deletes(frame: pl.DataFrame, space: KeySpace) -> tuple[pl.Series, np.ndarray]:
    pieces: list[Piece] = ["*2\r\n$3\r\nDEL", *_key_argument(frame["_key"], space), "\r\n"]
    return _join(pieces, frame.height), np.ones(frame.height, "i8")


def _key_argument(keys: pl.Series, space: KeySpace) -> list[Piece]:
    return [
        *_argument(keys, after=space.prefix, fixed=len(space.prefix.encode()) + len(space.suffix)),
        space.suffix,
    ]


def _field(name: str, text: pl.Series) -> list[Piece]:
    """Two arguments, the name and the value; nothing where the text is null."""
    pieces = _argument(text, before=f"\r\n${len(name.encode())}\r\n{name}")
    if text.null_count() == 0:
        return pieces
    mask = text.is_not_null()
    return [p.fill_null("") if isinstance(p, pl.Series) else _where(mask, p) for p in pieces]


def _instant_field(name: str, us: pl.Series) -> list[Piece]:
    """As `_field`, without a lookup of lengths and, where all rows have one instant, without a column."""
    low, high = us.min(), us.max()
    if us.null_count() or low is None or low < FIRST or high >= END:  # type: ignore[operator]
        return _field(name, instant_text(us))
    head = f"\r\n${len(name)}\r\n{name}\r\n${INSTANT_LENGTH}\r\n"
    return [head + instant_text(us.head(1)).item()] if low == high else [head, *instant_pieces(us)]


def _argument(text: pl.Series, before: str = "", after: str = "", fixed: int = 0) -> list[Piece]:
    """One bulk string of each row: `before`, its length, then `after` and the text.

    Every argument opens with the line end of what stands before it. `fixed` bytes are counted beside the
    text's.
    """
    lengths = text.str.len_bytes()
    if not (lengths >= _SHORT).any():
        return [_heads(before, fixed, after).gather(lengths), text]
    return [f"{before}\r\n$", (lengths + fixed).cast(pl.String), f"\r\n{after}", text]


@lru_cache(maxsize=4_096)
def _heads(before: str, fixed: int, after: str) -> pl.Series:
    return pl.Series([f"{before}\r\n${n + fixed}\r\n{after}" for n in range(_SHORT)])


def _where(mask: pl.Series, piece: Piece) -> pl.Series:
    """The piece where the mask says so, else nothing."""
    if isinstance(piece, str):
        return pl.Series(["", piece]).gather(mask.cast(pl.UInt32))
    return piece.zip_with(mask, pl.Series([""]))


def _join(pieces: list[Piece], height: int) -> pl.Series:
    """Row by row, all pieces one after the other."""
    if height == 0:
        return pl.Series("", [], dtype=pl.String)
    columns: list[pl.Series] = []
    parts: list[pl.Expr] = []
    for is_text, run in itertools.groupby(pieces, lambda p: isinstance(p, str)):
        if is_text:
            parts.append(pl.lit("".join(run)))  # type: ignore[arg-type]
            continue
        for piece in run:
            parts.append(pl.col(f"{len(columns)}"))
            columns.append(piece.alias(f"{len(columns)}"))  # type: ignore[union-attr]
    return pl.DataFrame(columns).select(pl.concat_str(parts).alias("")).to_series()


def _chunks(
    text: pl.Series, replies: np.ndarray, heights: Sequence[int], chunk_keys: int, chunk_bytes: int
) -> list[list[Chunk]]:
    """Chunks of consecutive rows, for each run of `heights` rows."""
    if text.null_count():
        raise UsageError(f"{text.null_count()} rows for Redis have no _key")
    if text.is_empty():
        return [[] for _ in heights]
    arrow = text.to_arrow(compat_level=pl.CompatLevel.oldest())
    ends = np.frombuffer(arrow.buffers()[1], "i8")[arrow.offset : arrow.offset + len(arrow) + 1]
    data = memoryview(arrow.buffers()[2])
    sums = np.zeros(len(text) + 1, "i8")
    np.cumsum(replies, out=sums[1:])
    out, row, last = [], 0, 0
    for height in heights:
        chunks, last = [], last + height
        while row < last:
            fits = int(np.searchsorted(ends, ends[row] + chunk_bytes, side="right")) - 1
            end = min(max(fits, row + 1), row + chunk_keys, last)
            chunks.append(Chunk(data[ends[row] : ends[end]], int(sums[end] - sums[row]), end - row))
            row = end
        out.append(chunks)
    return out
