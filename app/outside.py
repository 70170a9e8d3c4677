"""The settings of a verb that asks components from outside: they must have addresses that others can reach."""

from __future__ import annotations

from pathlib import Path

from headrace.errors import UsageError
from headrace.settings import Settings, load_settings


def outside(config: Path) -> Settings:
    """The settings, once it is sure that there is a Kafka outside to ask. Raises UsageError."""
    settings = load_settings(config)
    if settings.kafka.embedded:
        raise UsageError(
            "kafka.bootstrap is `embedded`: that broker lives inside the process that started it. Set "
            "HEADRACE_KAFKA__BOOTSTRAP (the demo says which), or kafka.bootstrap in headrace.toml."
        )
    return settings
