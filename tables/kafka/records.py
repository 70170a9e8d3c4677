"""Keys and values of raw batches, for topics of ours: columns until the last step, then plain bytes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from headrace.avro.spans import binary
from headrace.wire import RecordBatches
from headrace.wire.frames import frame


def key_values(batches: Sequence[RecordBatches]) -> pl.DataFrame:
    """`offset` Int64, `key` and `value` Binary (nulls kept) of every wanted record, in the order given."""
    held = [b for b in batches if b.count]
    if not held:
        return pl.DataFrame(schema={"offset": pl.Int64, "key": pl.Binary, "value": pl.Binary})
    frames = frame(held)
    rows = np.arange(len(frames))
    length = frames.value_length
    out = pl.DataFrame(
        {
            "offset": frames.offset,
            "key": frames.keys(rows),
            "value": binary(frames.body, frames.value_at, np.maximum(length, 0), length >= 0),
        }
    )
    start = np.array([b.start for b in held])[frames.source]
    trimmed = frames.offset >= start
    return out if trimmed.all() else out.filter(pl.Series(trimmed))
