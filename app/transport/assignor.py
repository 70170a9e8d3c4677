"""How partitions are shared out where no copies are kept: in turn, as aiokafka does."""

from __future__ import annotations

from collections.abc import Iterable

from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata


class InTurn(RoundRobinPartitionAssignor):
    """Says in each JoinGroup how often it asked for partitions to be shared out anew: a broker that finds a member
    unchanged answers with the assignment that there is.
    """

    def __init__(self) -> None:
        self.asked = 0

    def metadata(self, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        said = str(self.asked).encode() if self.asked else b""
        return ConsumerProtocolMemberMetadata(self.version, list(topics), said)
