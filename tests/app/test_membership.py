"""What a group's assignment forgot is asked for, and no more often than helps."""

from __future__ import annotations

import asyncio
import logging

import pytest

from app.membership import Membership, Partitions

ALL = {("payments", 0), ("payments", 1), ("again", 0)}
WANTED = {"payments": 2, "again": 1}


class Group:
    """A group: its generation, who is assigned what (None: that is not settled), and how often it was joined again."""

    def __init__(self, assigned: Partitions | None) -> None:
        self.assigned = assigned
        self.generation = 1
        self.questions = 0
        self.rejoins = 0
        self.membership = Membership(
            WANTED, assigned=self._assigned, generation=lambda: self.generation, rejoin=self._rejoin
        )

    def _assigned(self) -> Partitions | None:
        self.questions += 1
        return self.assigned

    async def _rejoin(self) -> None:
        self.rejoins += 1
        self.generation += 1

    def look(self, times: int = 1) -> None:
        for _ in range(times):
            asyncio.run(self.membership.look())


def test_a_group_that_reads_everything_is_asked_once_a_generation() -> None:
    group = Group(ALL)
    group.look(3)
    assert (group.questions, group.rejoins) == (1, 0)
    group.generation += 1
    group.look(3)
    assert (group.questions, group.rejoins) == (2, 0)


def test_a_topic_that_nobody_reads_is_asked_for_and_named(caplog: pytest.LogCaptureFixture) -> None:
    group = Group(ALL - {("again", 0)})
    with caplog.at_level(logging.WARNING, "headrace"):
        group.look()
    assert group.rejoins == 1
    assert "nobody reads again[0]: joining the group again" in caplog.text
    group.assigned = ALL
    group.look(10)
    assert group.rejoins == 1


def test_nothing_is_asked_for_while_partitions_are_shared_out() -> None:
    group = Group(None)
    group.look(3)
    assert group.rejoins == 0
    group.assigned = ALL
    group.look()
    assert group.questions == 4


def test_asking_in_vain_is_done_ever_more_seldom() -> None:
    group = Group(set())
    group.look(100)
    assert group.rejoins == 6  # after 0, 3, 8, 17, 34 and 67 looks
