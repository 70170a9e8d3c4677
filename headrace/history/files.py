"""The files that a store has: which a table names and the store has lost, and pyarrow's way to an S3 server.

A listing asks once for each thousand files and lets other threads run meanwhile, which `DeltaTable.repair` does not.
Refuses to read files.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import polars as pl
from deltalake import DeltaTable
from pyarrow import fs

from headrace.history.storage import ATTEMPTS, CONNECTING, SILENT, Options


def lost(table: DeltaTable, uri: str, options: Options) -> list[str]:
    """The paths of files that the version `table` is at names and the store has not, in order.

    Files of other tables (those of a shallow clone are named by their whole address) count as there.
    """
    paths: list[str] = pl.DataFrame(table.get_add_actions(flatten=True))["path"].to_list()
    there = _remote(uri, options) if uri.startswith("s3://") else _local(uri)
    return sorted(p for p in paths if not _is_elsewhere(p) and p not in there and unquote(p) not in there)


def s3(options: Options) -> fs.S3FileSystem:
    """The S3 server that delta-rs's `options` say, with the same patience."""
    endpoint = options.get("AWS_ENDPOINT_URL")
    return fs.S3FileSystem(
        access_key=options.get("AWS_ACCESS_KEY_ID"),
        secret_key=options.get("AWS_SECRET_ACCESS_KEY"),
        session_token=options.get("AWS_SESSION_TOKEN"),
        region=options.get("AWS_REGION"),
        endpoint_override=endpoint.split("://", 1)[-1] if endpoint else None,
        scheme="http" if endpoint and endpoint.startswith("http://") else "https",
        connect_timeout=CONNECTING,
        request_timeout=SILENT,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
    )


def _local(uri: str) -> set[str]:
    folder = Path(uri.removeprefix("file://"))
    return {str(p.relative_to(folder)) for p in folder.rglob("*.parquet")}


def _remote(uri: str, options: Options) -> set[str]:
    folder = uri.removeprefix("s3://").rstrip("/")
    infos = s3(options).get_file_info(fs.FileSelector(folder, allow_not_found=True, recursive=True))
    return {i.path.removeprefix(f"{folder}/") for i in infos if i.type == fs.FileType.File}


def _is_elsewhere(path: str) -> bool:
    return path.startswith("/") or "://" in path
