"""Sorting events by entity, time and order, whatever order they come in."""

from __future__ import annotations

import numpy as np
import pytest

from headrace.offline.timeline import sorted_timeline


@pytest.mark.parametrize("entities", [6, 1 << 17])
@pytest.mark.parametrize("seed", range(20))
def test_events_stand_by_entity_time_and_order(seed: int, entities: int) -> None:
    random = np.random.default_rng(seed)
    n = int(random.integers(1, 60))
    entity = random.integers(0, 5, n).astype("u4")
    time, order = random.integers(0, 8, n), random.permutation(n)

    timeline, by = sorted_timeline(entity, time, order, entities)

    wanted = sorted(range(n), key=lambda i: (entity[i], time[i], order[i]))
    assert timeline.time.tolist() == time[wanted].tolist()
    assert timeline.order.tolist() == order[wanted].tolist()
    assert (np.arange(n) if by is None else by).tolist() == wanted


def test_a_bound_is_found_among_the_entitys_own_events() -> None:
    timeline, _ = sorted_timeline(np.array([0, 0, 2, 2, 2]), np.array([5, 9, 1, 5, 7]), np.arange(5), 4)
    entity, instant = np.array([0, 0, 1, 2, 2, 3]), np.array([9, 100, 5, -3, 6, 0])
    assert timeline.before(entity, instant).tolist() == [1, 2, 2, 2, 4, 5]
