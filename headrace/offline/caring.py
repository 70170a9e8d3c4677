"""Care for tables: of a source's history what its retention lets go, files in order of the entity's key, old versions
cleaned; of a view's values files joined and old versions cleaned.

Owns the order of these and which key it is. Refuses to say when.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from headrace.definitions import FeatureView, StreamSource
from headrace.history.access import options_of
from headrace.history.account import writer_of
from headrace.history.ordering import put_in_order
from headrace.history.retention import retire
from headrace.history.storage import Options, table_uri, view_uri
from headrace.history.table import TARGET_FILE_SIZE
from headrace.history.upkeep import compact, is_kept, vacuum
from headrace.project import Project
from headrace.settings import Settings

KEEP_HOURS = 30 * 24
"""How long older versions stay readable: as long as the table's log has them."""


@dataclass(frozen=True)
class Cared:
    """What was done for a source or a view: events taken out, files before and after, files of old versions deleted."""

    name: str
    retired: int
    files_before: int
    files_after: int
    deleted: int

    def told(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    def __bool__(self) -> bool:
        return bool(self.retired or self.files_before or self.deleted)


def care(project: Project, settings: Settings, source: StreamSource, now: int) -> Cared | None:
    """Care for a source's history as of `now` (microseconds); None if there is none. UnavailableError, StateError."""
    uri, options = table_uri(settings.history.uri, settings.project, source.name), options_of(settings)
    if not is_kept(uri, options):
        return None
    gone = let_go(settings, source, uri, options, now)
    before, after = in_order(project, source, uri, options)
    return Cared(source.name, gone, before, after, len(vacuum(uri, options, hours=KEEP_HOURS)))


def care_for_values(settings: Settings, view: FeatureView, now: int) -> Cared | None:
    """Care for the table of a view's values; None if there is none. UnavailableError, StateError.

    Each instant was written as files of its own: those of a date are joined once it is over, so that what is still
    being written is left alone.
    """
    uri, options = view_uri(settings.history.uri, settings.project, view.id), options_of(settings)
    if not is_kept(uri, options):
        return None
    before, after = compact(uri, options, until=first_kept(0, now))
    return Cared(view.id, 0, before, after, len(vacuum(uri, options, hours=KEEP_HOURS)))


def let_go(settings: Settings, source: StreamSource, uri: str, options: Options, now: int) -> int:
    """Take out what is older than the source's ``retention=``; how many events."""
    if source.retention is None:
        return 0
    return retire(uri, writer_of(settings.project, source.name), first_kept(source.retention, now), options)


def first_kept(retention: int, now: int) -> date:
    """The first date that is kept whole: of which at least some is not older than `retention`."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=now - retention)).date()


def in_order(
    project: Project, source: StreamSource, uri: str, options: Options, target_size: int = TARGET_FILE_SIZE
) -> tuple[int, int]:
    """Join and order the source's files by its views' key: (files removed, files added)."""
    by = key_of(project, source)
    if by is None:
        return compact(uri, options, target_size=target_size)
    return put_in_order(uri, by, options, target_size=target_size)


def key_of(project: Project, source: StreamSource) -> str | None:
    """The column that most of the source's views have as their entity's first key; without views the topic's key."""
    plans = [project.plan(v) for v in project.views.values() if v.source is source]
    keys = Counter(next(iter(p.view.entity.keys)) for p in plans if p.projection.plain_keys)
    return keys.most_common(1)[0][0] if keys else source.key
