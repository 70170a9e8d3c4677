"""What of a flush is an update, who publishes, and where derived views get their events."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

import headrace as hr
from agents.publishing import changed, publishers
from agents.stages import SourceStage, source_stages
from headrace.avro import AvroSchema
from headrace.definitions import UpdateSource
from headrace.errors import StateError
from headrace.panes import REPUBLISH
from tests.definitions.cases import write_config
from tests.panes.harness import timers

DERIVED = """
regular = hr.FeatureView("regular", entity=customer, source=spend, features={"m": hr.max("spend_48h", over="7d")})
lands = hr.Entity("land", keys={"last_country": hr.String})
by_land = hr.FeatureView("by_land", entity=lands, source=regular, columns={"last_country": "concat('x', m)"},
                         features={"n": hr.count(over="7d")})
"""
SECOND = """
other = hr.FeatureView("spend", version=2, entity=customer, source=payments, publish=True,
                       features={"n": hr.count(over="7d")})
"""


def stages(folder: Path, body: str) -> tuple[SourceStage, ...]:
    return source_stages(hr.load(write_config(folder / "config", body)), "shop", clock="event", resolve=None)


def test_what_is_only_written_again_is_no_update() -> None:
    online = pl.DataFrame({"_key": ["ann", "bob", "cy"], "n": [1, 2, 3]})
    again = timers((REPUBLISH, b"ann"), (REPUBLISH, b"cy"), (17, b"bob"))
    assert changed(online, pl.Series(["cy"]), again)["_key"].to_list() == ["bob", "cy"]
    assert changed(online, pl.Series([], dtype=pl.String), again)["_key"].to_list() == ["bob"]
    assert changed(online, pl.Series([], dtype=pl.String), timers((17, b"bob")))["_key"].to_list() == [
        "ann",
        "bob",
        "cy",
    ]


def test_a_derived_view_reads_the_updates_of_the_view_below(tmp_path: Path) -> None:
    below, middle, above = stages(tmp_path, DERIVED)
    assert [v.id for v in below.views] == ["spend@1"]
    assert below.views[0].updates == "headrace.shop.view.spend"
    assert (middle.source.topics, [v.id for v in middle.local]) == (
        ("headrace.shop.view.spend",),
        ["regular@1"],
    )
    assert (above.source.topics, [v.id for v in above.shuffled]) == (
        ("headrace.shop.view.regular",),
        ["by_land@1"],
    )
    assert above.views[0].updates is None
    assert isinstance(above.source, UpdateSource)
    assert above.source.start == "earliest"


def test_a_view_publishes_if_another_needs_it(tmp_path: Path) -> None:
    found = publishers((v for s in stages(tmp_path, DERIVED) for v in s.views), "shop", None)
    assert sorted(found) == ["regular@1", "spend@1"]


def test_two_versions_on_one_topic_need_a_registry(tmp_path: Path) -> None:
    views = [v for s in stages(tmp_path, DERIVED + SECOND) for v in s.views]
    with pytest.raises(
        StateError, match=r"spend@1 and spend@2 publish on one topic|spend@2 and spend@1 publish"
    ):
        publishers(views, "shop", None)
    subjects: list[str] = []

    def register(subject: str, schema: AvroSchema) -> int:
        subjects.append(subject)
        return len(subjects)

    assert {"spend@1", "spend@2"} < set(publishers(views, "shop", register))
    assert subjects.count("headrace.shop.view.spend-value") == 2
