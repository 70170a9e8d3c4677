"""What hypothesis may do to a world: anything, at any step, in any order; and then all must be right.

A rule draws, and leaves the rest to `World`. Workers are named by their machine.
"""

from __future__ import annotations

from contextlib import ExitStack

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from tests.model.worker import Worker
from tests.model.world import SLOTS, World, world

USERS = st.sampled_from(["a", "b", "c", None])
SHOPS = st.sampled_from(["x", "y", None])
AHEAD = st.sampled_from([0, 0, -1, -4, -19, -40, 3, None])
EVENTS = st.lists(st.tuples(USERS, SHOPS, AHEAD), min_size=1, max_size=4)
PICK = st.integers(0, SLOTS - 1)
STEPS = st.sampled_from(
    [
        *(
            "kafka.init",
            "kafka.offsets",
            "kafka.fetch",
            "kafka.admin",
            "kafka.send",
            "kafka.commit",
            "kafka.trim",
        ),
        *("disk.write", "redis.look", "redis.claim", "redis.write"),
    ]
)
WHEN = st.sampled_from(["before", "after"])


class Protocol(RuleBasedStateMachine):
    """Some workers, a topic, and everything that can go wrong."""

    def __init__(self) -> None:
        super().__init__()
        self._ended = ExitStack()
        self.world: World = self._ended.enter_context(world())
        self._n = 0
        self.world.rebalance([self.world.start(0)])

    def _worker(self, pick: int) -> Worker:
        return self.world.workers[pick % len(self.world.workers)]

    def _someone(self) -> bool:
        return bool(self.world.workers)

    # -- work

    @rule(events=EVENTS)
    def produce(self, events: list[tuple[str | None, str | None, int | None]]) -> None:
        made = []
        for event in events:
            self._n += 1
            made.append((*event, self._n))
        self.world.produce(made)

    @precondition(_someone)
    @rule(pick=PICK, batches=st.integers(1, 3))
    def fetch(self, pick: int, batches: int) -> None:
        self.world.fetch(self._worker(pick), batches)

    @precondition(_someone)
    @rule(pick=PICK)
    def fetch_only(self, pick: int) -> None:
        self.world.fetch_only(self._worker(pick))

    @precondition(_someone)
    @rule(pick=PICK)
    def flush(self, pick: int) -> None:
        self.world.flush(self._worker(pick))

    @precondition(_someone)
    @rule(pick=PICK)
    def fetch_and_flush(self, pick: int) -> None:
        self.world.fetch(self._worker(pick))
        self.world.flush(self._worker(pick))

    @precondition(_someone)
    @rule(pick=PICK)
    def keep_house(self, pick: int) -> None:
        self.world.keep_house(self._worker(pick))

    @rule(seconds=st.sampled_from([1, 2, 6, 30]))
    def advance(self, seconds: int) -> None:
        self.world.advance(seconds)

    @rule(slot=PICK, seconds=st.sampled_from([-20, -3, 0, 3, 20]))
    def jump(self, slot: int, seconds: int) -> None:
        self.world.jump(slot, seconds)

    # -- calls that hang, fail, or never return

    @precondition(_someone)
    @rule(pick=PICK, step=STEPS, when=WHEN, nth=st.integers(1, 3))
    def hold(self, pick: int, step: str, when: str, nth: int) -> None:
        self.world.hold(self._worker(pick), step, when, nth)

    @precondition(_someone)
    @rule(pick=PICK)
    def release(self, pick: int) -> None:
        self.world.release(self._worker(pick))

    @precondition(_someone)
    @rule(pick=PICK)
    def fail(self, pick: int) -> None:
        self.world.fail(self._worker(pick))

    @precondition(_someone)
    @rule(pick=PICK, lost=st.sampled_from([0, 1, 2, 100]), wipe=st.booleans())
    def kill(self, pick: int, lost: int, wipe: bool) -> None:
        self.world.kill(self._worker(pick), lost, wipe)

    @precondition(_someone)
    @rule(pick=PICK)
    def stop(self, pick: int) -> None:
        self.world.stop(self._worker(pick))

    @precondition(lambda self: bool(self.world.wire))
    @rule()
    def arrive(self) -> None:
        self.world.arrive()

    # -- who owns what

    @precondition(lambda self: len(self.world.workers) < SLOTS)
    @rule(joins=st.booleans(), spread=PICK)
    def start(self, joins: bool, spread: int) -> None:
        """A worker comes, for those that are gone or beside the others, who may not notice."""
        slot = next(s for s in range(SLOTS) if all(w.slot != s for w in self.world.workers))
        worker = self.world.start(slot)
        members = [w for w in self.world.workers if w.member] if joins else []
        self.world.rebalance([*members, worker], spread)

    @precondition(_someone)
    @rule(members=st.sets(PICK, min_size=1), spread=PICK)
    def rebalance(self, members: set[int], spread: int) -> None:
        """Only these are in the group now; the others do not know it yet."""
        self.world.rebalance([w for w in self.world.workers if w.slot in members], spread)

    # -- Redis, Kafka, definitions

    @rule()
    def flush_redis(self) -> None:
        self.world.flush_redis()

    @rule()
    def copy_redis(self) -> None:
        self.world.copy_redis()

    @rule()
    def fail_over(self) -> None:
        self.world.fail_over()

    @rule()
    def time_out_transactions(self) -> None:
        self.world.time_out_transactions()

    @rule()
    def resend(self) -> None:
        self.world.resend()

    @rule()
    def add_view(self) -> None:
        self.world.add_view()

    # -- the end

    def teardown(self) -> None:
        try:
            self.world.end()
        finally:
            self._ended.close()
