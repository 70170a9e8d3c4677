"""One view's state on one partition: what it holds, how it is read, changed, restored and continued.

Owns the meeting of RocksDB, the changelog and the flush in flight. Order of a flush, kept by the caller:
`prepare` (reads; changes wait in an overlay) -> the changelog's transaction -> `stage` into the WriteBatch ->
`confirm`, or `forget` if the transaction failed. Local state never leads the changelog.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import polars as pl

from headrace.errors import StateError
from tables import marker as markers
from tables.cache import RecordCache
from tables.kafka.outputs import Records, record
from tables.marker import Marker
from tables.pieces import Pieces
from tables.sizes import nbytes
from tables.store import MARKER, STATE, TIMER, Batch, StateStore, partition_prefix, state_keys
from tables.timers import count_of, instant_of, records, timers

MANY = 5_000
"""Records of a restore that are worth a file of their own."""
BEGINNING, NEVER = -(1 << 63), (1 << 63) - 1


@dataclass(frozen=True, eq=False)
class Changes:
    """What a flush does to one table partition; `keys` without prefix, a value of None deletes.

    `timers` (`due` us, `key` of the entity) are added; `fired` are the records of those that fired (`Due`).
    """

    keys: Sequence[bytes]
    values: Sequence[bytes | None]
    timers: pl.DataFrame
    fired: Sequence[bytes]
    marker: Marker

    @property
    def written(self) -> dict[bytes, bytes | None]:
        """The values by key."""
        return dict(zip(self.keys, self.values, strict=True))

    @property
    def size(self) -> int:
        """Bytes of keys and values, about."""
        return nbytes(self.keys) + nbytes(self.values)


@dataclass(frozen=True, eq=False)
class Due:
    """Timers that were handed out: `timers` (`due` us, `key` of the entity), earliest first, and their records."""

    timers: pl.DataFrame
    records: Sequence[bytes]


Overlay = tuple[Changes, dict[bytes, bytes | None]]
"""A flush and what it writes to the state, by state key."""


class TablePartition:
    """State of view `name` on `partition`, changelogged to partition `partition` of `changelog`.

    Without a changelog (the embedded broker keeps none) the state folder is all there is.
    """

    def __init__(
        self,
        store: StateStore,
        cache: RecordCache,
        name: str,
        partition: int,
        changelog: str | None,
        fingerprint: str,
    ) -> None:
        self.name = name
        self.partition = partition
        self.changelog = changelog
        self.fingerprint = fingerprint
        self._store = store
        self._cache = cache
        self._prefix = partition_prefix(store.table_id(name), partition)
        self._state = self._prefix + STATE
        self._overlays: list[Overlay] = []  # flushes computed but not yet in RocksDB, oldest first
        self._fired: set[bytes] = set()  # records of timers handed out but not yet gone from RocksDB
        self._next_due = BEGINNING  # nothing that was not handed out is due before
        raw = store.get(self._prefix + MARKER)
        self.marker = Marker(fingerprint) if raw is None else Marker.decode(raw)
        """The last marker that is durable here."""
        self.is_new = raw is None
        self.computed = self.marker
        """The last marker that was computed; ahead of `marker` while a flush is in flight."""

    # -- reading

    def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Values in the order of `keys` (state keys without prefix), the flush in flight included."""
        # The overlays first: a flush that settles meanwhile enters the cache before its overlay goes, so a key
        # that is in none is not being changed, and what the cache or RocksDB says of it stands.
        ahead: dict[int, bytes | None] = {}
        for _, overlay in list(self._overlays):
            ahead.update((i, overlay[key]) for i, key in enumerate(keys) if key in overlay)
        missing: list[int] = []
        out = self._cache.get_many(self._prefix, keys, missing)
        if ahead:
            missing = [i for i in missing if i not in ahead]
        if missing:
            wanted = [keys[i] for i in missing]
            found = self._store.get_many(list(map(self._state.__add__, wanted)))
            items = dict(zip(wanted, found, strict=True))
            self._cache.put_many(self._prefix, items, nbytes(wanted) + nbytes(found))
            for i, value in zip(missing, found, strict=True):
                out[i] = value
        for i, value in ahead.items():
            out[i] = value
        return out

    def take_due(self, until: int, limit: int) -> Due | None:
        """Timers due at or before `until`, earliest first, each handed out once; None if there are none.

        At most `limit`, but one record's at least. Those handed out stay in RocksDB until their flush is staged;
        `forget` makes them due again.
        """
        if until < self._next_due or limit <= 0:
            return None
        keys: list[bytes] = []
        values: list[bytes] = []
        # From the earliest that may be there: before it RocksDB would step over a tombstone for each that fired.
        for key, value in self._store.due(self._prefix, self._next_due):
            if key in self._fired:
                continue
            limit -= count_of(value)
            if instant_of(key) > until or (limit < 0 and keys):
                self._next_due = instant_of(key)
                break
            keys.append(key)
            values.append(value)
        else:
            self._next_due = NEVER
        if not keys:
            return None
        self._fired.update(keys)
        return Due(timers(keys, values), keys)

    def entities(self, limit: int, after: bytes = b"") -> list[tuple[bytes, bytes]]:
        """State records in key order, from just after state key `after`; for scans (republish, verify)."""
        out: list[tuple[bytes, bytes]] = []
        n = len(self._state)
        for key, value in self._store.scan(self._state, after + b"\x00" if after else b""):
            out.append((key[n:], value))
            if len(out) >= limit:
                break
        return out

    # -- a flush

    def prepare(self, changes: Changes) -> list[Records]:
        """Take a flush's changes into the overlay; returns its changelog records, the marker last.

        None without a changelog.
        """
        self._overlays.append((changes, changes.written))
        self.computed = changes.marker
        if self.changelog is None:
            return []
        return [Records(changes.keys, changes.values), record(markers.KEY, changes.marker.encode())]

    def stage(self, changes: Changes, batch: Batch, start: int, end: int) -> None:
        """Put an acknowledged flush, which lies at changelog offsets `start`..`end`, into a WriteBatch."""
        marker = changes.marker.logged(start, end)
        written = self._overlay(changes)
        # In key order: a memtable takes neighbours at a tenth of the cost of keys here and there.
        keys = sorted(written)
        values = list(map(written.__getitem__, keys))
        if None in changes.values:
            gone = [key for key, value in zip(keys, values, strict=True) if value is None]
            batch.delete_all(map(self._state.__add__, gone))
            keys = [key for key, value in zip(keys, values, strict=True) if value is not None]
            values = [value for value in values if value is not None]
        batch.put_all(map(self._state.__add__, keys), values)
        batch.delete_all(changes.fired)
        batch.put_all(*records(self._prefix + TIMER, changes.timers, self._store.unique))
        batch.put(self._prefix + MARKER, marker.encode())
        self._staged = marker

    def _overlay(self, changes: Changes) -> dict[bytes, bytes | None]:
        """What `changes` writes, also if it was forgotten since: then what the log has of it still counts."""
        for its, overlay in list(self._overlays):
            if its is changes:
                return overlay
        return changes.written

    def confirm(self, changes: Changes) -> None:
        """The WriteBatch is written: this flush's overlay becomes part of the cache."""
        self._cache.put_many(self._prefix, self._overlay(changes), changes.size)
        for i, (its, _) in enumerate(self._overlays):
            if its is changes:
                del self._overlays[i]  # in one step: another thread may append
                break
        self._fired.difference_update(changes.fired)
        if len(changes.timers):
            self._next_due = min(self._next_due, int(changes.timers["due"].min()))  # type: ignore[arg-type]
        self.marker = self._staged
        self.is_new = False

    def forget(self) -> None:
        """Drop what was computed but is not durable."""
        self._overlays.clear()
        self._fired.clear()
        self._next_due = BEGINNING
        self.computed = self.marker

    # -- opening

    def check(self) -> None:
        """Raises StateError if the state here was made by another definition of the same version."""
        if self.marker.fingerprint != self.fingerprint:
            raise StateError(
                f"the state of `{self.name}` was made by another definition of that version. "
                "A change of values needs a new version: raise `version=`, or undo the change"
            )

    def restore(self, changed: pl.DataFrame, asked: pl.DataFrame, marker: Marker) -> None:
        """Apply changelog records that RocksDB lacks, with the marker that stands after them.

        `changed`: `key`, `value` (Binary, null deletes), each key once, in key order; `asked`: timers (`due`, `key`).
        The cache is not looked at: whoever restores what may have been read before says `uncache`.
        """
        due, waiting = records(self._prefix + TIMER, asked, self._store.unique)
        # In key order, which is that of the spaces.
        keys = [self._prefix + MARKER, *state_keys(self._prefix, changed["key"]), *due]
        values = Pieces(pl.concat([_column([marker.encode()]), changed["value"], _column(waiting)]))
        if len(keys) >= MANY:
            self._store.load(keys, values)
        else:
            batch = Batch()
            batch.apply(keys, values)
            self._store.write(batch)
        self._next_due = BEGINNING
        self.marker = self.computed = marker
        self.is_new = False

    def restoring(self) -> AbstractContextManager[None]:
        """While much of it is restored."""
        return self._store.restoring()

    def uncache(self) -> None:
        """Forget what was cached: RocksDB is about to change under it."""
        self._cache.discard(self._prefix)

    def reset(self) -> None:
        """Forget everything local: the changelog will be read from its beginning."""
        self.uncache()
        self._store.clear(self._prefix)
        self._overlays.clear()
        self._next_due = BEGINNING
        self.marker = self.computed = Marker(self.fingerprint)
        self.is_new = True

    def next_marker(self, **changes: object) -> Marker:
        """The marker that follows the last computed one."""
        base = self.computed
        return replace(base, sequence=base.sequence + 1, **changes)  # type: ignore[arg-type]


def _column(values: Sequence[bytes]) -> pl.Series:
    return pl.Series("value", values, pl.Binary)
