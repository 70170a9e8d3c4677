"""Records by the thousand into RocksDB past its memtables: as a sorted file, which it takes in as it is.

A restore writes everything that a view has. Through memtables each record is sorted, written and, again and again,
merged with those before it. A file in key order is written once, and lies on the last level where nothing overlaps
it; merging waits until the restore is over. Owns these files and that wait; knows nothing of keys.
"""

from __future__ import annotations

import shutil
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from rocksdict import IngestExternalFileOptions, Options, Rdict, SstFileWriter

_WAIT = {
    "disable_auto_compactions": "true",
    # Writes of partitions that are open already shall not wait for the files that are not merged.
    "level0_slowdown_writes_trigger": "10000",
    "level0_stop_writes_trigger": "20000",
}
_MERGE = {"disable_auto_compactions": "false"}
_USUAL = {"level0_slowdown_writes_trigger": "20", "level0_stop_writes_trigger": "36"}  # RocksDB's defaults
_FEW = 12
"""Files on level 0 from which on writes may be made to wait for compaction again."""


class Intake:
    """Files for `db`, which was opened with `options`, made in `folder` on its disk. Safe for several threads."""

    def __init__(self, db: Rdict, options: Options, folder: Path) -> None:
        self._db, self._options, self._folder = db, options, folder
        self._numbers = count()
        self._turn = threading.Lock()
        self._restores = 0
        self._waiting = False  # compaction is off
        self.crowded = False
        """Level 0 may hold more files than usual, and writes do not wait for that."""
        shutil.rmtree(folder, ignore_errors=True)  # of a process that was killed

    def put(self, keys: Sequence[bytes], values: Sequence[bytes | None]) -> None:
        """All of it or nothing, durably; `keys` rise, a value of None deletes. Raises what rocksdict does."""
        with self._turn:
            if self._restores and not self._waiting:
                self._db.set_options(_WAIT)
                self._waiting = self.crowded = True
        self._folder.mkdir(exist_ok=True)
        path = str(self._folder / f"{next(self._numbers)}.sst")
        file = SstFileWriter(options=self._options)
        file.open(path)
        if None in values:
            for key, value in zip(keys, values, strict=True):
                if value is None:
                    del file[key]
                else:
                    file[key] = value
        else:
            deque(map(file.__setitem__, keys, values), maxlen=0)
        file.finish()
        moved = IngestExternalFileOptions()
        moved.set_move_files(True)
        self._db.ingest_external_file([path], moved)

    @contextmanager
    def restoring(self) -> Iterator[None]:
        """Nothing is merged before the last of these is over."""
        with self._turn:
            self._restores += 1
        try:
            yield
        finally:
            with self._turn:
                self._restores -= 1
                if self._waiting and not self._restores:
                    self._waiting = False
                    self._db.set_options(_MERGE)

    def settle(self) -> None:
        """Have writes wait for compaction as usual, once it has caught up."""
        with self._turn:
            if not self._waiting and self.waiting_files <= _FEW:
                self.crowded = False
                self._db.set_options(_USUAL)

    @property
    def waiting_files(self) -> int:
        """How many files wait to be merged with those below."""
        return int(self._db.property_value("rocksdb.num-files-at-level0") or 0)
