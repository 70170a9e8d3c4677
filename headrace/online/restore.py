"""Dirty entities as whole hashes: one RESTORE a key in place of HSET, HDEL and PEXPIRE.

A RESTORE carries the hash as the server keeps it, a listpack, so that the server copies it where HSET looks every field
up among all others: a third of its time for twenty fields (`python -m bench.transactions`). Readers see the plain hash
that they would see otherwise. Needs a server that `takes` it, and rows that have this form: see `restoring`.
"""

from __future__ import annotations

from secrets import token_hex
from typing import NamedTuple

import numpy as np
import polars as pl

from headrace.arrow import Ints
from headrace.avro.varints import U1
from headrace.native import Function
from headrace.online.connection import Connection
from headrace.online.instants import END, FIRST, INSTANT_LENGTH
from headrace.online.keys import KeySpace
from headrace.online.restore_kernel import LAY, TABLES

MOST_FIELDS = 128
"""What `hash-max-listpack-entries` is by default: a server makes a table of a hash with more."""

_FRAMING = 160  # bytes of a command that are neither key nor hash, at most
_AROUND = 10  # bytes that the length of a text takes before and behind it, at most
_PROBED = 10_000  # ms that the hash of a test stays if nobody deletes it


class Commands(NamedTuple):
    """Commands, one after the other, each answered once: `data`, and where each begins and ends."""

    data: memoryview
    ends: Ints


def warm() -> None:
    """Load or compile the machine code now, where numba is installed."""
    LAY.warm()


def restoring(
    frame: pl.DataFrame, texts: pl.DataFrame, instants: pl.DataFrame, space: KeySpace
) -> Commands | None:
    """The commands of `frame`'s rows (`_key _ttl _remove`, see `resp.encode`), or None if these rows have no such form.

    `texts`: the text of every feature (null: none), `instants`: the metadata (Int64, us), both in `frame`'s order. None
    where there are more than MOST_FIELDS fields, an instant that is null or not of the years 1 to 9999, or hardly any
    rows and nothing compiled.
    """
    lay = LAY.worth(frame.height)
    if lay is None or frame.is_empty() or frame["_key"].null_count():
        return None
    if texts.width + instants.width > MOST_FIELDS or not all(map(_usual, instants.get_columns())):
        return None
    return _commands(lay, frame, texts, instants, space.prefix.encode(), space.suffix.encode())


def takes(connection: Connection, key: str) -> bool:
    """Whether the server takes hashes of this form from this user: tried out, on `key`, which goes at once."""
    name, value = b"field", token_hex(8)
    frame = pl.DataFrame({"_key": [key], "_ttl": [_PROBED], "_remove": [False]})
    texts = pl.DataFrame({name.decode(): [value]})
    connection.send(_commands(LAY.at_all(1), frame, texts, pl.DataFrame(), b"", b"").data)
    if connection.read() != b"OK":
        return False
    seen = connection.call(b"HGET", key.encode(), name)
    connection.call(b"DEL", key.encode())
    return seen == value.encode()


def _usual(us: pl.Series) -> bool:
    """Whether all instants have a text of 27 characters."""
    return not us.null_count() and bool(((us >= FIRST) & (us < END)).all())


def _commands(
    lay: Function,
    frame: pl.DataFrame,
    texts: pl.DataFrame,
    instants: pl.DataFrame,
    prefix: bytes,
    suffix: bytes,
) -> Commands:
    n = frame.height
    keys, key_ends = _bytes(frame["_key"])
    text = pl.concat([column.rename("") for column in texts]) if texts.width else pl.Series("", [], pl.String)
    data, ends = _bytes(text)
    names = [_entry(name.encode()) for name in (*texts.columns, *instants.columns)]
    name_ends = np.cumsum([0, *map(len, names)])
    ttl = frame["_ttl"].cast(pl.Int64)
    over = (ttl <= 0).fill_null(False).to_numpy()  # for RESTORE 0 is "never"
    each = _FRAMING + len(prefix) + len(suffix) + int(name_ends[-1])
    each += _AROUND * (texts.width + instants.width) + INSTANT_LENGTH * instants.width
    out = np.empty(n * each + len(keys) + len(data), np.uint8)
    cuts = np.zeros(n + 1, "i8")
    end = lay(
        _array(prefix),
        _array(suffix),
        keys,
        key_ends,
        data,
        ends,
        text.is_not_null().to_numpy(),
        _array(b"".join(names)),
        name_ends,
        np.concatenate([np.zeros(0, "i8"), *(column.to_numpy() for column in instants)]),
        np.where(over, 0, ttl.fill_null(0).to_numpy()),
        frame["_remove"].to_numpy() | over,
        TABLES,
        out,
        cuts,
    )
    return Commands(memoryview(out)[:end], cuts)  # type: ignore[arg-type]


def _entry(text: bytes) -> bytes:
    """A field's name as an entry of a listpack (listpack.md: 6 or 12 bits of length, the text, the entry's length)."""
    size = len(text)
    if size >= 4096:
        entry = b"\xf0" + size.to_bytes(4, "little") + text
    else:
        entry = (bytes([0x80 | size]) if size < 64 else bytes([0xE0 | size >> 8, size & 0xFF])) + text
    whole = len(entry)
    back = 1 if whole < 128 else 2 if whole < 16383 else 3
    sevens = [(whole >> 7 * k) & 0x7F for k in reversed(range(back))]
    return entry + bytes([sevens[0], *(0x80 | seven for seven in sevens[1:])])


def _bytes(texts: pl.Series) -> tuple[U1, Ints]:
    """The bytes of a column, and where each text begins and ends; nulls have none."""
    arrow = texts.to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offsets, data = arrow.buffers()
    ends = np.frombuffer(offsets, "i8")[arrow.offset : arrow.offset + len(arrow) + 1].copy()
    return np.frombuffer(data, np.uint8) if data else np.zeros(0, np.uint8), ends


def _array(raw: bytes) -> U1:
    return np.frombuffer(raw, np.uint8)
