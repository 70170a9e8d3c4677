"""Flushes of timers, two views on one source, and both sides of the shuffle."""

from __future__ import annotations

from tests.model.interleavings.telling import more, story, take_over, work
from tests.model.worker import Worker
from tests.model.world import World

# -- timers


@story
def a_zombie_lets_values_fall(world: World, a: Worker) -> None:
    world.advance(6)
    world.hold(a, "kafka.commit")
    world.flush(a)
    b = take_over(world)
    work(world, b)
    world.release(a)
    more(world, 2)
    work(world, b)


@story
def a_flush_of_timers_is_the_last_before_a_crash(world: World, a: Worker) -> None:
    world.advance(6)
    world.flush(a)
    world.kill(a, lost=100)
    b = take_over(world)
    more(world, 2)
    work(world, b)


@story
def a_flush_of_timers_dies_before_redis(world: World, a: Worker) -> None:
    world.advance(6)
    world.hold(a, "redis.look")
    world.flush(a)
    world.kill(a)
    world.wire.clear()
    take_over(world)


@story
def the_clock_of_the_next_owner_is_behind(world: World, a: Worker) -> None:
    world.advance(12)
    world.flush(a)
    world.jump(1, -20)
    b = take_over(world)
    more(world, 2)
    work(world, b)


# -- two views on one source


@story
def a_view_is_added_to_a_source_that_was_read(world: World, a: Worker) -> None:
    world.produce([(None, None, 0, 20), ("a", "x", 0, 21), ("b", None, None, 22)])
    work(world, a)
    world.add_view()
    b = take_over(world)
    work(world, b)


@story
def a_worker_without_the_new_view_owns_the_source_in_between(world: World, a: Worker) -> None:
    world.add_view()
    b = take_over(world)
    work(world, b)
    more(world, 2)
    world.rebalance([a])
    world.produce([(None, None, 0, 30), ("a", "x", 0, 31)])
    work(world, a)
    more(world, 4)
    world.rebalance([b])
    work(world, b)


# -- the shuffle


@story
def a_sender_dies_before_its_rows_are_committed(world: World, a: Worker) -> None:
    more(world, 2)
    world.hold(a, "kafka.commit")
    world.hold(a, "kafka.commit")
    world.fetch(a)
    world.flush(a)
    world.kill(a)
    work(world, take_over(world))


@story
def a_sender_dies_after_its_rows_are_committed(world: World, a: Worker) -> None:
    more(world, 2)
    world.hold(a, "kafka.commit", "after")
    world.hold(a, "kafka.commit", "after")
    world.fetch(a)
    world.flush(a)
    world.kill(a, lost=100)
    work(world, take_over(world))


@story
def a_commit_of_a_dead_sender_arrives_after_the_hand_over(world: World, a: Worker) -> None:
    more(world, 2)
    world.hold(a, "kafka.commit")
    world.hold(a, "kafka.commit")
    world.fetch(a)
    world.flush(a)
    world.kill(a)
    b = take_over(world)
    while world.wire:
        world.arrive()
    work(world, b)


@story
def sender_and_receiver_are_apart_and_the_receiver_restarts(world: World, a: Worker) -> None:
    b = world.start(1)
    world.rebalance([a, b], spread=1)
    for n in (2, 3, 4):
        more(world, n)
        world.fetch(a)
        world.flush(a)
        world.fetch(b)
        world.flush(b)
    world.kill(b, lost=2)
    b = world.start(1)
    world.rebalance([a, b])
    work(world, a, b)


@story
def a_receiver_wakes_up_after_its_topic_was_trimmed(world: World, a: Worker) -> None:
    b = take_over(world)
    for n in (2, 3):
        more(world, n)
        work(world, b)
    world.keep_house(b)
    more(world, 4)
    work(world, b)
    work(world, a)
    world.advance(6)
    work(world, b)


@story
def a_receiver_gets_rows_again(world: World, a: Worker) -> None:
    more(world, 2)
    work(world, a)
    world.resend()
    work(world, a)
