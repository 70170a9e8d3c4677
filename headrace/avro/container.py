"""Avro object containers made in memory around data that already is Avro: what `polars.read_avro` reads.

Polars panics on some damaged input, and with RUST_BACKTRACE=1 prints a symbolised trace for each: leave that
variable unset, or 0, in production. `REFUSED` lists everything that a read may raise.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import fastavro
import polars as pl

from headrace.avro.varints import encode

_SYNC = b"headrace-wire-00"

REFUSED = (pl.exceptions.PolarsError, OSError, pl.exceptions.PanicException)
"""PanicException is a BaseException: `except Exception` would let poison end the process."""


def header(fields: Sequence[Mapping[str, Any]]) -> bytes:
    """The container's head for a record with these Avro fields."""
    out = io.BytesIO()
    schema = fastavro.parse_schema({"type": "record", "name": "Row", "fields": list(fields)})
    fastavro.writer(out, schema, [], sync_marker=_SYNC)
    return out.getvalue()


def container(head: bytes, parts: Sequence[bytes | memoryview], n: int) -> bytes:
    """One block of `n` rows; a single copy of the parts, which end 16 bytes before its end."""
    return b"".join([head, encode(n), encode(sum(map(len, parts))), *parts, _SYNC])


def read(head: bytes, parts: Sequence[bytes | memoryview], n: int) -> pl.DataFrame:
    """The rows as a frame; raises one of `REFUSED` for what is not Avro of that schema."""
    return pl.read_avro(io.BytesIO(container(head, parts, n)))
