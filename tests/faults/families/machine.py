"""The machine: a full disk, a state folder gone or corrupted, a clock that jumps; a topic that is not what it was."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from confluent_kafka import TopicPartition
from confluent_kafka.admin import NewPartitions

from tests.faults import verdict
from tests.faults.fault import Fault
from tests.faults.scene import Scene
from tests.faults.traffic import Traffic
from tests.faults.workload import PARTITIONS
from tests.integration.deployment import Process
from tests.integration.polling import until
from tests.stack.kafka import admin, create_topic, delete_topic

CLOCK = Path(__file__).parents[1] / "clock"
HOUR = 3600 * 1_000_000
NO_DISK = None if os.geteuid() == 0 else "only root may mount a small disk"


def full_disk(scene: Scene) -> None:
    """No room left when a worker is stopped, and none when it is started: it ends with 1 and says so; then there is."""
    scene.stop("w1")
    folder = scene.folder / "state-small"
    folder.mkdir()
    with scene.small_disk(folder, megabytes=48):
        worker = scene.worker(state="state-small")
        scene.fresh()
        fill(folder / "filler")
        scene.retire("w1").terminate()
        refused(worker)
        worker = scene.worker(state="state-small")
        scene.retire("w1")
        refused(worker)
        (folder / "filler").unlink()
        scene.worker(state="state-small")
        scene.fresh()
        scene.stop("w1")  # before its disk goes
    scene.worker(state="state-elsewhere")
    scene.healed()


def disk_fills_up(scene: Scene) -> None:
    """Orders of ever new customers, until the state has no room: the worker ends with 1, and says so; then there is."""
    scene.stop("w1")
    folder = scene.folder / "state-small"
    folder.mkdir()
    with scene.small_disk(folder, megabytes=48):
        worker = scene.worker(state="state-small")
        scene.fresh()
        fill(folder / "filler")
        scene.traffic.extra = strangers
        scene.retire("w1")
        until("the end of the worker", lambda: not worker.running, scene.fault.seconds)
        scene.traffic.extra = None
        refused(worker)
        (folder / "filler").unlink()
        scene.worker(state="state-small")
        scene.fresh()
        scene.stop("w1")
    scene.worker(state="state-elsewhere")
    scene.healed()


def strangers(traffic: Traffic, elapsed: float) -> None:
    """Customers that order once."""
    for _ in range(40):
        event = dict(traffic.orders.next(elapsed))
        traffic.order({**event, "customer": f"once-{event['number']}", "shop": "s0"})


def refused(worker: Process) -> None:
    """It ended with 1, and said why."""
    assert worker.ended() == 1, worker.log_tail(30)
    assert says_full(worker), f"ended with 1, and not a word of the disk:\n{worker.log_tail(40)}"


def says_full(worker: Process) -> bool:
    """Whether its log says that the disk is full."""
    return worker.said("No space left") or worker.said("disk is full") or worker.said("disk full")


def fill(file: Path) -> None:
    """Take all the room there is."""
    with file.open("wb", buffering=0) as out:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    out.write(b"\x00" * size)
            except OSError:
                continue


def deleted_while_down(scene: Scene) -> None:
    """Stopped in good order, its folder deleted, started again."""
    scene.stop("w1")
    shutil.rmtree(scene.folder / "state-w1")
    scene.flow(100, 400)
    scene.worker()
    scene.healed()


def corrupted_while_down(scene: Scene) -> None:
    """Bytes of its files overwritten while it is down: it heals itself, or says so and is given an empty folder."""
    if scene.rng.random() < 0.5:
        scene.retire("w1").kill()
    else:
        scene.stop("w1")
    files = sorted(p for p in (scene.folder / "state-w1").rglob("*") if p.is_file() and p.stat().st_size > 64)
    suffix = scene.rng.choice([".sst", "MANIFEST", ".log", "OPTIONS", "CURRENT"])
    hit = [p for p in files if suffix in p.name] or files
    for file in hit:
        damage(scene, file)
    scene.flow(100, 400)
    worker = scene.worker()
    number = scene.traffic.orders.number
    scene.retire("w1")
    until(
        "values, or a word about the folder",
        lambda: not worker.running or scene.reader.fresh(number),
        scene.fault.seconds,
    )
    if worker.running:
        scene.workers["w1"] = worker
    else:
        damaged = ", ".join(p.name for p in hit)
        assert worker.said("state-w1"), (
            f"{damaged} damaged, and no word of the folder:\n{worker.log_tail(40)}"
        )
        assert worker.code == 1, worker.log_tail(30)
        shutil.rmtree(scene.folder / "state-w1")
        scene.worker()
    scene.healed()


def damage(scene: Scene, file: Path) -> None:
    """Some bytes in the middle become others."""
    size = file.stat().st_size
    with file.open("r+b") as out:
        for _ in range(8):
            out.seek(scene.rng.randrange(size))
            out.write(scene.rng.randbytes(8))


def clock_jump(scene: Scene) -> None:
    """An hour ahead, then back; a day back, then right again. T of an entity never falls."""
    scene.stop("w1")
    offset = scene.folder / "clock-offset"
    offset.write_text("0")
    jumping = {
        "PYTHONPATH": f"{CLOCK}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        "FAULTS_CLOCK": str(offset),
    }
    scene.worker(environment=jumping)
    scene.fresh()
    for us in (HOUR, 0, -24 * HOUR, 0):
        offset.write_text(str(us))
        scene.last(scene.rng.uniform(1.5, 4))
        if scene.rng.random() < 0.5:
            scene.workers["w1"].kill()
            scene.worker(environment=jumping)
        scene.fresh()
    scene.healed()


# -- a topic that is not what it was: the worker stops rather than go on


def made_again(scene: Scene) -> None:
    """The topic is deleted and made again while it is read, with other orders in it."""
    hold(scene)
    if scene.rng.random() < 0.5:
        scene.retire("w1").kill()
    delete_topic(scene.kafka, scene.topic)
    client = admin(scene.kafka)
    until("the end of the topic", lambda: scene.topic not in client.list_topics(timeout=10).topics)
    create_topic(scene.kafka, scene.topic, PARTITIONS)
    again(scene)


def partition_added(scene: Scene) -> None:
    """The topic grows by a partition: keys go elsewhere than their state is."""
    hold(scene)
    client = admin(scene.kafka)
    client.create_partitions([NewPartitions(scene.topic, PARTITIONS + 1)])[scene.topic].result(30)
    again(scene)


def log_cut(scene: Scene) -> None:
    """While the worker is down, records that it has not read are deleted from the log's start."""
    hold(scene)
    scene.retire("w1").kill()
    scene.traffic.go_on()
    scene.flow(600)
    scene.traffic.hold()
    client = admin(scene.kafka)
    ends = [TopicPartition(scene.topic, p, -1) for p in range(PARTITIONS)]
    for deleted in client.delete_records(ends).values():
        deleted.result(30)
    again(scene)


def hold(scene: Scene) -> None:
    """Nothing more is sent; what is on the topic has come through, and is what must be there at the end."""
    scene.traffic.hold()
    scene.freeze()
    orders, _ = verdict.on_topic(scene)
    scene.until("all that was sent", lambda: not verdict.online(scene, orders).wrong)
    scene.histories.pop("h1").kill()


def again(scene: Scene) -> None:
    """Start the worker if it is down."""
    scene.healed()
    if "w1" not in scene.workers:
        scene.worker()


FAULTS = (
    Fault("machine", "disk full", full_disk, pending=NO_DISK),
    Fault("machine", "disk fills up", disk_fills_up, pending=NO_DISK, ci=False),
    Fault("machine", "state folder deleted while down", deleted_while_down),
    Fault("machine", "state folder corrupted while down", corrupted_while_down),
    Fault("machine", "clock jump", clock_jump, wall=True),
    Fault("machine", "topic deleted and made again", made_again, refuses=("made again",)),
    Fault("machine", "a partition added", partition_added, refuses=("partition",)),
    Fault("machine", "log start beyond the position", log_cut, refuses=("the log begins at offset",)),
)
