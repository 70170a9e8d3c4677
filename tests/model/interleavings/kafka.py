"""A flush and its transaction, and a disk that is behind it."""

from __future__ import annotations

from tests.model.interleavings.telling import more, story, take_over, work
from tests.model.worker import Worker
from tests.model.world import World

# -- Kafka: the transaction of a flush


@story
def a_zombie_commits_after_the_hand_over(world: World, a: Worker) -> None:
    more(world, 2)
    world.hold(a, "kafka.commit")
    world.fetch(a)
    world.flush(a)
    b = take_over(world)
    work(world, b)
    world.release(a)
    more(world, 3)
    work(world, b)


@story
def a_zombie_is_between_the_batches_of_its_flush(world: World, a: Worker) -> None:
    more(world, 2)
    world.hold(a, "kafka.send", "before", 4)
    world.fetch(a)
    world.flush(a)
    b = take_over(world)
    world.release(a)
    work(world, b)


@story
def a_zombie_begins_a_flush_after_the_hand_over(world: World, a: Worker) -> None:
    b = take_over(world)
    more(world, 2)
    work(world, b)
    work(world, a)
    more(world, 3)
    work(world, a, b)


@story
def a_worker_dies_between_the_batches_of_its_flush(world: World, a: Worker) -> None:
    more(world, 2)
    world.hold(a, "kafka.send", "after", 5)
    world.fetch(a)
    world.flush(a)
    world.kill(a, lost=3)
    work(world, take_over(world))


@story
def the_acknowledgement_of_a_commit_is_lost(world: World, a: Worker) -> None:
    more(world, 2)
    world.hold(a, "kafka.commit", "after")
    world.fetch(a)
    world.flush(a)
    world.fail(a)
    world.advance(6)
    work(world, a)


@story
def a_commit_fails_and_the_events_are_read_again(world: World, a: Worker) -> None:
    more(world, 2)
    world.hold(a, "kafka.commit")
    world.fetch(a)
    world.flush(a)
    world.fail(a)
    world.advance(6)
    work(world, a)


@story
def the_coordinator_gives_up_a_transaction(world: World, a: Worker) -> None:
    more(world, 2)
    world.hold(a, "kafka.commit")
    world.fetch(a)
    world.flush(a)
    world.time_out_transactions()
    world.release(a)
    world.advance(6)
    work(world, a)


# -- the disk


@story
def the_disk_is_behind_the_changelog(world: World, a: Worker) -> None:
    for n in (2, 3, 4):
        more(world, n)
        work(world, a)
    world.kill(a, lost=3)
    a = world.start(0)
    world.rebalance([a])
    work(world, a)


@story
def a_worker_dies_before_its_disk_has_what_the_changelog_has(world: World, a: Worker) -> None:
    more(world, 2)
    world.hold(a, "disk.write")
    world.fetch(a)
    world.flush(a)
    world.kill(a)
    a = world.start(0)
    world.rebalance([a])
    work(world, a)


@story
def a_worker_dies_in_the_middle_of_a_restore(world: World, a: Worker) -> None:
    for n in (2, 3, 4):
        more(world, n)
        work(world, a)
    world.kill(a, wipe=True)
    a = world.start(0)
    world.hold(a, "kafka.fetch", "before", 5)
    world.rebalance([a])
    world.kill(a)
    a = world.start(0)
    world.rebalance([a])
    work(world, a)
