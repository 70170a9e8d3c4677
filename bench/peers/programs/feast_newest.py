# mypy: disable-error-code="import-not-found"
"""What Feast's local offline store can express of a training set: the newest event's columns as of each row.

    feast_newest.py SPINE.parquet EVENTS.parquet OUT.parquet

Windows it cannot express: their values would have to be computed before, by something else. Prints one line of JSON.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource
from feast.infra.offline_stores.duckdb import DuckDBOfflineStoreConfig
from feast.repo_config import RepoConfig
from feast.types import Float64, Int32
from feast.value_type import ValueType


def main(spine: str, events: str, out: str) -> None:
    """Run and print."""
    with tempfile.TemporaryDirectory() as folder:
        config = RepoConfig(
            project="bench",
            provider="local",
            registry=f"{folder}/registry.db",
            offline_store=DuckDBOfflineStoreConfig(),
            entity_key_serialization_version=3,
        )
        store = FeatureStore(config=config)
        user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
        source = FileSource(name="payments", path=events, timestamp_field="paid_at")
        view = FeatureView(
            name="newest",
            entities=[user],
            ttl=timedelta(days=30),
            schema=[Field(name="amount", dtype=Float64), Field(name="merchant", dtype=Int32)],
            source=source,
        )
        store.apply([user, source, view])
        rows = pd.read_parquet(spine).rename(columns={"timestamp": "event_timestamp"})
        before, begin = os.times(), time.perf_counter()
        made = store.get_historical_features(rows, ["newest:amount", "newest:merchant"]).to_df()
        made.to_parquet(out)
        wall, after = time.perf_counter() - begin, os.times()
    cpu = after.user + after.system - before.user - before.system
    peak = int(re.findall(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[0]) / 1024
    print(json.dumps({"wall": wall, "cpu": cpu, "peak": peak, "rows": len(made)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
