"""Where Prometheus reads a process's metrics."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server

from headrace.errors import SettingsError
from headrace.settings import MetricsSettings

log = logging.getLogger("headrace")


@contextmanager
def serve(registry: CollectorRegistry, settings: MetricsSettings) -> Iterator[None]:
    """Serve `registry` while the block runs, if a port is set."""
    if settings.port is None:
        yield
        return
    try:
        server, thread = start_http_server(settings.port, settings.host, registry)
    except OSError as exc:
        where = f"{settings.host}:{settings.port}"
        raise SettingsError(f"metrics.port: nothing can be served at {where}: {exc.strerror}") from None
    log.info("metrics at http://%s:%d/metrics", settings.host, server.server_port)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
