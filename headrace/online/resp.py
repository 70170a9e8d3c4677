"""Dirty entities as Redis commands: RESP bytes built a column at a time, nothing in Python for each key.

Owns the commands of a key: ``HSET`` of every field that has a value, ``HDEL`` of those that have none,
``PEXPIRE`` where the write sets an expiry, or ``DEL``; or one ``RESTORE`` of the whole hash for a server that takes it
(`restore`). Refuses to send them: a chunk goes out inside one MULTI (`write`), which is what makes all fields of a key
change together.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import polars as pl

from headrace.arrow import Ints
from headrace.errors import UsageError
from headrace.online.instants import END, FIRST, INSTANT_LENGTH, instant, instant_lookups, instant_text
from headrace.online.keys import KeySpace
from headrace.online.restore import restoring
from headrace.online.text import to_text
from headrace.types import FLOATS, INTEGERS, Bool, DataType, String

META = ("_event_time", "_as_of", "_written_at")
"""Metadata fields of every hash, as columns of Int64 microseconds."""

CHUNK_ARGUMENTS = 1_200
"""Arguments of the commands that take effect together. A server that holds much keeps what is queued for one EXEC
between its data: with several thousand it takes twice as long for each key (docs/performance.md)."""

_SHORT = 256
"""Lengths below this are looked up, longer ones are formatted."""

_SIZE = "|size"  # behind a column's name: the bytes of its texts
_MISSING = "|missing"  # how many fields of a row have no value
_CAST = frozenset({*INTEGERS, *FLOATS, Bool, String})
"""Types whose texts are Polars' own, but for infinities."""

Piece = pl.Expr | str


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
    whole: bool = False,
    chunk_keys: int | None = None,
    chunk_bytes: int = 1 << 20,
) -> list[list[Chunk]]:
    """`encode` of several frames of one view (its partitions): the columns are built once for all of them.

    `whole`: the server takes whole hashes (`OnlineWriter.restores`).
    """
    frame = pl.concat(parts)
    missing = [c for c in ("_key", *features, *META, "_ttl", "_remove") if c not in frame.columns]
    if missing:
        raise UsageError(f"rows for Redis lack {', '.join(missing)}; got {', '.join(frame.columns)}")
    heights = [part.height for part in parts]
    if whole and (made := restoring(frame, _texts(frame, features), frame.select(META), space)) is not None:
        keys = CHUNK_ARGUMENTS // 5 if chunk_keys is None else chunk_keys
        return _chunks(made.data, made.ends, np.ones(frame.height, "i8"), heights, keys, chunk_bytes)
    if not frame["_remove"].any():
        text, replies = _writes(frame, space, features)
    else:
        gone = frame["_remove"].to_numpy()
        live = _writes(frame.filter(~pl.col("_remove")), space, features)
        dead = _deletes(frame.filter("_remove"), space)
        places = np.argsort(np.concatenate([np.flatnonzero(~gone), np.flatnonzero(gone)]), kind="stable")
        text = pl.concat([live[0], dead[0]]).gather(places)
        replies = np.concatenate([live[1], dead[1]])[places]
    if chunk_keys is None:
        chunk_keys = max(1, CHUNK_ARGUMENTS // (2 + 2 * (len(features) + len(META))))
    return _chunks(*_laid(text), replies, heights, chunk_keys, chunk_bytes)


def _writes(
    frame: pl.DataFrame, space: KeySpace, features: Mapping[str, DataType]
) -> tuple[pl.Series, np.ndarray]:
    """The commands of each row that is written, and how many they are."""
    n = frame.height
    texts = _Texts.of(frame, {**features, **dict.fromkeys(META, None)})
    key = texts.key(space)
    fields: list[Piece] = []
    for name in (*features, *META):
        fields += texts.field(name)
    absent = [name for name in (*features, *META) if texts.nulls(name)]

    count = len(features) + len(META)
    replies = np.ones(n, "i8")
    pieces: list[Piece]
    if not absent:
        pieces = [f"*{2 + 2 * count}\r\n$4\r\nHSET", *key, *fields, "\r\n"]
    else:
        missing = texts.frame.select_seq(
            pl.sum_horizontal(pl.col(absent).is_null()).cast(pl.Int64)
        ).to_series()
        texts.add(_MISSING, missing)
        replies += (missing > 0).to_numpy()
        some = pl.col(_MISSING) > 0
        heads = pl.Series([f"*{2 + 2 * (count - i)}\r\n$4\r\nHSET" for i in range(count + 1)])
        dels = pl.Series(["", *(f"*{2 + i}\r\n$4\r\nHDEL" for i in range(1, count + 1))])
        pieces = [
            _looked_up(heads, _MISSING),
            *key,
            *fields,
            "\r\n",
            _looked_up(dels, _MISSING),
            _where(some, key),
        ]
        pieces += [
            _where(pl.col(name).is_null(), [f"\r\n${len(name.encode())}\r\n{name}"]) for name in absent
        ]
        pieces.append(_where(some, ["\r\n"]))
    ttl = frame["_ttl"].cast(pl.Int64)
    if ttl.null_count() < n:
        texts.add_text("_ttl", ttl.cast(pl.String))
        has = pl.col("_ttl").is_not_null()
        replies += ttl.is_not_null().to_numpy()
        expire: list[Piece] = ["*3\r\n$7\r\nPEXPIRE", *key, *texts.argument("_ttl"), "\r\n"]
        pieces += expire if not ttl.null_count() else [_where(has, expire)]
    return texts.joined(pieces), replies


def _deletes(frame: pl.DataFrame, space: KeySpace) -> tuple[pl.Series, np.ndarray]:
    texts = _Texts.of(frame, {})
    return texts.joined(["*2\r\n$3\r\nDEL", *texts.key(space), "\r\n"]), np.ones(frame.height, "i8")


def _texts(frame: pl.DataFrame, features: Mapping[str, DataType]) -> pl.DataFrame:
    """The text of every feature, in the order of `features`."""
    floats = [n for n, t in features.items() if t in FLOATS]
    odd = set()
    if floats:
        infinite = frame.select_seq(pl.col(floats).is_infinite().any()).row(0)
        odd = {n for n, i in zip(floats, infinite, strict=True) if i}
    simple = [n for n, t in features.items() if t in _CAST and frame[n].dtype == t.polars and n not in odd]
    others = [to_text(frame[n], t) for n, t in features.items() if n not in simple]
    return frame.select_seq(pl.col(simple).cast(pl.String)).hstack(others).select_seq(*features)


class _Texts:
    """The texts of a frame's columns with their lengths, and commands as expressions over them.

    A handful of Polars calls for all columns together: for a small flush each call costs more than its rows.
    """

    def __init__(self, texts: pl.DataFrame, instants: dict[str, list[Piece]], extra: list[pl.Series]) -> None:
        sizes = texts.select_seq(pl.all().str.len_bytes().name.suffix(_SIZE))
        self._longest = dict(zip(texts.columns, sizes.max().row(0) if texts.height else (), strict=False))
        self._nulls = dict(zip(texts.columns, texts.null_count().row(0), strict=True))
        self._instants = instants
        self.frame = texts.hstack([*sizes.get_columns(), *extra])

    @classmethod
    def of(cls, frame: pl.DataFrame, columns: Mapping[str, DataType | None]) -> _Texts:
        """Of `_key` and `columns`; a type of None is an instant of metadata (Int64, us)."""
        others: list[pl.Series] = []
        instants: dict[str, list[Piece]] = {}
        extra: list[pl.Series] = []
        for name in (n for n, type in columns.items() if type is None):
            pieces = _instant(name, frame[name], extra)
            if pieces is None:
                others.append(instant_text(frame[name]))
            else:
                instants[name] = pieces
        features = _texts(frame, {n: type for n, type in columns.items() if type is not None})
        return cls(frame.select("_key").hstack([*features, *others]), instants, extra)

    def add(self, name: str, column: pl.Series) -> None:
        """A column of numbers, for lookups."""
        self.frame = self.frame.with_columns_seq(column.alias(name))

    def add_text(self, name: str, text: pl.Series) -> None:
        """One more column of texts."""
        size = text.str.len_bytes()
        self._longest[name], self._nulls[name] = size.max(), text.null_count()
        self.frame = self.frame.with_columns_seq(text.alias(name), size.alias(name + _SIZE))

    def nulls(self, name: str) -> int:
        """How many texts of a column are null."""
        return 0 if name in self._instants else self._nulls[name]

    def key(self, space: KeySpace) -> list[Piece]:
        """The argument of each row's Redis key."""
        fixed = len(space.prefix.encode()) + len(space.suffix)
        return [*self.argument("_key", after=space.prefix, fixed=fixed), space.suffix]

    def field(self, name: str) -> list[Piece]:
        """Two arguments, the name and the value; nothing where the text is null."""
        if name in self._instants:
            return self._instants[name]
        pieces = self.argument(name, before=f"\r\n${len(name.encode())}\r\n{name}")
        return pieces if not self._nulls[name] else [_where(pl.col(name).is_not_null(), pieces)]

    def argument(self, name: str, before: str = "", after: str = "", fixed: int = 0) -> list[Piece]:
        """One bulk string of each row: `before`, its length, then `after` and the text.

        Every argument opens with the line end of what stands before it. `fixed` bytes are counted beside the text's.
        """
        if (self._longest.get(name) or 0) < _SHORT:
            return [_looked_up(_heads(before, fixed, after), name + _SIZE), pl.col(name)]
        size = (pl.col(name + _SIZE).cast(pl.Int64) + fixed).cast(pl.String)
        return [f"{before}\r\n$", size, f"\r\n{after}", pl.col(name)]

    def joined(self, pieces: Sequence[Piece]) -> pl.Series:
        """Row by row, all pieces one after the other."""
        if not self.frame.height:
            return pl.Series("", [], dtype=pl.String)
        return self.frame.select_seq(_together(pieces).alias("")).to_series()


def _instant(name: str, us: pl.Series, extra: list[pl.Series]) -> list[Piece] | None:
    """A field of metadata by lookups, or constant where all rows have one instant; what is looked up by is added to
    `extra`. None for instants that have no such form."""
    low, high = us.min(), us.max()
    if us.null_count() or low is None or low < FIRST or high >= END:  # type: ignore[operator]
        return None
    head = f"\r\n${len(name)}\r\n{name}\r\n${INSTANT_LENGTH}\r\n"
    if low == high:
        return [head + instant(int(low))]  # type: ignore[arg-type]
    pieces: list[Piece] = [head]
    for table, index in instant_lookups(us.to_numpy()):
        extra.append(pl.Series(f"{name}|{len(pieces)}", index))
        pieces.append(_looked_up(table, extra[-1].name))
    return pieces


def _looked_up(table: pl.Series, index: str) -> pl.Expr:
    return pl.lit(table).gather(pl.col(index))


@lru_cache(maxsize=4_096)
def _heads(before: str, fixed: int, after: str) -> pl.Series:
    return pl.Series([f"{before}\r\n${n + fixed}\r\n{after}" for n in range(_SHORT)])


def _where(mask: pl.Expr, pieces: Sequence[Piece]) -> pl.Expr:
    """The pieces where the mask says so, else nothing."""
    return pl.when(mask).then(_together(pieces)).otherwise(pl.lit(""))


def _together(pieces: Sequence[Piece]) -> pl.Expr:
    """All pieces one after the other, neighbouring constants as one."""
    parts: list[pl.Expr] = []
    for constant, run in itertools.groupby(pieces, lambda p: isinstance(p, str)):
        if constant:
            parts.append(pl.lit("".join(run)))  # type: ignore[arg-type]
        else:
            parts.extend(run)  # type: ignore[arg-type]
    return parts[0] if len(parts) == 1 else pl.concat_str(parts)


def _laid(text: pl.Series) -> tuple[memoryview, Ints]:
    """The bytes of the texts, and where each begins and ends."""
    if text.null_count():
        raise UsageError(f"{text.null_count()} rows for Redis have no _key")
    if text.is_empty():
        return memoryview(b""), np.zeros(1, "i8")
    arrow = text.to_arrow(compat_level=pl.CompatLevel.oldest())
    ends = np.frombuffer(arrow.buffers()[1], "i8")[arrow.offset : arrow.offset + len(arrow) + 1]
    return memoryview(arrow.buffers()[2]), ends


def _chunks(
    data: memoryview, ends: Ints, replies: Ints, heights: Sequence[int], chunk_keys: int, chunk_bytes: int
) -> list[list[Chunk]]:
    """Chunks of consecutive rows, for each run of `heights` rows."""
    sums = np.zeros(len(replies) + 1, "i8")
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
