"""Expiry: the end of an entity's ttl, and what of a flush comes before it.

An entity's events hang together as long as consecutive ones are less than the ttl apart; where they are
not, it expired in between and began anew. So only the last such chain counts, and none if it too has ended
at T.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headrace.aggregates.partials import Bools, Ints
from headrace.panes.cells import starts_of
from headrace.panes.grouping import Batch
from headrace.panes.heads import UNKNOWN, Heads
from headrace.panes.intervals import begins, reached


@dataclass(frozen=True)
class Chains:
    """`reset` entities lose their stored state; `counts` says of each sorted row whether it is in the chain.
    `newest` and `oldest` are the chain's ends (UNKNOWN where there is none)."""

    reset: Bools
    counts: Bools
    newest: Ints
    oldest: Ints


def chains(batch: Batch, heads: Heads, t: Ints, ttl: int) -> Chains:
    """The last chain of each entity, of what is stored and of the flush's rows."""
    n = len(batch)
    stored = np.flatnonzero(heads.newest != UNKNOWN)
    entity = np.concatenate([batch.entity, stored])
    first = np.concatenate([batch.rows.time, heads.oldest[stored]])
    last = np.concatenate([batch.rows.time, heads.newest[stored]])
    order = np.lexsort((first, entity))
    entity, first, last = entity[order], first[order], last[order]

    so_far = reached(entity, last)
    new = begins(entity, first, so_far, ttl)
    start = np.maximum.accumulate(np.where(new, np.arange(len(entity)), 0))
    ends = np.append(starts_of(entity)[1:], len(entity)) - 1 if len(entity) else np.zeros(0, "i8")
    chain = np.zeros(n, "i8")
    newest, oldest = np.full(n, UNKNOWN), np.full(n, UNKNOWN)
    chain[entity[ends]] = start[ends]
    newest[entity[ends]] = so_far[ends]
    oldest[entity[ends]] = first[start[ends]]

    over = (newest != UNKNOWN) & (newest + ttl <= t)
    newest[over] = oldest[over] = UNKNOWN
    kept = np.empty(len(entity), "?")
    kept[order] = (np.arange(len(entity)) >= chain[entity]) & ~over[entity]
    reset = np.zeros(n, "?")
    reset[stored] = ~kept[len(batch.entity) :]
    return Chains(reset, kept[: len(batch.entity)], newest, oldest)
