"""Where the cases lie and how they are read: Spark's corpus beside the project, and our own in `cases/`.

Both are run over the same table. The corpus is shared between projects and may be missing in a bare
checkout: then continuous integration fails, and elsewhere the run says loudly what it did not check.
"""

from __future__ import annotations

import json
import os
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from headrace.types import DataType, from_arrow

HERE = Path(__file__).parent
CORPUS = HERE.parents[1] / ".." / "shared" / "cases" / "spark_sql"
MISSING = (
    "Spark's corpus of expressions is not at ../shared/cases/spark_sql beside the project: "
    "its 379 expressions and 40 rejects were NOT checked"
)


def present() -> bool:
    return (CORPUS / "expressions.jsonl").exists()


def required() -> bool:
    return os.environ.get("CI", "").lower() == "true"


def lines(path: Path) -> list[dict[str, Any]]:
    """The cases of a file. A missing one is none, with a warning on the screen."""
    if not path.exists():
        warnings.warn(MISSING, stacklevel=2)
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def expressions() -> list[dict[str, Any]]:
    return lines(CORPUS / "expressions.jsonl") if present() else []


def rejects() -> list[dict[str, Any]]:
    return lines(CORPUS / "rejects.jsonl") if present() else []


def own_cases() -> list[dict[str, Any]]:
    """Our own cases: Spark 3.5.6's answers, by the settings in the corpus's README. A case whose value is the
    same on every row holds it once, as `every`."""
    cases = []
    for path in sorted((HERE / "cases").glob("*.jsonl")):
        if path.name == "rejects.jsonl":
            continue
        for i, case in enumerate(lines(path), 1):
            if "every" in case:
                case["values"] = [case.pop("every")] * table().num_rows
            cases.append({"id": f"own.{path.stem}.{i:03}", **case})
    return cases


def own_rejects() -> list[dict[str, Any]]:
    """Expressions that Spark refuses too (`spark` is its error class), with the reason that we give."""
    return [
        {"id": f"own.reject.{i:03}", **c} for i, c in enumerate(lines(HERE / "cases" / "rejects.jsonl"), 1)
    ]


@cache
def table() -> pa.Table:
    return pq.read_table(HERE / "cases" / "table.parquet")


@cache
def frame() -> pl.DataFrame:
    """The table as a frame, with the positions that random functions read."""
    columns = pl.DataFrame({n: pl.Series(_plain(table()[n])).cast(t.polars) for n, t in schema().items()})
    at = pl.int_range(pl.len(), dtype=pl.Int64)
    return columns.with_columns(_topic=pl.lit("t"), _partition=pl.lit(0, pl.Int32), _offset=at)


def _plain(column: pa.ChunkedArray) -> pl.Series:
    if pa.types.is_map(column.type):
        pair = pa.struct([("key", column.type.key_type), ("value", column.type.item_type)])
        column = column.cast(pa.list_(pair))
    return pl.Series(pl.from_arrow(column))


@cache
def schema() -> dict[str, DataType]:
    return {f.name: from_arrow(f.type) for f in table().schema}


def unsupported() -> dict[str, str]:
    """Ids of the corpus's cases that do not work yet, each with its reason (unsupported.txt)."""
    rows = (HERE / "unsupported.txt").read_text(encoding="utf-8").splitlines()
    pairs = (row.split(maxsplit=1) for row in rows if row.strip() and not row.startswith("#"))
    return {p[0]: p[1] if len(p) > 1 else "" for p in pairs}
