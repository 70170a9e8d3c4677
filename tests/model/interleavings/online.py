"""A flush on its way to Redis, and a Redis that loses what it had."""

from __future__ import annotations

from tests.model.interleavings.telling import more, story, take_over, work
from tests.model.worker import Worker
from tests.model.world import World

# -- Redis


@story
def a_zombie_has_committed_and_not_written(world: World, a: Worker) -> None:
    more(world, 2)
    world.hold(a, "redis.look")
    world.fetch(a)
    world.flush(a)
    b = take_over(world)
    more(world, 3)
    work(world, b)
    world.release(a)


@story
def a_zombie_is_between_its_look_and_its_write(world: World, a: Worker) -> None:
    more(world, 2)
    world.hold(a, "redis.write")
    world.fetch(a)
    world.flush(a)
    b = take_over(world)
    more(world, 3)
    work(world, b)
    world.release(a)


@story
def a_task_is_closed_and_fenced_while_its_flush_goes_to_redis(world: World, a: Worker) -> None:
    more(world, 2)
    world.hold(a, "redis.look")
    world.fetch(a)
    world.flush(a)
    b = world.start(1)
    world.rebalance([a, b], flushed=False)
    work(world, b)
    world.release(a)
    more(world, 3)
    work(world, a, b)


@story
def a_dead_workers_write_arrives_late(world: World, a: Worker) -> None:
    more(world, 2)
    world.hold(a, "redis.write")
    world.fetch(a)
    world.flush(a)
    world.kill(a)
    b = take_over(world)
    more(world, 3)
    work(world, b)
    while world.wire:
        world.arrive()


@story
def a_worker_dies_between_the_chunks_of_its_flush(world: World, a: Worker) -> None:
    more(world, 2)
    world.hold(a, "redis.write", "before", 2)
    world.fetch(a)
    world.flush(a)
    world.kill(a)
    world.wire.clear()
    take_over(world)


@story
def two_owners_die_before_the_last_flush_is_written(world: World, a: Worker) -> None:
    more(world, 2)
    world.hold(a, "redis.look")
    world.fetch(a)
    world.flush(a)
    world.kill(a)
    world.wire.clear()
    b = take_over(world)
    world.kill(b)
    world.rebalance([world.start(2)])


@story
def an_opening_hangs_before_its_claim_while_another_opens(world: World, a: Worker) -> None:
    b = world.start(1)
    world.hold(b, "redis.look")
    world.hold(b, "redis.look")
    world.hold(b, "redis.look")
    world.hold(b, "redis.look")
    world.rebalance([b])
    more(world, 2)
    c = world.start(2)
    world.rebalance([c])
    work(world, c)
    world.release(b)
    more(world, 3)
    work(world, b, c)


@story
def redis_is_emptied(world: World, a: Worker) -> None:
    world.flush_redis()
    world.keep_house(a)
    work(world, a)


@story
def redis_is_emptied_under_a_zombie_that_has_committed(world: World, a: Worker) -> None:
    more(world, 2)
    world.hold(a, "redis.look")
    world.fetch(a)
    world.flush(a)
    b = take_over(world)
    more(world, 3)
    work(world, b)
    world.flush_redis()
    world.release(a)
    work(world, b)


@story
def a_replica_that_lagged_takes_over_while_the_worker_is_down(world: World, a: Worker) -> None:
    world.copy_redis()
    more(world, 2)
    work(world, a)
    world.kill(a)
    world.fail_over()
    take_over(world)
