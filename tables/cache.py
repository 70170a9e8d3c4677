"""A byte-bounded cache of encoded state records: two generations, so that hot ones stay without an LRU list.

A hit in the old generation moves to the young one; when the young one holds half the budget it becomes the
old one and the old one is dropped. Holds values that RocksDB also has: dropping one loses nothing.
Safe for several threads: a flush computes in one while the last one settles in another.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

_UNKNOWN = object()
_ENTRY = 110  # bytes that a dict slot, two bytes objects and a reference cost beside their content


class RecordCache:
    """Maps a full RocksDB key to its value, or to None for "known to be absent"."""

    def __init__(self, budget: int) -> None:
        self._half = max(budget // 2, 1)
        self._young: dict[bytes, bytes | None] = {}
        self._old: dict[bytes, bytes | None] = {}
        self._size = 0
        self._lock = threading.Lock()

    def get_many(self, keys: Sequence[bytes], missing: list[int]) -> list[bytes | None]:
        """Values in the order of `keys`; the positions not known are appended to `missing` (and hold None)."""
        out: list[bytes | None] = []
        append = out.append
        with self._lock:
            for i, key in enumerate(keys):
                value = self._young.get(key, _UNKNOWN)
                if value is _UNKNOWN:
                    value = self._old.get(key, _UNKNOWN)
                    if value is _UNKNOWN:
                        append(None)
                        missing.append(i)
                        continue
                    self._add(key, value)  # type: ignore[arg-type]
                append(value)  # type: ignore[arg-type]
        return out

    def put_many(self, items: Iterable[tuple[bytes, bytes | None]]) -> None:
        with self._lock:
            for key, value in items:
                self._add(key, value)

    def _add(self, key: bytes, value: bytes | None) -> None:
        if self._size >= self._half:
            self._old, self._young, self._size = self._young, {}, 0
        self._young[key] = value
        self._size += _ENTRY + len(key) + (len(value) if value is not None else 0)

    def discard_prefix(self, prefix: bytes) -> None:
        """Forget every record whose key begins with `prefix`."""
        with self._lock:
            for generation in (self._young, self._old):
                for key in [k for k in generation if k.startswith(prefix)]:
                    del generation[key]

    def clear(self) -> None:
        with self._lock:
            self._young, self._old, self._size = {}, {}, 0
