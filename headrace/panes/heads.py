"""Head records: of each entity its T, its newest event, its timer, and the cells it needs at every flush.

Key ``h`` + entity text. Words: tag, T, newest event time, oldest event time since the ttl last ended,
scheduled timer (NEVER if none), then for each level ``summaries << 32 | panes``; then for each level its
summaries and its panes, marked by how many runs (panes) they lie before the one that T is in. Key ``t`` +
level + entity text + run: a tail record, the panes of an older run of that entity: tag, count, panes marked
from the run's first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from zlib import crc32

import numpy as np
import polars as pl

from headrace.aggregates.partials import Bools, Ints
from headrace.errors import StateError
from headrace.panes.cells import Cells, none_of
from headrace.panes.levels import Level
from headrace.panes.records import Records, Section, pack

NEVER = 2**63 - 1
UNKNOWN = -(2**63)  # the T and times of an entity without a record

VERSION = 1
HEAD = b"h"
"""What the state key of a head record begins with."""
_FIXED = 5  # header words before the levels'
_RUN = Struct(">Q")
_SIGN = 1 << 63


@dataclass(frozen=True)
class Heads:
    """The head state of a flush's entities. `known`: which have a record; `panes`, `summaries`: cells by
    level.
    """

    known: Ints
    t: Ints
    newest: Ints
    oldest: Ints
    timer: Ints
    panes: tuple[Cells, ...]
    summaries: tuple[Cells, ...]

    def only(self, active: Bools) -> Heads:
        """The heads of the active entities alone, numbered anew."""
        number = np.cumsum(active) - 1

        def some(cells: Cells) -> Cells:
            kept = cells.take(active[cells.entity])
            return Cells(number[kept.entity], kept.index, kept.stack)

        return Heads(
            number[self.known[active[self.known]]],
            self.t[active],
            self.newest[active],
            self.oldest[active],
            self.timer[active],
            tuple(map(some, self.panes)),
            tuple(map(some, self.summaries)),
        )


class Layout:
    """How the records of one view are written: its levels and a tag that changes with them."""

    def __init__(self, levels: Sequence[Level]) -> None:
        self.levels = tuple(levels)
        self.shapes = tuple(level.shape for level in levels)
        text = "; ".join(
            f"{_named(lv)}: " + ", ".join(f"{s.algebra.layout} {s.input}" for s in lv.slots) for lv in levels
        )
        self.tag = (crc32(text.encode()) << 8) | VERSION
        self.width = _FIXED + len(self.levels)

    def decode_heads(self, values: Sequence[bytes | None]) -> Heads:
        """The head state of entities 0 to len(values); StateError for a value of another layout."""
        n = len(values)
        known = np.fromiter((i for i, v in enumerate(values) if v is not None), "i8")
        none = [none_of(shape) for shape in self.shapes]
        t, newest = np.full(n, UNKNOWN), np.full(n, UNKNOWN)
        oldest, timer = np.full(n, UNKNOWN), np.full(n, NEVER)
        if len(known) == 0:
            return Heads(known, t, newest, oldest, timer, tuple(none), tuple(none))
        records = Records([v for v in values if v is not None])
        self._check(records.header(0))
        for i, column in enumerate((t, newest, oldest, timer)):
            column[known] = records.header(1 + i)
        counts = []
        for i in range(len(self.levels)):
            both = records.header(_FIXED + i)
            counts += [both >> 32, both & (2**32 - 1)]
        sections = records.sections(self.width, [s for s in self.shapes for _ in (0, 1)], counts)
        panes, summaries = [], []
        for i, level in enumerate(self.levels):
            upper, lower = sections[2 * i], sections[2 * i + 1]
            base = level.index_of(t[known])
            summaries.append(_cells(upper, known, base // level.run if level.run else base))
            panes.append(_cells(lower, known, base))
        return Heads(known, t, newest, oldest, timer, tuple(panes), tuple(summaries))

    def encode_heads(self, heads: Heads) -> list[bytes]:
        """A value for each entity of `known`, in that order; the cells are of those entities alone."""
        known, n = heads.known, len(heads.known)
        number = np.zeros(len(heads.t), "i8")
        number[known] = np.arange(n)
        headers = np.empty((n, self.width), "i8")
        headers[:, 0] = self.tag
        for i, column in enumerate((heads.t, heads.newest, heads.oldest, heads.timer)):
            headers[:, 1 + i] = column[known]
        sections = []
        for i, level in enumerate(self.levels):
            base = level.index_of(heads.t)
            upper, lower = heads.summaries[i], heads.panes[i]
            counts = [np.bincount(number[c.entity], minlength=n) for c in (upper, lower)]
            headers[:, _FIXED + i] = (counts[0] << 32) | counts[1]
            for cells, from_ in ((upper, base // level.run if level.run else base), (lower, base)):
                record = number[cells.entity]
                sections.append(Section(record, from_[cells.entity] - cells.index, cells.stack))
        return pack(headers, sections)

    def decode_tails(self, level: int, values: Sequence[bytes], entity: Ints, run: Ints) -> Cells:
        """The panes of tail records that belong to these entities and runs."""
        shape = self.shapes[level]
        if not values:
            return none_of(shape)
        records = Records(values)
        self._check(records.header(0))
        section = records.sections(2, [shape], [records.header(1)])[0]
        first = run * self.levels[level].run
        return Cells(entity[section.record], first[section.record] + section.mark, section.stack)

    def encode_tails(self, level: int, cells: Cells, starts: Ints) -> list[bytes]:
        """A value for each group of panes of one run, which begin at `starts`."""
        count = np.diff(starts, append=len(cells))
        record = np.repeat(np.arange(len(starts)), count)
        headers = np.stack([np.full(len(starts), self.tag), count], axis=1)
        mark = cells.index % self.levels[level].run
        return pack(headers, [Section(record, mark, cells.stack)])

    def timers(self, values: pl.Series) -> pl.Series:
        """The scheduled timer of each head value of a Binary series; NEVER for none."""
        words = pl.DataFrame({"value": values}).select(tag=_word(0), timer=_word(_FIXED - 1))
        self._check(words["tag"].to_numpy())
        return words["timer"]

    def _check(self, tags: Ints) -> None:
        wrong = tags != self.tag
        if wrong.any():
            got = int(tags[wrong][0])
            raise StateError(
                f"the state of this view has another layout: expected tag {self.tag:#x}, got {got:#x}. "
                "Another definition or an older release wrote it: give the view a new version, or delete it"
            )


def _word(number: int) -> pl.Expr:
    """A header word of the records in column `value`."""
    word = pl.col("value").bin.slice(8 * number, 8)
    return word.bin.reinterpret(dtype=pl.Int64, endianness="little")


def _named(level: Level) -> str:
    return f"sessions {level.gap}" if level.gap else f"{level.step}+{level.offset}/{level.run}"


def _cells(section: Section, known: Ints, base: Ints) -> Cells:
    return Cells(known[section.record], base[section.record] - section.mark, section.stack)


def head_keys(keys: pl.Series) -> list[bytes]:
    """The state keys of the head records of entities, by their texts."""
    return list(map(HEAD.__add__, keys.cast(pl.Binary).to_list()))


def tail_keys(level: int, keys: Sequence[bytes], runs: Sequence[int]) -> list[bytes]:
    """The state keys of tail records; `keys` are entities' texts."""
    prefix = b"t" + bytes([level])
    return [prefix + key + _RUN.pack(run + _SIGN) for key, run in zip(keys, runs, strict=True)]


def entity_of(key: bytes) -> bytes | None:
    """The entity's text in the key of a head record; None for any other record."""
    return key[1:] if key[:1] == HEAD else None
