"""`headrace plan`: Python in views is tried, and a change says whether state is kept."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.test_verbs import run
from tests.definitions.cases import write_config

VIEW = """
def {name}(frame):
    import polars as pl
    return frame.with_columns(y={y})

v = hr.FeatureView(
    "v", entity=customer, source=payments, transform=hr.transform({name}, adds={{"y": hr.Float64}}),
    features={{"f": hr.sum("y", over="1h")}},
)
"""


def test_a_transform_that_looks_at_other_rows_fails_the_plan_with_its_place(tmp_path: Path) -> None:
    body = VIEW.format(name="share", y="pl.col('amount') / pl.col('amount').sum()")
    code, _, err = run("plan", "--config", str(write_config(tmp_path / "config", body)))
    assert code == 1
    assert "the transform `share` is not row-wise" in err
    assert "features/wrong.py:7" in err
    assert "use the columns of the row alone" in " ".join(err.replace("│", " ").split())


def test_a_transform_of_one_row_passes(tmp_path: Path) -> None:
    body = VIEW.format(name="half", y="pl.col('amount') / 2")
    assert run("plan", "--config", str(write_config(tmp_path / "config", body)))[0] == 0


def test_a_change_says_which_views_keep_their_state(tmp_path: Path) -> None:
    text = "{n} = hr.FeatureView('{n}', entity=customer, source=payments, features={{'n': {f}}}, description='{d}')\n"
    count, total = "hr.count(over='1h')", "hr.sum('amount', over='1h')"
    before = (
        text.format(n="a", f=count, d="")
        + text.format(n="b", f=count, d="")
        + text.format(n="c", f=count, d="")
    )
    after = (
        text.format(n="a", f=count, d="told")
        + text.format(n="b", f=total, d="")
        + text.format(n="d", f=count, d="")
    )
    was, now = (str(write_config(tmp_path / n, b)) for n, b in (("was", before), ("now", after)))
    code, out, _ = run("plan", "--config", now, "--against", was, "--json")
    assert code == 0
    told = {c["view"]: (c["change"], c["reasons"]) for c in json.loads(out)["changes"]}
    assert told == {
        "a@1": ("keeps its state", []),
        "b@1": ("needs a new version", ["feature n changed"]),
        "c@1": ("gone", []),
        "d@1": ("new", []),
        "spend@1": ("keeps its state", []),
    }
    assert "b@1 needs a new version: feature n changed" in run("plan", "--config", now, "--against", was)[1]


def test_the_plan_and_a_look_at_a_derived_view_tell_what_it_stands_on(tmp_path: Path) -> None:
    body = """
spread = hr.FeatureView("spread", entity=customer, source=spend, features={"most": hr.max("spend_48h", over="7d")})
lands = hr.Entity("land", keys={"last_country": hr.String})
by_land = hr.FeatureView("by_land", entity=lands, source=spend, features={"n": hr.count(over="7d")})
"""
    config = str(write_config(tmp_path / "config", body))
    code, out, _ = run("plan", "--config", config, "--json")
    assert code == 0
    views = {v["name"]: v for v in json.loads(out)["views"]}
    topic = views["spend"]["updates"]
    assert topic.endswith(".view.spend")
    assert {n: v["updates"] for n, v in views.items() if n != "spend"} == {"spread": None, "by_land": None}
    for name, shuffled in (("spread", False), ("by_land", True)):
        assert views[name]["chain"] == ["payments", "spend@1", f"{name}@1"]
        assert views[name]["topics"] == [topic]
        assert views[name]["shuffled"] is shuffled
    assert "payments -> spend@1 -> spread@1" in run("plan", "--config", config)[1]
    assert "payments, spend@1, spread@1" in run("views", "show", "spread", "--config", config)[1]
