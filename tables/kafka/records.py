"""Keys and values of raw batches, for topics of ours: columns until the last step, then plain bytes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from headrace.avro.varints import I8
from headrace.wire import RecordBatches
from headrace.wire.frames import frame


class Keyed:
    """The wanted records of some batches, in the order given: offsets and keys, and values of those asked for."""

    def __init__(self, batches: Sequence[RecordBatches]) -> None:
        self._frames = frame(batches)
        start = np.array([b.start for b in batches], np.int64)[self._frames.source]
        self._rows = np.flatnonzero(self._frames.offset >= start)
        self.offset = self._frames.offset[self._rows]
        self.key = self._frames.keys(self._rows)
        """Binary, nulls kept."""

    def __len__(self) -> int:
        return len(self.offset)

    def values(self, rows: I8) -> pl.Series:
        """The values of ascending `rows`: Binary, nulls kept."""
        return self._frames.values(self._rows[rows])


def key_values(batches: Sequence[RecordBatches]) -> pl.DataFrame:
    """`offset` Int64, `key` and `value` Binary (nulls kept) of every wanted record, in the order given."""
    records = Keyed(batches)
    values = records.values(np.arange(len(records)))
    return pl.DataFrame({"offset": records.offset, "key": records.key, "value": values})
