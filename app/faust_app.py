"""The Faust application of a process: group membership, agents and life cycle; the data plane is ours."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import faust
from faust.tables.manager import TableManager

from app.kafka import Cluster
from app.transport import RawTopic, RawTransport
from app.transport.consumer import Flow
from headrace.errors import HeadraceError, StateError

log = logging.getLogger("headrace")


class NoTables(TableManager):
    """Faust's tables, of which there are none: ours are beside it. Stock waits a second for them to be registered."""

    async def on_start(self) -> None:
        await self._update_channels()
        await self.recovery.start()


class HeadraceApp(faust.App):
    """A Faust app on the raw transport. `flow` is set before the app starts; `failure` is what closing it met.

    `crashing()` is called when the app begins to end by an error.
    """

    flow: Flow
    crashing: Callable[[], None] | None = None
    close: Callable[[], Awaitable[None]] | None = None
    failure: HeadraceError | None = None

    async def crash(self, reason: BaseException) -> None:
        if self.crashing is not None:
            self.crashing()
        await super().crash(reason)

    async def on_shutdown(self) -> None:
        """The last step of stopping: the consumer has committed and left its group."""
        await super().on_shutdown()
        if self.close is None:
            return
        try:
            await self.close()
        except HeadraceError as exc:
            log.error("stopping: %s", exc)
            self.failure = exc

    def _new_transport(self) -> RawTransport:
        return RawTransport(self.conf.broker_consumer, self)


def faust_app(
    group: str, cluster: Cluster, *, instance: str | None, datadir: str, standbys: int = 0
) -> HeadraceApp:
    """A Faust app in consumer group `group`; with `instance`, a static member of it. Makes `datadir`.

    `standbys`: how many other workers the assignor names for each partition, to keep a copy of its state.
    """
    try:
        Path(datadir).mkdir(parents=True, exist_ok=True)  # Faust would not make the folder above it
    except OSError as exc:
        raise StateError(
            f"the folder {datadir} cannot be made: {exc.strerror}. Correct state.dir, or what may be written"
        ) from None
    return HeadraceApp(
        group,
        broker=[f"kafka://{server}" for server in cluster.servers],
        broker_credentials=cluster.faust_credentials(),
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        store="memory://",
        TableManager=NoTables,
        table_standby_replicas=standbys,
        datadir=datadir,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=instance,
        consumer_max_fetch_size=1 << 20,
        broker_check_crcs=False,  # RecordBatches.parse checks them
        broker_commit_interval=1.0,
        broker_commit_livelock_soft_timeout=1e9,
        broker_session_timeout=cluster.session_timeout,
        broker_heartbeat_interval=cluster.heartbeat_interval,
        broker_rebalance_timeout=cluster.rebalance_timeout,
        broker_max_poll_interval=3600.0,
        consumer_metadata_max_age_ms=30_000,  # a topic that was deleted and made again is noticed within it
        stream_wait_empty=False,
        producer_acks=-1,
    )


def raw_topic(app: HeadraceApp, names: Sequence[str]) -> Any:
    """A channel over `names` whose events are fetched partitions."""
    return RawTopic(app, topics=list(names))
