"""The comparison of values with Feast's, which come in an order and a unit of time of their own."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from bench.training_feast import compared


def test_rows_are_compared_by_key_and_instant_and_those_that_differ_counted(tmp_path: Path) -> None:
    at = pl.Series([3_000, 1_000, 2_000]).cast(pl.Datetime("us", "UTC"))
    ours = pl.DataFrame(
        {"user_id": [1, 2, 2], "timestamp": at, "amount": [1.5, None, 2.5], "merchant": [7, None, 8]}
    )
    theirs = ours.reverse().select(
        "user_id",
        pl.col("timestamp").dt.cast_time_unit("ns").dt.replace_time_zone(None).alias("event_timestamp"),
        "amount",
        pl.col("merchant").cast(pl.Float64),
    )
    ours.write_parquet(tmp_path / "ours")
    theirs.write_parquet(tmp_path / "theirs")
    assert compared(tmp_path / "ours", tmp_path / "theirs") == "equal"
    theirs.with_columns(pl.col("amount").fill_null(0.0)).write_parquet(tmp_path / "other")
    assert compared(tmp_path / "ours", tmp_path / "other") == "differ: 1 rows"
    theirs[:2].write_parquet(tmp_path / "fewer")
    assert compared(tmp_path / "ours", tmp_path / "fewer") == "differ: 3 and 2 rows"
