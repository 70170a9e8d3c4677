"""Grouping: a flush's rows and fired timers by entity. One hash and one sort serve all levels of a view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import pyarrow as pa

from headrace.aggregates.algebra import Rows
from headrace.aggregates.partials import Bools, Ints
from headrace.arrow import codes
from headrace.panes.cells import starts_of
from headrace.panes.grouping_kernel import PLACE


@dataclass(frozen=True)
class Batch:
    """The entities of a flush, numbered by partition, and its rows sorted by (entity, time, order).

    `keys` are the entities' texts, `partition` ascends; `at` says where sorted rows stand in the frame;
    `starts` is where each entity's rows begin and `having` which entities those are. `due_entity` and
    `due_instant` are the timers.
    """

    keys: pl.Series
    partition: Ints
    entity: Ints
    rows: Rows
    at: Ints
    starts: Ints
    having: Ints
    due_entity: Ints
    due_instant: Ints

    def __len__(self) -> int:
        return len(self.partition)

    def slices(self) -> list[tuple[int, int, int]]:
        """(partition, first entity, end) of each partition that has entities."""
        starts = starts_of(self.partition).tolist()
        ends = [*starts[1:], len(self)]
        return [(int(self.partition[a]), a, b) for a, b in zip(starts, ends[: len(starts)], strict=True)]

    def only(self, active: Bools) -> Batch:
        """The batch of the active entities alone, numbered anew. Every entity with rows must be active."""
        number = np.cumsum(active) - 1
        due = active[self.due_entity]
        return replace(
            self,
            keys=self.keys.filter(pl.Series(active)),
            partition=self.partition[active],
            entity=number[self.entity],
            having=number[self.having],
            due_entity=number[self.due_entity[due]],
            due_instant=self.due_instant[due],
        )


def group(rows: pl.DataFrame, due: Mapping[int, pl.DataFrame]) -> Batch:
    """Number the entities of rows and timers (by partition: `due`, `key`), and sort the rows."""
    names = rows["_key"].cast(pl.Binary)
    partition = rows["_partition"].to_numpy().astype("i8")
    instants = np.zeros(0, "i8")
    if due:
        names = pl.concat([names, *(timers["key"] for timers in due.values())], rechunk=True)
        partition = np.concatenate([partition, *(np.full(len(timers), p) for p, timers in due.items())])
        instants = np.concatenate([timers["due"].to_numpy() for timers in due.values()])
    entity, keys, owner = _numbered(names, partition)
    n = len(rows)
    time, order = rows["_event_time"].to_numpy(), rows["_order"].to_numpy()
    at = _sorted(entity[:n], time, order, len(owner))
    by = entity[:n][at]
    starts = starts_of(by)
    return Batch(
        keys=keys,
        partition=owner,
        entity=by,
        rows=Rows(time[at], order[at]),
        at=at,
        starts=starts,
        having=by[starts],
        due_entity=entity[n:],
        due_instant=instants,
    )


def _numbered(names: pl.Series, partition: Ints) -> tuple[Ints, pl.Series, Ints]:
    """The number of each row's entity; and by number, in order of (partition, text), entities' texts and partitions."""
    array = names.to_arrow(compat_level=pl.CompatLevel.oldest())
    encoded = pa.chunked_array([array]).combine_chunks().dictionary_encode()
    code = codes(encoded)
    texts = pl.Series(encoded.dictionary, dtype=pl.Binary)
    owner = np.zeros(len(texts), "i8")
    owner[code] = partition
    if not (owner[code] == partition).all():  # one text on two partitions: two entities
        pair = code * (int(partition.max()) + 1) + partition
        _, first, code = np.unique(pair, return_index=True, return_inverse=True)
        texts, owner = names[first], partition[first]
    # In order of their texts: RocksDB and the changelog take neighbours at a fraction of the cost.
    by_text = texts.arg_sort().to_numpy()
    by_partition = by_text[np.argsort(owner[by_text], kind="stable")]
    number = np.empty(len(owner), "i8")
    number[by_partition] = np.arange(len(owner))
    return number[code], texts[by_partition].cast(pl.String), owner[by_partition]


def _sorted(entity: Ints, time: Ints, order: Ints, entities: int) -> Ints:
    """Positions that sort by (entity, time, order). Rows mostly come in time order, so entity alone is
    tried first.
    """
    n = len(entity)
    if n == 0:
        return np.zeros(0, "i8")
    kernel = PLACE.worth(n)
    if kernel is not None:
        at = np.empty(n, "i8")
        moves = kernel(entity, time, order, entities, at)
        return at if moves >= 0 else np.lexsort((order, time, entity))
    shift = n.bit_length()
    at = np.sort((entity << shift) | np.arange(n)) & (
        (1 << shift) - 1
    )  # sorting numbers beats sorting positions
    e, t, o = entity[at], time[at], order[at]
    same = e[1:] == e[:-1]
    wrong = same & ((t[1:] < t[:-1]) | ((t[1:] == t[:-1]) & (o[1:] < o[:-1])))
    return np.lexsort((order, time, entity)) if wrong.any() else at
