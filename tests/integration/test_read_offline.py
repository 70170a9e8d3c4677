"""`read(store="offline")`: the newest instant that was materialised, or history as of now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

import headrace as hr
from headrace.errors import StateError, UsageError
from headrace.settings import load_settings
from tests.integration.shop import FEATURES, T0, append, configured, table

HIDDEN = (
    'hidden = hr.FeatureView("hidden", entity=user, source=pay, offline=False, features={"last": "amount"})\n'
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[hr.FeatureStore]:
    """A hundred events, an hour apart, of u0, u1 and u2; now is ten days after the first."""
    clock = '[engine]\nclock = "2026-01-11T00:00:00Z"\n'
    with hr.FeatureStore(configured(tmp_path, FEATURES + HIDDEN, more=clock)) as opened:
        append(table(opened, f"{tmp_path}/lake/shop/sources/pay"), 0, 100)
        yield opened


def micros(days: int) -> int:
    return int((T0 + timedelta(days=days)).timestamp() * 1e6)


def test_a_view_that_was_never_materialised_is_computed_as_of_now(store: hr.FeatureStore) -> None:
    spine = [{"user": u, "timestamp": T0 + timedelta(days=10)} for u in ("u2", "u0")]
    wanted = store.training_set(spine, "spend").select("spent_7d", "last", "paid_ever").to_dicts()
    got = store.read("spend", ["u2", "nobody", {"user": "u0"}], store="offline")
    unseen = {"user": "nobody", "spent_7d": 0.0, "last": None, "paid_ever": 0, "_status": "missing"}
    unwritten = {"_event_time": None, "_written_at": None}
    assert got == [
        {"user": "u2", **wanted[0], "_status": "found", "_as_of": micros(10), **unwritten},
        {**unseen, "_as_of": None, **unwritten},
        {"user": "u0", **wanted[1], "_status": "found", "_as_of": micros(10), **unwritten},
    ]


def test_the_newest_instant_that_was_materialised_is_read(store: hr.FeatureStore) -> None:
    store.materialize("spend", T0 + timedelta(days=1), T0 + timedelta(days=3), "1d").wait(120)
    store.materialize("spend", T0 + timedelta(days=2), T0 + timedelta(days=2), "1d").wait(120)
    (got,) = store.online("spend@1", ["u1"], ["paid_ever"], store="offline")
    assert (got.values, got.as_of, got.status) == ({"paid_ever": 24}, micros(3), "found")


async def test_the_async_twin_reads_the_same(store: hr.FeatureStore) -> None:
    keys = ["u0", "u9"]
    assert await store.aread("spend", keys, "offline") == store.read("spend", keys, "offline")


def test_what_cannot_be_read_is_told(store: hr.FeatureStore, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"view `hidden@1` is not offline \(offline=False\)"):
        store.read("hidden", ["u0"], store="offline")
    with pytest.raises(
        UsageError, match="no store `cold` to read from: use store='online' or store='offline'"
    ):
        store.read("spend", ["u0"], store="cold")  # type: ignore[arg-type]
    elsewhere = load_settings(tmp_path / "config", {"HEADRACE_HISTORY__URI": "elsewhere"})
    with (
        hr.FeatureStore(tmp_path / "config", settings=elsewhere) as empty,
        pytest.raises(StateError, match="source `pay` has no history"),
    ):
        empty.read("spend", ["u0"], store="offline")
