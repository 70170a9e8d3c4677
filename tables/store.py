"""The state folder: one RocksDB for everything this worker owns, and who may use it.

Owns the layout of keys in RocksDB, the identity of the folder and its lock. Knows nothing of panes or Kafka:
a record is bytes. Layout (big-endian, so that a table's partition is one range):

    table id (2) | partition (2) | space (1) | key
        space s  state records       key and value are the changelog's
        space t  timers              by due instant, see `tables.timers`
        space m  the marker          position of this partition, see `tables.marker`
    ff ff | "folder"                 layout, project and the table ids

With a changelog there is no write-ahead log: after a crash RocksDB is at the last memtable it flushed, a prefix of
the flushes with its marker, and the changelog brings it up to date. Without one the log is kept (not fsynced).
"""

from __future__ import annotations

import os
import shutil
import struct
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from itertools import count, takewhile
from pathlib import Path

import orjson
import polars as pl
import pyarrow as pa
from rocksdict import (
    AccessType,
    BlockBasedOptions,
    DBCompressionType,
    Options,
    Rdict,
    WriteBatch,
    WriteOptions,
)

from headrace.arrow import constant, joined
from headrace.errors import StateError
from tables.intake import Intake
from tables.timers import instant_key

LAYOUT = 2
_PREFIX = struct.Struct(">HH")
_FOLDER = b"\xff\xff" + b"folder"
STATE, TIMER, MARKER = b"s", b"t", b"m"


class Batch:
    """What one flush changes locally; written all or nothing by `StateStore.write`."""

    def __init__(self) -> None:
        self._batch = WriteBatch(raw_mode=True)
        self.put = self._batch.put
        self.delete = self._batch.delete

    def delete_all(self, keys: Iterable[bytes]) -> None:
        """Delete `keys`."""
        deque(map(self.delete, keys), maxlen=0)

    def put_all(self, keys: Iterable[bytes], values: Iterable[bytes | None]) -> None:
        """Put each of `values` under the key at its place; none may be None."""
        deque(map(self.put, keys, values), maxlen=0)

    def apply(self, keys: Sequence[bytes], values: Sequence[bytes | None]) -> None:
        """Put each of `values` under the key at its place; None deletes it."""
        for key, value in zip(keys, values, strict=True):
            if value is None:
                self.delete(key)
            else:
                self.put(key, value)


def partition_prefix(table: int, partition: int) -> bytes:
    return _PREFIX.pack(table, partition)


def state_keys(prefix: bytes, keys: pl.Series) -> list[bytes]:
    """The keys of state records in RocksDB; `keys` (Binary) are the changelog's."""
    return _listed(joined(constant(prefix + STATE), keys.to_arrow()))


def _listed(column: pa.LargeBinaryArray) -> list[bytes]:
    return pl.Series(pl.from_arrow(column)).to_list()


class StateStore:
    """The RocksDB of a worker. Opening takes the folder's lock; a second worker on it gets a StateError.

    With `beside`, a folder for RocksDB's own log, it only looks: at what is on disk now, whoever has it open. Without
    a write-ahead log a running worker's newest flushes are not there yet; the markers say how far it is.
    """

    def __init__(
        self,
        path: Path,
        project: str,
        *,
        changelogged: bool = False,
        beside: Path | None = None,
    ) -> None:
        self.path = path
        self.project = project
        self._options = WriteOptions()
        self._options.disable_wal = changelogged
        self._looking = beside is not None
        self._numbers = count(int.from_bytes(os.urandom(7), "big"))
        if beside is None:
            try:
                path.mkdir(parents=True, exist_ok=True)
            except OSError as exc:
                raise StateError(
                    f"the state folder {path} cannot be made: {exc.strerror}. Correct state.dir, or what may be written"
                ) from None
        elif not (path / "CURRENT").exists():
            raise StateError(f"there is no state folder {path}")
        options = _options()
        self._db = _open(path, options, beside)
        self._intake = Intake(self._db, options, path / "intake") if beside is None else None
        try:
            self._ids = self._identify()
        except BaseException:
            self._db.close()
            raise

    def _identify(self) -> dict[str, int]:
        raw = self._db.get(_FOLDER)
        if raw is None and self._looking:
            raise StateError(f"the state folder {self.path} has nothing on disk yet")
        if raw is None:
            self._db.put(_FOLDER, orjson.dumps({"layout": LAYOUT, "project": self.project, "tables": {}}))
            return {}
        folder = orjson.loads(raw)
        if folder["project"] != self.project:
            raise StateError(
                f"the state folder {self.path} belongs to project `{folder['project']}`, this is "
                f"`{self.project}`. Give each project its own state.dir"
            )
        if folder["layout"] != LAYOUT:
            raise StateError(
                f"the state folder {self.path} has layout {folder['layout']}, this version writes {LAYOUT}. "
                "Delete the folder: the state is restored from the changelog topics"
            )
        return {str(k): int(v) for k, v in folder["tables"].items()}

    def table_id(self, name: str) -> int:
        """The number that stands for table `name` in this folder; given at first use."""
        if name not in self._ids:
            if self._looking:
                raise StateError(f"the state folder {self.path} has no table `{name}`")
            self._ids[name] = max(self._ids.values(), default=0) + 1
            self._db.put(
                _FOLDER, orjson.dumps({"layout": LAYOUT, "project": self.project, "tables": self._ids})
            )
        return self._ids[name]

    @property
    def table_ids(self) -> dict[str, int]:
        return dict(self._ids)

    def partitions(self, name: str) -> list[int]:
        """The partitions of table `name` that have a marker here, in order: a seek for each."""
        table, out, at = self.table_id(name), [], 0
        cursor = self._db.iter()
        while at < 1 << 16:
            cursor.seek(partition_prefix(table, at))
            if not cursor.valid():
                break
            found, at = _PREFIX.unpack_from(cursor.key())
            if found != table:
                break
            if self.get(partition_prefix(table, at) + MARKER) is not None:
                out.append(at)
            at += 1
        return out

    def get(self, key: bytes) -> bytes | None:
        value: bytes | None = self._db.get(key)
        return value

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Values in the order of `keys`, None where there is none: one multi-get."""
        found: list[bytes | None] = self._db.get(list(keys))
        return found

    def write(self, batch: Batch) -> None:
        """Apply a batch atomically. Raises StateError with what to do if the disk refuses."""
        try:
            self._db.write(batch._batch, self._options)
            if self._intake is not None and self._intake.crowded:
                self._intake.settle()
        except Exception as exc:  # rocksdict raises bare Exception with RocksDB's text
            raise StateError(f"the state folder {self.path} cannot be written: {exc}") from exc

    def load(self, keys: Sequence[bytes], values: Sequence[bytes | None]) -> None:
        """Apply many changes atomically, past the memtables; `keys` rise, a value of None deletes.

        Raises StateError if the disk refuses.
        """
        assert self._intake is not None
        try:
            self._intake.put(keys, values)
        except Exception as exc:  # rocksdict raises bare Exception with RocksDB's text
            raise StateError(f"the state folder {self.path} cannot be written: {exc}") from exc

    def restoring(self) -> AbstractContextManager[None]:
        """While much is loaded: what is there is put in order when the last of these is over."""
        assert self._intake is not None
        return self._intake.restoring()

    def scan(self, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Records whose key begins with `prefix`, from `prefix + start` on, in key order."""
        cursor = self._db.iter()
        cursor.seek(prefix + start)
        while cursor.valid():
            key = cursor.key()
            if not key.startswith(prefix):
                return
            yield key, cursor.value()
            cursor.next()

    def due(self, prefix: bytes, start: int) -> Iterator[tuple[bytes, bytes]]:
        """The records of timers that are due at `start` (us) or later, earliest first (`tables.timers`)."""
        space = prefix + TIMER
        return takewhile(
            lambda item: item[0].startswith(space), self._db.items(from_key=space + instant_key(start))
        )

    def unique(self) -> bytes:
        """8 bytes that were not given before, by this store or one on the same folder before it."""
        return next(self._numbers).to_bytes(8, "big")

    def clear(self, prefix: bytes) -> None:
        """Delete every record whose key begins with `prefix`."""
        self._db.delete_range(prefix, prefix + b"\xff" * 8)

    def close(self) -> None:
        """Put everything on disk and let go of the folder. Raises StateError if the disk refuses."""
        try:
            if not self._looking:
                self._db.flush()
        except Exception as exc:  # rocksdict raises bare Exception with RocksDB's text
            with suppress(Exception):  # it tries the same again
                self._db.close()
            raise StateError(f"the state folder {self.path} cannot be written: {exc}") from exc
        self._db.close()


def _options() -> Options:
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_write_buffer_size(32 << 20)
    options.set_max_write_buffer_number(3)
    # Over keys that come evenly each file on level 0 overlaps all below, so fewer and larger merges write less.
    options.set_level_zero_file_num_compaction_trigger(8)
    # The first two levels are written most and read most; what lies below them stays.
    options.set_compression_per_level([DBCompressionType.none()] * 2 + [DBCompressionType.lz4()] * 5)
    options.set_keep_log_file_num(2)
    options.set_max_total_wal_size(256 << 20)
    options.increase_parallelism(max(2, os.cpu_count() or 2))
    options.set_memtable_whole_key_filtering(True)  # most keys that are asked for are in no memtable
    options.set_memtable_prefix_bloom_ratio(0.1)
    table = BlockBasedOptions()
    # Hot records are in `tables.cache`. What is not there is in the kernel's pages, and read from them a key costs
    # less than in a cache of blocks, even in one that has room for all (docs/performance.md).
    table.disable_cache()
    table.set_bloom_filter(10, False)
    table.set_cache_index_and_filter_blocks(False)  # held with the open file: some 4 bytes a record
    table.set_format_version(5)
    options.set_block_based_table_factory(table)
    return options


def _open(path: Path, options: Options, beside: Path | None = None) -> Rdict:
    try:
        if beside is not None:
            options.create_if_missing(False)
            return Rdict(str(path), options, access_type=AccessType.secondary(str(beside)))
        return Rdict(str(path), options)
    except Exception as exc:  # rocksdict raises bare Exception with RocksDB's text
        text = str(exc)
        if "lock" in text.lower():
            raise StateError(
                f"another process uses the state folder {path}. Give each worker its own"
            ) from exc
        raise StateError(
            f"the state folder {path} cannot be opened: {text}. "
            "If it is damaged, delete it: the state is restored from the changelog topics"
        ) from exc


def destroy(path: Path) -> None:
    """Delete a state folder that no process uses."""
    shutil.rmtree(path, ignore_errors=True)
