"""A double of rocksdict: what survives a crash is a prefix of the writes that went past the write-ahead log.

Stands where `tables.store` has `Rdict` and `WriteBatch`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tests.model.process import Process

Op = tuple[bytes, bytes | None]


class RecordedBatch:
    """In place of `rocksdict.WriteBatch`."""

    def __init__(self, raw_mode: bool = False) -> None:
        self.ops: list[Op] = []

    def put(self, key: bytes, value: bytes) -> None:
        self.ops.append((key, value))

    def delete(self, key: bytes) -> None:
        self.ops.append((key, None))


class Disk:
    """A state folder. `data`: what a reader sees now."""

    def __init__(self) -> None:
        self.data: dict[bytes, bytes] = {}
        self._base: dict[bytes, bytes] = {}
        self._since: list[tuple[bool, list[Op]]] = []
        self.owner: Process | None = None

    def apply(self, logged: bool, ops: list[Op]) -> None:
        self._since.append((logged, ops))
        _apply(self.data, ops)

    @property
    def unsure(self) -> int:
        """How many of the last writes a crash may lose."""
        return sum(not logged for logged, _ in self._since)

    def crash(self, lost: int) -> None:
        """The machine forgets the last `lost` writes that are in no write-ahead log."""
        kept = self.unsure - lost
        for logged, ops in self._since:
            if not logged:
                kept -= 1
            if logged or kept >= 0:
                _apply(self._base, ops)
        self._since.clear()
        self.data = dict(self._base)
        self.owner = None

    def close(self) -> None:
        self._base, self.owner = dict(self.data), None
        self._since.clear()


def _apply(data: dict[bytes, bytes], ops: Sequence[Op]) -> None:
    for key, value in ops:
        if value is None:
            data.pop(key, None)
        else:
            data[key] = value


class MemoryDb:
    """In place of `rocksdict.Rdict`, opened by a process."""

    def __init__(self, disk: Disk, process: Process) -> None:
        if disk.owner is not None:
            raise Exception("lock: the folder is in use")
        self._disk = disk
        self._process = process
        disk.owner = process

    def get(self, key: Any) -> Any:
        if isinstance(key, list):
            return [self._disk.data.get(k) for k in key]
        return self._disk.data.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        self._disk.apply(True, [(key, value)])

    def write(self, batch: RecordedBatch, options: Any) -> None:
        self._process.call_sync("disk.write", lambda: self._disk.apply(not options.disable_wal, batch.ops))

    def delete_range(self, start: bytes, end: bytes) -> None:
        self._disk.apply(True, [(k, None) for k in self._disk.data if start <= k < end])

    def items(self, *, from_key: bytes) -> Iterator[tuple[bytes, bytes]]:
        return iter(sorted(item for item in self._disk.data.items() if item[0] >= from_key))

    def iter(self) -> Cursor:
        return Cursor(self._disk.data)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self._disk.close()


class Cursor:
    """Over a snapshot, in key order."""

    def __init__(self, data: dict[bytes, bytes]) -> None:
        self._items = sorted(data.items())
        self._at = 0

    def seek(self, key: bytes) -> None:
        self._at = next((i for i, (k, _) in enumerate(self._items) if k >= key), len(self._items))

    def valid(self) -> bool:
        return self._at < len(self._items)

    def key(self) -> bytes:
        return self._items[self._at][0]

    def value(self) -> bytes:
        return self._items[self._at][1]

    def next(self) -> None:
        self._at += 1
