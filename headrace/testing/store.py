"""The online store of a test: what Redis would hold, as the texts that it would hold."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from headrace.durations import format_instant
from headrace.online.keys import KeySpace
from headrace.online.text import from_text, to_text
from headrace.plan.view import ViewPlan

Hash = dict[str, str]


class Store:
    """Hashes of one view by entity key text."""

    def __init__(self, plan: ViewPlan, project: str) -> None:
        self.plan = plan
        self.space = KeySpace(project, plan.view.name, plan.view.version)
        self.hashes: dict[str, Hash] = {}

    def write(self, online: pl.DataFrame, written_at: int) -> None:
        """Take over a step's emitted rows (`Update.online`)."""
        removed = online.filter(pl.col("_remove"))["_key"]
        for key in removed.to_list():
            self.hashes.pop(key, None)
        kept = online.filter(~pl.col("_remove"))
        texts = {name: to_text(kept[name], t).to_list() for name, t in self.plan.feature_types.items()}
        for name in ("_event_time", "_as_of"):
            texts[name] = [format_instant(at) for at in kept[name].to_list()]
        texts["_written_at"] = [format_instant(written_at)] * len(kept)
        for i, key in enumerate(kept["_key"].to_list()):
            self.hashes[key] = {name: column[i] for name, column in texts.items() if column[i] is not None}

    def read(self, key: str) -> dict[str, object]:
        """The features of an entity as Python values, None for null; those over no events if it is not there."""
        found: Mapping[str, str] | None = self.hashes.get(key)
        if found is None:
            empty = self.plan.over_no_events
            texts = {n: to_text(empty[n], t)[0] for n, t in self.plan.feature_types.items()}
            found = {n: text for n, text in texts.items() if text is not None}
        types = self.plan.feature_types.items()
        return {n: from_text(found[n], t) if n in found else None for n, t in types}

    def redis(self) -> dict[str, Hash]:
        """The hashes by their Redis keys."""
        return {self.space.redis_key(key): dict(fields) for key, fields in self.hashes.items()}
