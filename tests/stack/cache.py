"""Where fetched components and the state of a running stack live: outside the tree.

`${XDG_CACHE_HOME:-~/.cache}/headrace`: what is fetched is shared by every checkout; each checkout
has its own running stack.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def cache_root() -> Path:
    """The cache folder, made if it is not there."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    root = Path(base) / "headrace"
    root.mkdir(parents=True, exist_ok=True)
    return root


def checkout_folder() -> Path:
    """The folder of this checkout's running stack: `state.json`, logs, data."""
    name = hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:12]
    folder = cache_root() / "stacks" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on `path` (a file of its own); the kernel drops it if the holder dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
