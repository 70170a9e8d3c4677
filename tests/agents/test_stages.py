"""What a worker computes of a project, and what is told of it beside the workers."""

from __future__ import annotations

from pathlib import Path

import pytest

import headrace as hr
from agents.stages import source_stages, stages_of
from headrace.errors import UsageError
from tests.definitions.cases import write_config

FRAMED = """
SCHEMA = {"type": "record", "name": "E", "fields": [{"name": "card", "type": "string"},
          {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}}]}
card = hr.Entity("card", keys={"card": hr.String})
framed = hr.StreamSource("framed", topics=["framed"], schema=SCHEMA, framing="registry", timestamp="at", key="card")
by_card = hr.FeatureView("by_card", entity=card, source=framed, features={"n": hr.count(over=hr.lifetime())})
stored = hr.FeatureView("stored", entity=card, source=framed, online=False, features={"n": hr.count(over="7d")})
"""


@pytest.fixture
def project(tmp_path: Path) -> hr.Project:
    return hr.load(write_config(tmp_path / "config", FRAMED))


def test_a_view_is_looked_at_without_the_registry_that_its_source_needs(project: hr.Project) -> None:
    stage, view = stages_of(project, "shop", "by_card@1", clock="wall")
    assert (stage.source.name, view.changelog) == ("framed", "headrace.shop.changelog.by_card.1")
    with pytest.raises(UsageError, match="needs a registry"):
        source_stages(project, "shop", clock="wall", resolve=None)


def test_a_view_that_workers_do_not_keep_has_no_stages(project: hr.Project) -> None:
    with pytest.raises(UsageError, match="`stored@1` is not kept online"):
        stages_of(project, "shop", "stored@1", clock="wall")
