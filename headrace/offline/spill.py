"""Rows scattered by entity into partitions, in memory while they are few and on disk when they are many.

Refuses to know what rows are: a partition gives back what was put in, in that order.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
import polars as pl
import pyarrow as pa

from headrace.aggregates.partials import Ints
from headrace.errors import StateError

IN_MEMORY = 256 << 20
"""Bytes that are kept before they go to disk."""


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
        self._under = folder
        self._folder: Path | None = None
        self._writers: dict[int, tuple[BinaryIO, Any]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        for file, _ in self._writers.values():
            file.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def add(self, rows: pl.DataFrame, partition: Ints) -> None:
        """Scatter rows: `partition` says where each goes."""
        self.keep(self.scattered(rows, partition))

    def scattered(self, rows: pl.DataFrame, partition: Ints) -> Scattered:
        """The rows by partition, not yet kept: any thread may ask."""
        narrow = partition.astype("u1" if self.n <= 1 << 8 else "u2")
        cut = np.concatenate([[0], np.cumsum(np.bincount(narrow, minlength=self.n))]).tolist()
        if self.n > 1:
            order = pl.Series(np.argsort(narrow, kind="stable").astype("u4"))  # by radix
            rows = rows.select(pl.all().gather(order))
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
        parts, self._kept[i] = self._kept[i], []
        if i in self._writers:
            file, writer = self._writers.pop(i)
            writer.close()
            file.close()
            assert self._folder is not None
            path = self._folder / str(i)
            with path.open("rb") as stream:
                parts.insert(0, pl.read_ipc_stream(stream))
            path.unlink()
        return pl.concat(parts, rechunk=True) if parts else None

    def _spill(self) -> None:
        try:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="headrace-", dir=self._under))
            for i, parts in enumerate(self._kept):
                if parts:
                    table = pl.concat(parts, rechunk=True).to_arrow(compat_level=pl.CompatLevel.oldest())
                    self._writer(i, table.schema).write_table(table)
                    self._kept[i] = []
        except OSError as exc:
            where = self._folder or self._under or tempfile.gettempdir()
            raise StateError(
                f"no room for the events of a training set in {where}: {exc.strerror or exc}. Give another folder "
                "with TMPDIR, or a shorter spine"
            ) from exc
        self._bytes = 0

    def _writer(self, i: int, schema: pa.Schema) -> Any:
        if i not in self._writers:
            assert self._folder is not None
            file = (self._folder / str(i)).open("wb")
            self._writers[i] = (file, pa.ipc.new_stream(file, schema))
        return self._writers[i][1]
