"""The Parquet files behind a batch source: which there are, and what has come since they were read before.

A file is told from another by its path, its size and the time of its last change. Refuses to read them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from fnmatch import fnmatchcase
from glob import glob, has_magic
from pathlib import Path
from typing import TypeAlias

from pyarrow import fs

from headrace.errors import StateError
from headrace.history.files import s3
from headrace.history.storage import Options

Files: TypeAlias = Mapping[str, str]
"""Paths, in order, each with a stamp of what the file was."""


def files_of(path: str, options: Options) -> Files:
    """The files of a path: a file, a folder with all below it, or a glob; on a local disk, or on S3 as `options`
    (delta-rs's) say. StateError if there are none."""
    found = _remote(path, options) if path.startswith("s3://") else _local(path)
    if not found:
        raise StateError(f"there are no files at {path}: see the path of the batch source")
    return dict(sorted(found.items()))


def digest(files: Files) -> str:
    """A short text that differs where the files do, wherever their folder is."""
    told = "\n".join(f"{p.rpartition('/')[2]} {s}" for p, s in files.items())
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def added(before: Files, now: Files) -> list[str] | None:
    """The files that have come; None if one that was there has changed or is gone."""
    if any(now.get(path) != stamp for path, stamp in before.items()):
        return None
    return [path for path in now if path not in before]


def _local(path: str) -> dict[str, str]:
    if has_magic(path):
        names = glob(path, recursive=True)
    elif Path(path).is_dir():
        names = [str(p) for p in Path(path).rglob("*.parquet")]
    else:
        names = [path]
    stats = {name: Path(name).stat() for name in names if Path(name).is_file()}
    return {name: f"{s.st_size} {s.st_mtime_ns}" for name, s in stats.items()}


def _remote(path: str, options: Options) -> dict[str, str]:
    pattern = path.removeprefix("s3://").rstrip("/")
    fixed = "/".join(pattern.split("*", 1)[0].split("/")[:-1]) if "*" in pattern else pattern
    store = s3(options)
    here = store.get_file_info(fixed)
    if here.type == fs.FileType.File:
        infos = [here]
    else:
        infos = store.get_file_info(fs.FileSelector(fixed, allow_not_found=True, recursive=True))
    wanted = pattern if "*" in pattern else f"{pattern}/*.parquet"
    return {
        f"s3://{i.path}": f"{i.size} {i.mtime_ns}"
        for i in infos
        if i.type == fs.FileType.File and (i.path == pattern or fnmatchcase(i.path, wanted))
    }
