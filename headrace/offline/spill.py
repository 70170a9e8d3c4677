"""Rows scattered by entity into partitions, in memory while they are few and on disk when they are many.

Refuses to know what rows are: a partition gives back what was put in, in that order.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import polars as pl
import pyarrow as pa

from headrace.aggregates.partials import Ints
from headrace.errors import StateError

IN_MEMORY = 256 << 20
"""Bytes that are kept before they go to disk."""

CHUNK = 1 << 17
"""Rows of a batch on disk: a partition can be read piece by piece."""


@dataclass(frozen=True)
class Scattered:
    """Rows in the order of their partitions: those of the i-th are ``cut[i]:cut[i + 1]``."""

    rows: pl.DataFrame
    cut: list[int]


class Partitions:
    """`n` partitions; their files are in a folder of their own under `folder` (None: the system's), which goes on
    exit, whatever happened. StateError where the disk is full."""

    def __init__(self, n: int, folder: Path | None = None, *, in_memory: int = IN_MEMORY) -> None:
        self.n = n
        self.rows = [0] * n
        self._kept: list[list[pl.DataFrame]] = [[] for _ in range(n)]
        self._bytes = 0
        self._limit = in_memory
        self.under = folder
        self._folder: Path | None = None
        self._on_disk: set[int] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def add(self, rows: pl.DataFrame, partition: Ints) -> None:
        """Scatter rows: `partition` says where each goes; `n`, one past them: nowhere."""
        self.keep(self.scattered(rows, partition))

    def scattered(self, rows: pl.DataFrame, partition: Ints) -> Scattered:
        """The rows by partition, not yet kept: any thread may ask."""
        narrow = partition.astype("u1" if self.n < 1 << 8 else "u2")
        cut = np.concatenate([[0], np.cumsum(np.bincount(narrow, minlength=self.n)[: self.n])]).tolist()
        if self.n > 1 or cut[-1] < len(rows):
            order = np.argsort(narrow, kind="stable")[: cut[-1]]  # by radix
            rows = rows.select(pl.all().gather(pl.Series(order.astype("u4"))))
        return Scattered(rows, cut)

    def keep(self, scattered: Scattered) -> None:
        """Take in what `scattered` gave, behind what is there."""
        for i, (a, b) in enumerate(pairwise(scattered.cut)):
            if b > a:
                self._kept[i].append(scattered.rows[a:b])
                self.rows[i] += b - a
        self._bytes += int(scattered.rows.estimated_size())
        if self._bytes > self._limit:
            self._spill()

    def take(self, i: int) -> pl.DataFrame | None:
        """The rows of a partition; None if it has none. Once: they are forgotten here, and their file goes."""
        parts = list(self.batches(i))
        self.forget(i)
        return pl.concat(parts, rechunk=True) if parts else None

    def forget(self, i: int) -> None:
        """Let the rows of a partition go, and its file."""
        self._kept[i] = []
        if i in self._on_disk:
            self._on_disk.remove(i)
            self._path(i).unlink()

    def batches(self, i: int) -> Iterator[pl.DataFrame]:
        """The rows of a partition as `take` gives them, a part at a time, and not forgotten."""
        if i in self._on_disk:
            with self._path(i).open("rb") as file:
                end = file.seek(0, 2)
                file.seek(0)
                while file.tell() < end:  # one stream for each time that rows went to disk
                    for batch in pa.ipc.open_stream(file):
                        yield pl.DataFrame(pl.from_arrow(batch))
        yield from self._kept[i]

    def _spill(self) -> None:
        try:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="headrace-", dir=self.under))
            for i, parts in enumerate(self._kept):
                if parts:
                    table = pl.concat(parts, rechunk=True).to_arrow(compat_level=pl.CompatLevel.oldest())
                    with self._path(i).open("ab") as file, pa.ipc.new_stream(file, table.schema) as stream:
                        stream.write_table(table, max_chunksize=CHUNK)
                    self._on_disk.add(i)
                    self._kept[i] = []
        except OSError as exc:
            where = self._folder or self.under or tempfile.gettempdir()
            raise StateError(
                f"no room for the events of a training set in {where}: {exc.strerror or exc}. Give another folder "
                "with TMPDIR, or a shorter spine"
            ) from exc
        self._bytes = 0

    def _path(self, i: int) -> Path:
        assert self._folder is not None
        return self._folder / str(i)
