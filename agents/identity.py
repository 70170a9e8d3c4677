"""Whether a topic still is the one that a task's positions are of, with its keys where their state is.

Refuses what cannot be exact: nobody can tell what an offset of another log, or a key on another partition, would mean.
"""

from __future__ import annotations

from agents.task import Task
from headrace.errors import PositionError, StateError
from tables.kafka.topics import TopicInfo


def check_topic(task: Task, info: TopicInfo | None) -> None:
    """`info`: what the cluster says of the task's topic now; None, if nothing: a topic that is gone is not read.

    PositionError if it was deleted and made again, StateError if its partition count is another than at the start.
    """
    if info is None:
        return
    if task.topic_id is not None and info.topic_id not in (None, task.topic_id):
        raise PositionError(
            f"topic `{info.name}` was deleted and made again while it was read: its offsets mean other events now. "
            "Make new versions of the views on it, or delete their changelogs and the state folder"
        )
    if task.partitions not in (None, info.partitions):
        raise StateError(
            f"topic `{info.name}` has {info.partitions} partitions now, it had {task.partitions}: "
            "entities may be on other partitions than their state. Make new versions of the views on it"
        )
