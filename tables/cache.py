"""A byte-bounded cache of encoded state records: two generations, so that hot ones stay without an LRU list.

A hit in the old generation moves to the young one; when the young one holds half the budget it becomes the
old one and the old one is dropped. Holds values that RocksDB also has: dropping one loses nothing.
Safe for several threads: a flush computes in one while the last one settles in another.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from itertools import islice, repeat
from typing import Any

from tables.sizes import nbytes

_UNKNOWN = object()
_ENTRY = 160  # bytes that a dict slot and two bytes objects cost beside their content


Generation = dict[bytes, dict[bytes, bytes | None]]
"""Records by place and key."""


class RecordCache:
    """Maps a place (a table partition) and a state key to its value, or to None for "known to be absent"."""

    def __init__(self, budget: int) -> None:
        self._half = max(budget // 2, 1)
        self._young: Generation = {}
        self._old: Generation = {}
        self._size = 0
        self._lock = threading.Lock()

    def get_many(self, place: bytes, keys: Sequence[bytes], missing: list[int]) -> list[bytes | None]:
        """Values in the order of `keys`; the positions not known are appended to `missing` (and hold None)."""
        again: dict[bytes, bytes | None] = {}
        with self._lock:
            young, old = self._young.get(place, {}), self._old.get(place, {})
            out: list[Any] = list(map(young.get, keys, repeat(_UNKNOWN)))
            for i in [i for i, found in enumerate(out) if found is _UNKNOWN]:
                value: Any = old.get(keys[i], _UNKNOWN)
                if value is _UNKNOWN:
                    missing.append(i)
                    out[i] = None
                else:
                    out[i] = again[keys[i]] = value
            self._add(place, again)
        return out

    def put_many(self, place: bytes, items: Mapping[bytes, bytes | None], size: int | None = None) -> None:
        """These are the values now; `size`: bytes of keys and values, where that is known."""
        with self._lock:
            self._add(place, items, size)

    def _add(self, place: bytes, items: Mapping[bytes, bytes | None], size: int | None = None) -> None:
        size = _ENTRY * len(items) + (nbytes(items) + nbytes(items.values()) if size is None else size)
        if (
            size > self._half
        ):  # more than a generation holds: what fits of it, and nothing that it may contradict
            fitting = len(items) * self._half // size
            self._young, self._old, self._size = {place: dict(islice(items.items(), fitting))}, {}, self._half
            return
        if self._size + size > self._half:
            self._old, self._young, self._size = self._young, {}, 0
        self._young.setdefault(place, {}).update(items)
        self._size += size

    def discard(self, place: bytes) -> None:
        """Forget every record of a place."""
        with self._lock:
            self._young.pop(place, None)
            self._old.pop(place, None)

    def clear(self) -> None:
        with self._lock:
            self._young, self._old, self._size = {}, {}, 0
