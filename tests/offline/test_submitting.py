"""What cannot be backfilled is said before anything is done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import headrace as hr
from headrace.errors import UsageError
from tests.integration.test_training_set import FEATURES


@pytest.fixture
def store(tmp_path: Path) -> Iterator[hr.FeatureStore]:
    (tmp_path / "config" / "features").mkdir(parents=True)
    (tmp_path / "config" / "features" / "spend.py").write_text(FEATURES)
    (tmp_path / "config" / "headrace.toml").write_text(
        'project = "shop"\n[kafka]\nbootstrap = "embedded"\n[history]\nuri = "lake"\n[state]\ndir = "state"\n'
    )
    with hr.FeatureStore(tmp_path / "config") as opened:
        yield opened


def test_a_view_that_declares_no_beginning_needs_one(store: hr.FeatureStore) -> None:
    with pytest.raises(UsageError, match=r"from when\? `spend@1` declares no backfill="):
        store.backfill("spend")


def test_an_instant_that_is_none_and_a_limit_of_nothing_are_refused(store: hr.FeatureStore) -> None:
    with pytest.raises(UsageError, match="an instant is ISO 8601"):
        store.backfill("spend", "yesterday")
    with pytest.raises(UsageError, match="a limit is a number of entities a second, not 0"):
        store.backfill("spend", "2026-01-01", limit=0)


def test_an_embedded_broker_has_no_changelog_to_write(store: hr.FeatureStore) -> None:
    job = store.backfill("spend", "2026-01-01")
    with pytest.raises(UsageError, match="backfill on a real Kafka"):
        job.wait(60)
    assert job.state == "failed"
