"""One session level's step: the sessions of new rows meet the stored ones, merge, are read, and are let go.

A session is a cell whose first slot is its `Extent`; an entity's sessions are numbered ..., -2, -1 in the order of
time. Formed by all events of the view that count for sessions; an aggregate's own filter selects inside.
"""

from __future__ import annotations

import numpy as np

from headrace.aggregates.partials import Bools, Ints, Partials
from headrace.panes.cells import Cells, combined, joined, none_of, starts_of
from headrace.panes.intervals import begins, reached
from headrace.panes.levels import Level
from headrace.panes.reading import View
from headrace.panes.runs import Moved
from headrace.windows import FOREVER, Window


def kept_for(level: Level) -> int:
    """How long a session may still be merged with, in microseconds of record timestamps after its last event.

    An event counts if it is at most gap + lateness older than its record, and reaches a session less than a gap
    before it; record timestamps may themselves go back by the lateness.
    """
    return 2 * (level.gap + level.lateness)


def move_sessions(level: Level, new: Cells, stored: Cells, t: Ints, reset: Bools, recorded: Ints) -> Moved:
    """Merge `new` sessions into the stored ones as of `t` of each entity.

    Entities of `reset` lose what is stored. `recorded` is a record timestamp for each entity: those of events still to
    come are, but for the lateness, not earlier.
    """
    both = joined([stored.take(~reset[stored.entity]), new])
    order = np.lexsort((_first(both), both.entity))
    both = both.take(order)
    new_run = begins(both.entity, _first(both), reached(both.entity, _last(both)), level.gap)
    sessions = combined(both, np.cumsum(new_run))

    last, due = _last(sessions), t[sessions.entity]
    useful = np.zeros(len(sessions), "?")
    mergeable = last > recorded[sessions.entity] - kept_for(level)
    for window in level.windows:
        useful |= _shown(level, window, sessions, t)
        if window.closed:
            useful |= last + (level.gap + level.lateness) > due
            # A late event may open again, or merge, all that are mergeable: the one before them is then the last.
            settled = np.flatnonzero(~mergeable)
            useful[settled[_newest(sessions.entity[settled])]] = True
    live = useful | mergeable
    waiting = mergeable & ~useful
    wake = np.full(len(t), FOREVER)
    age = due - last
    looked_at = np.where(
        age < kept_for(level), last + kept_for(level), due + np.maximum(kept_for(level), age)
    )
    np.minimum.at(wake, sessions.entity[waiting], looked_at[waiting])
    kept = _numbered(sessions.take(live))
    none, no_ints = none_of(level.shape), np.zeros(0, "i8")
    return Moved(kept, none, np.zeros(0, "?"), kept.stack, kept, none, (no_ints, no_ints), wake)


def read_sessions(level: Level, window: Window, moved: Moved, t: Ints) -> View:
    """The session of each entity that the window shows as of `t`, and when that changes by itself."""
    sessions = moved.panes
    change = np.full(len(t), FOREVER)
    shown = sessions.take(_shown(level, window, sessions, t))
    if not window.closed:
        change[shown.entity] = _last(shown) + level.gap
        return View(shown, change)
    ends = _last(sessions) + (level.gap + level.lateness)
    pending = ends > t[sessions.entity]
    np.minimum.at(change, sessions.entity[pending], ends[pending])
    return View(shown, change)


def _shown(level: Level, window: Window, sessions: Cells, t: Ints) -> Bools:
    """Of each entity the newest session, unless it is over; or (closed) the newest that has ended for good."""
    last, now = _last(sessions), t[sessions.entity]
    shown = np.zeros(len(sessions), "?")
    if window.closed:
        ended = np.flatnonzero(last + (level.gap + level.lateness) <= now)
        shown[ended[_newest(sessions.entity[ended])]] = True
        return shown
    shown[_newest(sessions.entity)] = True
    return shown & (last > now - level.gap)


def _newest(entity: Ints) -> Ints:
    """Where each entity's last cell is."""
    starts = starts_of(entity)
    return np.append(starts[1:], len(entity)) - 1 if len(starts) else starts


def _numbered(sessions: Cells) -> Cells:
    """Numbered -1 for the newest, and so on back."""
    starts = starts_of(sessions.entity)
    count = np.diff(starts, append=len(sessions))
    index = np.arange(len(sessions)) - np.repeat(starts + count, count)
    return Cells(sessions.entity, index, sessions.stack)


def _extent(sessions: Cells) -> Partials:
    return sessions.stack.slot(0)


def _first(sessions: Cells) -> Ints:
    words: Ints = _extent(sessions).words[0]
    return words


def _last(sessions: Cells) -> Ints:
    words: Ints = _extent(sessions).words[1]
    return words
