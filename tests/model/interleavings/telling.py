"""How a story begins, and what its tellers do again and again.

`a` is the first owner, `b` takes over. Every story begins with a counted event of each user.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.model.worker import Worker
from tests.model.world import World

Story = Callable[[World, Worker], None]
STORIES: dict[str, Story] = {}


def story(tell: Story) -> Story:
    STORIES[tell.__name__] = tell
    return tell


def begin(world: World) -> Worker:
    a = world.start(0)
    world.rebalance([a])
    more(world, 1)
    work(world, a)
    return a


def more(world: World, n: int) -> None:
    """An event of each user, in both shops."""
    world.produce([("a", "x", 0, 10 * n), ("b", "y", -1, 10 * n + 1), ("c", "x", -2, 10 * n + 2)])


def work(world: World, *workers: Worker) -> None:
    """Everything that there is goes through, the shuffled view's too."""
    for _ in range(2):
        for worker in workers:
            world.fetch(worker)
            world.flush(worker)


def take_over(world: World) -> Worker:
    """Another machine gets everything; who had it is not told."""
    b = world.start(1)
    world.rebalance([b])
    return b
