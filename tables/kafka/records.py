"""Keys and values of raw batches, for topics of ours: columns until the last step, then plain bytes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from headrace.avro.spans import binary
from headrace.avro.varints import I8
from headrace.wire import RecordBatches
from headrace.wire.frames import frame


class Keyed:
    """The wanted records of some batches, in the order given: offsets and keys, and values of those asked for."""

    def __init__(self, batches: Sequence[RecordBatches]) -> None:
        frames = frame(batches)
        self._body, self._at, self._length = frames.body, frames.value_at, frames.value_length
        self.offset = frames.offset
        length = frames.key_length
        self.key = binary(frames.body, frames.key_at, np.maximum(length, 0), length >= 0)
        """Binary, nulls kept."""
        start = np.array([b.start for b in batches], np.int64)[frames.source]
        wanted = frames.offset >= start
        if not wanted.all():
            self._at, self._length = self._at[wanted], self._length[wanted]
            self.offset, self.key = self.offset[wanted], self.key.filter(pl.Series(wanted))

    def __len__(self) -> int:
        return len(self.offset)

    def values(self, rows: I8) -> pl.Series:
        """The values of ascending `rows`: Binary, nulls kept."""
        length = self._length[rows]
        return binary(self._body, self._at[rows], np.maximum(length, 0), length >= 0)


def key_values(batches: Sequence[RecordBatches]) -> pl.DataFrame:
    """`offset` Int64, `key` and `value` Binary (nulls kept) of every wanted record, in the order given."""
    records = Keyed(batches)
    values = records.values(np.arange(len(records)))
    return pl.DataFrame({"offset": records.offset, "key": records.key, "value": values})
